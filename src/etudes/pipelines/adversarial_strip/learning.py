"""Learning one strip for many photos: sign steps with momentum on the mean loss of random batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etudes.cards import fingerprint
from etudes.pipelines.adversarial_strip.parameters import LearningParameters
from etudes.pipelines.adversarial_strip.reach import PastedPhotos
from etudes.pipelines.adversarial_strip.strip import Pixels, strip_rows
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import progress
from etudes.vision.attack_losses import LOSSES
from etudes.vision.victims import Victims, to_uint8

SMALLEST_STEP = 0.05  # last step as a share of the first
CHUNK = 50  # photos of one pass over dev


@dataclass(frozen=True)
class Task:
    """What a strip is learned for.

    ``network`` is one of the ``victims``' views; ``train`` and ``dev`` are photos (N, H, W, 3), uint8; ``height`` is the
    share of the photo that the strip covers; ``name`` sets its seed apart from those of other strips of the same node.
    """

    victims: Victims
    network: str
    train: Pixels
    dev: Pixels
    target: int
    height: float
    loss: str
    name: str = ""

    def key(self) -> list[Any]:
        """What the strip depends on, as JSON values."""
        weights = [self.network, self.victims.fingerprint(self.network)]
        photos = [fingerprint(self.train), fingerprint(self.dev)]
        return [*weights, *photos, self.target, self.height, self.loss, self.name]


class Learning(Resumable):
    """A strip x that makes a network answer the target on photos p whose top rows it covers.

    Minimises E_p[loss(f(p with x), target)] over x in [0, 1] by momentum sign steps (Dong et al., "Boosting
    Adversarial Attacks with Momentum", 2018, equations 6 and 7), one batch of photos each:

        g <- momentum * g + grad / mean|grad|,    x <- clip(x - step_t * sign(g), 0, 1),

    where step_t falls along a quarter of a cosine to a twentieth. The network's weights are frozen: only the strip has
    a gradient. Every ``score_every`` steps the strip, rounded to 8 bits, is scored on dev; the best one by success,
    then by the mean log-probability of the target, is kept.
    """

    keep = ("strip", "momentum", "best_strip", "best", "iteration", "looks_since_best", "iterations", "looks")
    rows = "looks"

    def __init__(self, task: Task, settings: LearningParameters, run: RunParameters) -> None:
        self.task, self.settings = task, settings
        self.device = resolve_device(run.device)
        self.precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(run.precision)
        side, view = task.train.shape[1], task.victims.view(task.network)
        rows = strip_rows(task.height, side)
        self.photos, self.dev = (PastedPhotos(view, p, rows, self.device) for p in (task.train, task.dev))
        self.seed = derive_seed(run.seed, "strip", task.name)
        noise = np.random.default_rng(self.seed).random((3, rows, side), dtype=np.float32)
        self.strip = torch.from_numpy(noise).to(self.device)
        self.momentum = torch.zeros_like(self.strip)
        self.best_strip, self.best = self.strip.clone(), [-1.0, -math.inf]
        self.iteration = self.looks_since_best = 0
        self.iterations: list[dict[str, float]] = []
        self.looks: list[dict[str, float]] = []
        self.label = f"strip {task.name}".strip()
        self.resume(run, task.key(), settings.model_dump(), run.precision)

    def learn(self) -> tuple[Pixels, dict[str, Any]]:
        """Learn to the end.

        Returns:
            The best strip (rows, W, 3), uint8, and its history: ``iterations`` (loss and success on each batch, before
            its step) and ``epochs`` (one row a look at dev).

        Raises:
            ValueError: a loss or gradient that is not finite.
            CheckpointError: ``run.resume`` with a damaged checkpoint.
        """
        for _ in progress(range(self.iteration, self.settings.iterations), self.label):
            if self.looks_since_best >= self.settings.patience:
                break
            self._step()
            last = self.iteration == self.settings.iterations
            if last or self.iteration % self.settings.score_every == 0:
                self._look()
                self.save()
        return _pixels(self.best_strip), {"iterations": self.iterations, "epochs": self.looks}

    def _batch(self) -> NDArray[np.intp]:
        """The photos of this iteration; each pass over all of them has an order of its own, by seed and pass alone."""
        size = min(self.settings.batch_size, len(self.photos))
        number, place = divmod(self.iteration, len(self.photos) // size)
        order = np.random.default_rng([self.seed, number]).permutation(len(self.photos))
        return np.sort(order[place * size : (place + 1) * size])

    def _step(self) -> None:
        indices = torch.from_numpy(self._batch()).to(self.device)
        strip = self.strip.clone().requires_grad_()
        logits = self._logits(self.photos, strip, indices)
        targets = torch.full((len(indices),), self.task.target, device=self.device)
        loss = LOSSES[self.task.loss](logits, targets, self.settings.confidence).mean()
        (gradient,) = torch.autograd.grad(loss, strip)
        size, value = float(gradient.abs().mean()), float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(size)):
            raise ValueError(
                f"{self.label}: the loss is {value} and the mean gradient {size} in iteration {self.iteration}; expected "
                "finite numbers. Are the network's weights right? With run.precision=fp16, try bf16 or no."
            )
        self.momentum.mul_(self.settings.momentum)
        if size > 0:  # the margin loss is flat once every photo of the batch is done
            self.momentum.add_(gradient / size)
        share = self.iteration / self.settings.iterations
        step = self.settings.step * max(SMALLEST_STEP, math.cos(math.pi / 2 * share))
        self.strip.sub_(step * self.momentum.sign()).clamp_(0, 1)
        success = float((logits.detach().argmax(1) == targets).double().mean())
        self.iterations.append({"step": self.iteration, "loss": value, "success": success})
        self.iteration += 1

    def _logits(self, photos: PastedPhotos, strip: Tensor, indices: Any) -> Tensor:
        kind = torch.device(self.device).type
        with torch.autocast(kind, dtype=self.precision, enabled=self.precision is not None):
            return photos.logits(strip, indices).float()

    def _look(self) -> None:
        """Score the rounded strip on dev; keep it if it is the best so far."""
        rounded = torch.from_numpy(_pixels(self.strip)).to(self.device).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            parts = [
                self._logits(self.dev, rounded, slice(start, start + CHUNK))
                for start in range(0, len(self.dev), CHUNK)
            ]
        logits = torch.cat(parts).double()
        success = float((logits.argmax(1) == self.task.target).double().mean())
        log_probability = float(logits.log_softmax(1)[:, self.task.target].mean())
        since = self.iterations[-self.settings.score_every :]
        self.looks.append(
            {
                "step": float(self.iteration),
                "train_loss": float(np.mean([entry["loss"] for entry in since])),
                "train_success": float(np.mean([entry["success"] for entry in since])),
                "dev_success": success,
                "dev_target_log_probability": log_probability,
            }
        )
        self.log(self.looks[-1])
        # The log-probability may go on rising long after every photo is turned: only success keeps learning going.
        self.looks_since_best = 0 if success > self.best[0] else self.looks_since_best + 1
        if [success, log_probability] > self.best:
            self.best, self.best_strip = [success, log_probability], self.strip.clone()


def _pixels(strip: Tensor) -> Pixels:
    return to_uint8(strip.cpu().permute(1, 2, 0).numpy())
