"""The BiLSTM's training as a plain PyTorch loop: what `etudes.training.fit.fit` is measured against.

The same model, batches, optimiser, schedule, clipping, weight averaging, dev evaluation and choice of the best epoch;
no resume, no devices, no tracking, no checks.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from etudes.pipelines.genre_classification.films import film_texts
from etudes.pipelines.genre_classification.model import FilmBiLSTM
from etudes.text.bilstm import BiLSTM
from etudes.text.problem import TextProblem
from etudes.text.tokens import Vocabulary, tokenize
from etudes.training.classification import class_weights
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.seeds import derive_seed, seed_everything


def bilstm_problem(sample: Any) -> TextProblem:
    """The study's problem over the embedded sample, with an untrained network."""
    parameters = sample.parameters.bilstm
    seed_everything(derive_seed(sample.run.seed, "bilstm"))
    documents = [tokenize(text) for text in film_texts(sample.train)]
    vocabulary = Vocabulary.build(documents, parameters.min_count, parameters.max_words)
    classifier = FilmBiLSTM(parameters, vocabulary, BiLSTM(len(vocabulary), sample.classes, parameters))
    labels = sample.train["label"].to_numpy()
    return TextProblem(
        model=classifier.network,
        train=classifier.encode(sample.train),
        train_labels=labels,
        dev=classifier.encode(sample.dev),
        dev_labels=sample.dev["label"].to_numpy(),
        class_weights=class_weights(labels, sample.classes, parameters.balance),
        batch_size=parameters.fit.batch_size,
    )


def plain_loop(problem: TextProblem, settings: FitParameters, run: RunParameters) -> list[float]:
    """Train ``problem.model`` in place and leave the weights of its best epoch in it; training loss by epoch."""
    device = torch.device("cpu")
    seed_everything(derive_seed(run.seed, "fit", 0))
    model = problem.model.to(device)
    optimizer = torch.optim.AdamW(
        problem.parameter_groups(settings.learning_rate),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    total = settings.epochs * len(problem.batches(np.random.default_rng([run.seed, 0])))
    rising = max(1, round(settings.warmup * total))

    def rate(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 1.0 - 0.9 * (step - rising) / max(1, total - rising)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    averages = settings.average > 0
    evaluated = copy.deepcopy(model).eval() if averages else model
    best, best_weights, losses, steps = -1.0, model.state_dict(), [], 0
    for epoch in range(settings.epochs):
        model.train()
        loss_sum = weight_sum = 0.0
        for indices in problem.batches(np.random.default_rng([run.seed, epoch])):
            loss, weights = problem.loss(model, problem.collate(indices, device))
            weighted, normaliser = (weights * loss).sum(), weights.sum()
            (weighted / normaliser).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad(set_to_none=True)
            if averages:
                steps += 1
                decay = min(settings.average, (1 + steps) / (10 + steps))
                with torch.no_grad():
                    for mean, value in zip(evaluated.parameters(), model.parameters(), strict=True):
                        mean.lerp_(value, 1 - decay)
            loss_sum += float(weighted.detach())
            weight_sum += float(normaliser)
        losses.append(loss_sum / weight_sum)
        accuracy = problem.evaluate(evaluated.eval(), device)["accuracy"]
        if accuracy > best:
            best, best_weights = accuracy, copy.deepcopy(evaluated.state_dict())
    model.load_state_dict(best_weights)
    model.eval()
    return losses
