"""Learning one strip for many photos: sign steps with momentum on the mean loss of random batches."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etudes.pipelines.adversarial_strip.losses import LOSSES
from etudes.pipelines.adversarial_strip.networks import View
from etudes.pipelines.adversarial_strip.parameters import LearningParameters
from etudes.pipelines.adversarial_strip.reach import PastedPhotos
from etudes.pipelines.adversarial_strip.strip import Pixels, to_uint8
from etudes.training.checkpoint import Checkpoint, checkpoint_key
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress, record

SMALLEST_STEP = 0.05  # last step as a share of the first
CHUNK = 50  # photos of one pass over dev


@dataclass(frozen=True)
class Task:
    """What a strip is learned for.

    ``train`` and ``dev`` are photos (N, H, W, 3), uint8; ``rows`` the strip's height in pixels; ``name`` sets its
    seed, its checkpoint and its live metrics apart from those of other strips of the same node.
    """

    view: View
    fingerprint: str
    train: NDArray[np.uint8]
    dev: NDArray[np.uint8]
    target: int
    rows: int
    loss: str
    name: str = ""


@dataclass
class Progress:
    """Where learning stands; with the tensors, all of it goes into the checkpoint."""

    iteration: int = 0
    looks_since_best: int = 0
    finished: bool = False
    best: list[float] = field(default_factory=list)
    iterations: list[dict[str, float]] = field(default_factory=list)
    looks: list[dict[str, float]] = field(default_factory=list)


def learn_strip(
    task: Task, settings: LearningParameters, run: RunParameters
) -> tuple[Pixels, dict[str, Any]]:
    """Learn a strip x that makes a network answer the target on photos p whose top rows it covers.

    Minimises E_p[loss(f(p with x), target)] over x in [0, 1] by momentum sign steps (Dong et al., "Boosting
    Adversarial Attacks with Momentum", 2018, equations 6 and 7), one batch of photos each:

        g <- momentum * g + grad / mean|grad|,    x <- clip(x - step_t * sign(g), 0, 1),

    where step_t falls along a quarter of a cosine to a twentieth. The network's weights are frozen: only the strip has
    a gradient. Every ``score_every`` steps the strip, rounded to 8 bits, is scored on dev; the best one by success,
    then by the mean log-probability of the target, is kept.

    Returns:
        The strip (rows, W, 3), uint8, and its history: ``iterations`` (loss and success on each batch, before its
        step), ``epochs`` (one row a look at dev) and ``best`` (of dev).

    Raises:
        ValueError: a loss or gradient that is not finite.
        CheckpointError: ``run.resume`` with a damaged checkpoint.
    """
    return _Learning(task, settings, run).to_the_end()


class _Learning:
    def __init__(self, task: Task, settings: LearningParameters, run: RunParameters) -> None:
        self.task, self.settings = task, settings
        self.device = resolve_device(run.device)
        self.precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(run.precision)
        self.photos = PastedPhotos(task.view, task.train, task.rows, self.device)
        self.dev = PastedPhotos(task.view, task.dev, task.rows, self.device)
        self.seed = derive_seed(run.seed, "strip", task.name)
        generator = np.random.default_rng(self.seed)
        start = generator.random((3, task.rows, task.train.shape[2]), dtype=np.float32)
        self.strip = torch.from_numpy(start).to(self.device)
        self.momentum = torch.zeros_like(self.strip)
        self.best_strip = self.strip.clone()
        self.state = Progress()
        session = current_session()
        folder: Path | None = session.checkpoints if session else None
        if folder is not None and task.name:
            folder = folder / task.name
        self.label = "_".join(filter(None, [session.label if session else "", task.name])) or "strip"
        self.checkpoint = Checkpoint(folder, self._key(run), run.resume)

    def _key(self, run: RunParameters) -> str:
        digest = hashlib.sha256()
        for photos in (self.task.train, self.task.dev):
            digest.update(photos.tobytes())
        task = {**asdict_without(self.task, "view", "train", "dev"), "side": self.task.view.side}
        return checkpoint_key(digest.hexdigest(), task, self.settings.model_dump(), [run.seed, run.precision])

    def to_the_end(self) -> tuple[Pixels, dict[str, Any]]:
        self._restore()
        left = range(self.state.iteration, self.settings.iterations)
        for _ in progress(left, self.label):
            if self.state.finished:
                break
            self._step()
            last = self.state.iteration == self.settings.iterations
            if last or self.state.iteration % self.settings.score_every == 0:
                self._look()
                self._save()
        history = {
            "iterations": self.state.iterations,
            "epochs": self.state.looks,
            "best": {"success": self.state.best[0], "target_log_probability": self.state.best[1]},
        }
        return _pixels(self.best_strip), history

    def _batch(self) -> NDArray[np.intp]:
        """The photos of this iteration; each pass over all of them has an order of its own, by seed and pass alone."""
        size = min(self.settings.batch_size, len(self.photos))
        a_pass = len(self.photos) // size
        number, place = divmod(self.state.iteration, a_pass)
        order = np.random.default_rng([self.seed, number]).permutation(len(self.photos))
        return np.sort(order[place * size : (place + 1) * size])

    def _step(self) -> None:
        indices = torch.from_numpy(self._batch()).to(self.device)
        strip = self.strip.clone().requires_grad_()
        logits = self._logits(self.photos, strip, indices)
        targets = torch.full((len(indices),), self.task.target, device=self.device)
        loss = LOSSES[self.task.loss](logits, targets, self.settings.confidence).mean()
        (gradient,) = torch.autograd.grad(loss, strip)
        size = float(gradient.abs().mean())
        if not (math.isfinite(float(loss.detach())) and math.isfinite(size)):
            raise ValueError(
                f"{self.label}: the loss is {float(loss.detach())} and the mean gradient {size} in iteration "
                f"{self.state.iteration}; expected finite numbers. Are the network's weights right? "
                "With run.precision=fp16, try bf16 or no."
            )
        self.momentum.mul_(self.settings.momentum)
        if size > 0:  # the margin loss is flat once every photo of the batch is done
            self.momentum.add_(gradient / size)
        share = self.state.iteration / self.settings.iterations
        step = self.settings.step * max(SMALLEST_STEP, math.cos(math.pi / 2 * share))
        self.strip.sub_(step * self.momentum.sign()).clamp_(0, 1)
        success = float((logits.detach().argmax(1) == targets).double().mean())
        self.state.iterations.append(
            {"step": self.state.iteration, "loss": float(loss.detach()), "success": success}
        )
        self.state.iteration += 1

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
        since = self.state.iterations[-self.settings.score_every :]
        row = {
            "step": float(self.state.iteration),
            "train_loss": float(np.mean([entry["loss"] for entry in since])),
            "train_success": float(np.mean([entry["success"] for entry in since])),
            "dev_success": success,
            "dev_target_log_probability": log_probability,
        }
        self.state.looks.append(row)
        record(self.state.iteration, self._live(row))
        # The log-probability may go on rising long after every photo is turned: only success keeps learning going.
        rises = not self.state.best or success > self.state.best[0]
        self.state.looks_since_best = 0 if rises else self.state.looks_since_best + 1
        if not self.state.best or [success, log_probability] > self.state.best:
            self.state.best, self.best_strip = [success, log_probability], self.strip.clone()
        done = self.state.iteration >= self.settings.iterations
        self.state.finished = done or self.state.looks_since_best >= self.settings.patience

    def _live(self, row: dict[str, float]) -> dict[str, float]:
        start = f"{self.task.name}_" if self.task.name else ""
        return {f"{start}{name}": value for name, value in row.items() if name != "step"}

    def _save(self) -> None:
        self.checkpoint.save(
            {
                "strip": self.strip.cpu(),
                "momentum": self.momentum.cpu(),
                "best_strip": self.best_strip.cpu(),
                "progress": asdict(self.state),
            }
        )

    def _restore(self) -> None:
        stored = self.checkpoint.load()
        if stored is None:
            return
        self.strip = stored["strip"].to(self.device)
        self.momentum = stored["momentum"].to(self.device)
        self.best_strip = stored["best_strip"].to(self.device)
        self.state = Progress(**stored["progress"])
        for row in self.state.looks:  # the curve of the killed run continues in this one
            record(int(row["step"]), self._live(row))


def asdict_without(task: Task, *names: str) -> dict[str, Any]:
    """The plain fields of a task."""
    return {name: value for name, value in vars(task).items() if name not in names}


def _pixels(strip: Tensor) -> Pixels:
    return to_uint8(strip.cpu().permute(1, 2, 0).numpy())
