"""The ordinary supervised loop: early stopping on dev, best weights back, clipping, schedule, resume, many devices.

Loops of another shape (adversarial, reinforcement, meta-learning) are written out in their study with the same small
pieces: `record`, `progress`, `Checkpoint`, `seed_everything`.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from etudes.training.average import average_weights, weights_of
from etudes.training.checkpoint import Checkpoint, checkpoint_key
from etudes.training.launch import launch
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.seeds import derive_seed, random_state, restore_random_state, seed_everything
from etudes.training.session import current_session, progress, record


class Problem(Protocol):
    """What `fit` needs to know of a supervised problem. Picklable, so that ranks can receive it.

    ``monitor`` names the dev metric that chooses the best epoch, the larger the better if ``maximise``.
    ``fingerprint`` identifies the data. ``collate`` puts a batch on a device; ``loss`` gives per-example losses (n,)
    and weights (n,); the optimised loss is sum(weights * losses) / sum(weights) over the whole batch.

    A problem may also have ``watch(model, device) -> Tensor``: what a person wants to see of the model before training
    and after every epoch. `fit` leaves these tensors, stacked, in ``problem.watched`` (epochs + 1, ...), on the CPU.
    """

    model: nn.Module
    monitor: str
    maximise: bool

    @property
    def fingerprint(self) -> str: ...
    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]: ...
    def collate(self, indices: np.ndarray, device: torch.device) -> Any: ...
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]: ...
    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]: ...
    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]: ...


@dataclass
class FitState:
    """Where a training stands; all of it goes into the checkpoint."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    updates: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    finished: bool = False
    epochs: list[dict[str, float]] = field(default_factory=list)


def resolve_device(name: str) -> torch.device:
    """The device of a name, ``auto`` being the best one present.

    Raises:
        ValueError: a device was named that this machine does not have.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if present["cuda"] else "mps" if present["mps"] else "cpu"
    if not present[name]:
        found = ", ".join(kind for kind, there in present.items() if there)
        raise ValueError(f"run.device = {name}, but this machine has only {found}; set run.device=auto")
    return torch.device(name)


def fit(problem: Problem, settings: FitParameters, run: RunParameters) -> list[dict[str, float]]:
    """Train ``problem.model`` in place and leave the weights of its best epoch in it, on the CPU.

    Returns:
        One dict per epoch: ``epoch``, ``train_loss``, ``learning_rate`` and the dev metrics as ``dev_<name>``.

    Raises:
        ValueError: losses and weights of different shapes, no batches, or a loss that is not finite.
        CheckpointError: ``run.resume`` with a damaged checkpoint.
    """
    weights, epochs, watched = launch(_fit, problem, settings, run, run=run)
    problem.model.load_state_dict(weights)
    problem.model.to("cpu").eval()
    if watched:
        problem.watched = torch.stack(watched)  # type: ignore[attr-defined]  # of problems that have `watch`
    return epochs


def _fit(
    problem: Problem, settings: FitParameters, run: RunParameters
) -> tuple[dict[str, Tensor], list[dict[str, float]], list[Tensor]]:
    loop = _Loop(problem, settings, run)
    if not loop.restore():
        loop.watch()
    while not loop.state.finished:
        loop.epoch()
    # `prepare` wrapped the model's forward in autocast; the caller's model computes in full precision again.
    loop.accelerator.unwrap_model(loop.model, keep_fp32_wrapper=False)
    return loop.best_weights, loop.state.epochs, loop.watched


class _Loop:
    """One training run in one process (or in one rank of several)."""

    def __init__(self, problem: Problem, settings: FitParameters, run: RunParameters) -> None:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)  # variants may differ in device and precision
        device = resolve_device(run.device)
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=run.precision)
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        self.problem, self.settings, self.run = problem, settings, run
        self.label = getattr(current_session(), "label", "") or type(problem).__name__
        seed_everything(derive_seed(run.seed, "fit", self.rank))
        groups = problem.parameter_groups(settings.learning_rate)
        key = self._key(groups)
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(problem.model, optimizer)
        self.steps_per_epoch = len(self._epoch_batches(0))
        if self.steps_per_epoch == 0:
            raise ValueError(f"{self.label}: no batches to train on; expected at least one example")
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        session = current_session()
        folder = session.checkpoints if session else None
        self.saves = folder is not None  # the same on all ranks: all of them take part in a save
        self.checkpoint = Checkpoint(folder if self.rank == 0 else None, key, run.resume)
        self.state = FitState()
        self.best_weights: dict[str, Tensor] = {}
        self.watched: list[Tensor] = []
        model = self.accelerator.unwrap_model(self.model)
        self.averaged = copy.deepcopy(model).eval() if settings.average > 0 else None

    def _key(self, groups: list[dict[str, Any]]) -> str:
        """First weights and buffers, the numbers in the modules (dropout rates) and in the optimiser's groups, data, settings."""
        digest = hashlib.sha256()
        # Buffers that are not stored count too: rotations of queries and keys are made from a setting that is nowhere else.
        for name, value in {
            **dict(self.problem.model.named_buffers()),
            **self.problem.model.state_dict(),
        }.items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        names = {id(value): name for name, value in self.problem.model.named_parameters()}
        optimised = [
            {**group, "params": [names.get(id(value)) for value in group["params"]]} for group in groups
        ]
        modules = {name: _numbers(module) for name, module in self.problem.model.named_modules()}
        run = [self.run.seed, self.run.precision, self.world]
        model = [modules, optimised, digest.hexdigest()]
        return checkpoint_key(self.problem.fingerprint, self.settings.model_dump(), run, model)

    def _epoch_batches(self, epoch: int) -> Sequence[np.ndarray]:
        """Batches depend on seed and epoch alone, so that a resumed epoch meets the same ones."""
        return self.problem.batches(np.random.default_rng([self.run.seed, epoch]))

    def _rate(self, step: int) -> float:
        """Linear warm-up, then linear decay to a tenth, as a factor of the learning rate."""
        total = self.settings.epochs * self.steps_per_epoch
        rising = max(1, round(self.settings.warmup * total))
        if step < rising:
            return (step + 1) / rising
        return 1.0 - 0.9 * (step - rising) / max(1, total - rising)

    def epoch(self) -> None:
        self.model.train()
        batches = self._epoch_batches(self.state.epoch)
        remaining = progress(
            batches[self.state.step :], f"{self.label} epoch {self.state.epoch + 1}/{self.settings.epochs}"
        )
        for indices in remaining:
            self._step(indices)
            self.state.step += 1
            if self.state.step % self.settings.checkpoint_steps == 0:
                self._save()
        self._end_epoch()
        self._save()

    def _step(self, indices: np.ndarray) -> None:
        # Shares of one batch may differ in size: an empty one still has to take part in the gradient average.
        share = indices[self.rank :: self.world]
        weight = 1.0 if len(share) else 0.0
        batch = self.problem.collate(share if len(share) else indices[:1], self.accelerator.device)
        with self.accelerator.autocast():
            losses, weights = self.problem.loss(self.model, batch)
        if losses.ndim != 1 or losses.shape != weights.shape:
            raise ValueError(
                f"{self.label}: losses have shape {tuple(losses.shape)}, weights {tuple(weights.shape)}; "
                "expected both (n,)"
            )
        weighted, normaliser = (weight * weights * losses).sum(), weight * weights.sum()
        total = self.accelerator.reduce(normaliser.detach().clone(), reduction="sum")
        # DDP averages over ranks; the factor turns that into the sum that the global mean needs.
        self.accelerator.backward(weighted * self.world / total)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average()
        self.state.loss_sum += float(weighted.detach())
        self.state.weight_sum += float(normaliser.detach())

    def _average(self) -> None:
        if self.averaged is None:
            return
        self.state.updates += 1
        current = self.accelerator.unwrap_model(self.model)
        average_weights(self.averaged, current, self.settings.average, self.state.updates)

    def _end_epoch(self) -> None:
        state, problem = self.state, self.problem
        sums = torch.tensor([state.loss_sum, state.weight_sum], dtype=torch.float64)
        sums = self.accelerator.reduce(sums.to(self.accelerator.device, torch.float32), reduction="sum")
        train_loss = float(sums[0] / sums[1])
        if not math.isfinite(train_loss):
            raise ValueError(
                f"{self.label}: the training loss is {train_loss} after epoch {state.epoch + 1}; "
                "lower the learning rate or gradient_clip, or look for NaN in the data"
            )
        model = self._judged()
        with torch.inference_mode():
            dev = problem.evaluate(model, self.accelerator.device)
        score = self._same_everywhere(dev[problem.monitor])
        if math.isnan(score):
            raise ValueError(
                f"{self.label}: dev {problem.monitor} is nan after epoch {state.epoch + 1}, so no epoch can be the "
                "best; lower the learning rate, or look for NaN in the dev data"
            )
        better = state.best_score is None or (
            (score > state.best_score) is problem.maximise and score != state.best_score
        )
        state.epoch += 1
        if better:
            state.best_score, state.best_epoch = score, state.epoch
            self.best_weights = weights_of(model)
        row = {
            "epoch": float(state.epoch),
            "train_loss": train_loss,
            "learning_rate": float(self.scheduler.get_last_lr()[0]),
            **{f"dev_{name}": float(value) for name, value in dev.items()},
        }
        state.epochs.append(row)
        record(state.epoch, {name: value for name, value in row.items() if name != "epoch"})
        state.step, state.loss_sum, state.weight_sum = 0, 0.0, 0.0
        tired = state.epoch - state.best_epoch >= self.settings.patience
        state.finished = tired or state.epoch >= self.settings.epochs
        self.watch()

    def _judged(self) -> nn.Module:
        """The model that dev is asked of: the running average where there is one."""
        return self.averaged or self.accelerator.unwrap_model(self.model).eval()

    def watch(self) -> None:
        """Keep what the problem wants to see of the model as it is now."""
        look = getattr(self.problem, "watch", None)
        if look is not None:
            with torch.inference_mode():
                self.watched.append(look(self._judged(), self.accelerator.device).cpu().clone())

    def _same_everywhere(self, value: float) -> float:
        """Rank 0's value on all ranks: a rounding difference must not let one rank stop earlier than another."""
        shared = torch.tensor([value if self.rank == 0 else 0.0], device=self.accelerator.device)
        return float(self.accelerator.reduce(shared, reduction="sum")) if self.world > 1 else value

    def _save(self) -> None:
        if not self.saves:
            return
        from accelerate.utils import gather_object

        own = {
            "loss_sum": self.state.loss_sum,
            "weight_sum": self.state.weight_sum,
            "random": random_state(),
        }
        ranks = gather_object([own])
        if self.rank > 0:
            return
        scaler = self.accelerator.scaler
        self.checkpoint.save(
            {
                "model": self.accelerator.unwrap_model(self.model).state_dict(),
                "averaged": self.averaged.state_dict() if self.averaged else {},
                "best": self.best_weights,
                "watched": self.watched,
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": scaler.state_dict() if scaler is not None else {},
                "progress": vars(self.state),
                "ranks": ranks,
            }
        )

    def restore(self) -> bool:
        """Take up the last checkpoint, if there is one."""
        stored = self.checkpoint.load()
        if self.world > 1:  # the other ranks have no checkpoint folder: rank 0 tells them
            from accelerate.utils import broadcast_object_list

            stored = broadcast_object_list([stored])[0]
        if stored is None:
            return False
        self.accelerator.unwrap_model(self.model).load_state_dict(stored["model"])
        if self.averaged is not None:
            self.averaged.load_state_dict(stored["averaged"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.scheduler.load_state_dict(stored["scheduler"])
        if self.accelerator.scaler is not None and stored["scaler"]:
            self.accelerator.scaler.load_state_dict(stored["scaler"])
        self.best_weights, self.watched = stored["best"], list(stored["watched"])
        own = stored["ranks"][self.rank]
        sums = {name: own[name] for name in ("loss_sum", "weight_sum")}
        self.state = FitState(**{**copy.deepcopy(stored["progress"]), **sums})
        restore_random_state(own["random"])
        for row in self.state.epochs:  # the curve of the killed run continues in this one
            record(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
        return True


def _numbers(module: nn.Module) -> dict[str, Any]:
    """A module's own numbers, texts and switches, and tuples of them (a convolution's stride): what it computes with besides weights."""
    return {
        name: value
        for name, value in vars(module).items()
        if all(
            isinstance(part, bool | int | float | str)
            for part in (value if isinstance(value, tuple) else (value,))
        )
        and not name.startswith("_")
        and name != "training"
    }
