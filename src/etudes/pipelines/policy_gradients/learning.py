"""Agents of one method that act and learn side by side: REINFORCE, its variations, A2C and PPO in one loop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etudes.pipelines.policy_gradients.estimators import LADDER, action_weights, surrogate
from etudes.pipelines.policy_gradients.network import Stack
from etudes.pipelines.policy_gradients.parameters import Method, TrainingParameters
from etudes.rl.environments import Environments, Step
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.rl.flat import FlatAdamW
from etudes.rl.simulated import SimulatedEnvironments
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress

Floats = NDArray[np.floating]
BLOCK = 64  # steps whose uniform numbers are drawn at once
FIRST_GAINS = (0.01, 1.0)  # of the last layers: a policy begins all but even, a critic as it is drawn
STAGES = (
    0.0,
    0.25,
    1.0,
)  # shares of the curve at which weights are set aside, so that their gradients can be looked at
ADAM_EPSILON = 1e-5


@dataclass(frozen=True)
class Batch:
    """T steps of K agents' E environments each: ``observations`` (T + 1, K, E, inputs), the others (T, K, E). A step that is not
    ``real`` only reset an environment, or left it as it was."""

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: Floats
    terminated: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    real: NDArray[np.bool_]


def drawn(logits: Floats, uniforms: Floats) -> NDArray[np.int64]:
    """Actions (...) from softmax policies with ``logits`` (..., actions), by one uniform number each."""
    ends = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
    return (uniforms[..., None] * ends[..., -1:] >= ends[..., :-1]).sum(-1)


def greedy(network: Stack, weights: Tensor) -> Policy:
    """The policy of the likeliest action of one network (P,)."""
    return lambda observations: network.play(weights[None], observations[None])[0].argmax(1)


def play(
    network: Stack,
    weights: Tensor,
    environments: Environments | SimulatedEnvironments,
    generators: Sequence[np.random.Generator],
    active: NDArray[np.bool_],
    window: int | None,
) -> Batch:
    """Act by policies (K, P) in environments (K * E), those of each agent side by side.

    Args:
        generators: (K,), where the chance of each agent's actions comes from.
        active: (K,); the environments of the other agents stay as they are.
        window: steps of a batch; None for an episode of each environment, from its start to its end.
    """
    agents, count = len(generators), len(environments) // len(generators)
    playing = np.repeat(active, count)
    if window is None and (environments.pending & playing).any():
        environments.step(np.zeros(len(environments), np.int64), environments.pending & playing)
    seen, actions = [environments.observations], []
    steps: list[Step] = []
    with torch.inference_mode():
        layers = network.layers(weights)
        while playing.any() and (window is None or len(steps) < window):
            if len(steps) % BLOCK == 0:
                uniforms = np.stack([own.random((BLOCK, count)) for own in generators], axis=1)
            observations = np.ascontiguousarray(seen[-1], np.float32).reshape(agents, count, -1)
            logits = network.answer(layers, torch.from_numpy(observations)).numpy()
            actions.append(drawn(logits, uniforms[len(steps) % BLOCK]))
            steps.append(environments.step(actions[-1].ravel(), None if playing.all() else playing))
            seen.append(environments.observations)
            if window is None:
                playing = playing & ~environments.pending
    shape = (len(steps), agents, count)
    terminated, truncated = (
        np.stack([getattr(step, name) for step in steps]).reshape(shape)
        for name in ("terminated", "truncated")
    )
    return Batch(
        np.stack(seen).astype(np.float32).reshape(len(seen), agents, count, -1),
        np.stack(actions),
        np.stack([step.rewards for step in steps]).reshape(shape),
        terminated,
        terminated | truncated,
        np.stack([step.real for step in steps]).reshape(shape),
    )


class Learning(Resumable):
    """K agents, each with environments, chance and networks of its own; the networks are the rows of one matrix.

    In turns a batch of steps is played by the present policies, its actions are weighted (`estimators.action_weights`), and Adam
    goes a step along the gradient; PPO goes several. A batch's weights Ψ are divided by the root of their mean square, and a step is
    the mean over the steps of a batch: neither changes the direction of its gradient, and the size of returns and the length of
    episodes no longer decide how far a step goes. The critic learns ``Ψ + V``, the return that the weights suppose, by squared error;
    it shares no weights with the policy, and its gradient is clipped apart.

    An agent learns from ``settings.steps`` steps at most: the batch that would go beyond is not learned from.

    Args:
        method: which rung of the ladder.
        environments: E of each agent, those of an agent side by side.
        actions: how many there are.
        seeds: (K,), where an agent's first weights and chance come from.
        curve_seeds: of the dev episodes behind a point of the learning curve.
        settings: of this environment.
    """

    keep = (
        *("weights", "optimiser", "environments", "batches", "steps", "over", "kept", "best", "kept_step"),
        *("curves", "stages", "scored", "entropies", "means", "seconds"),
    )
    rows = "means"

    def __init__(
        self,
        method: Method,
        environments: Environments | SimulatedEnvironments,
        actions: int,
        seeds: Sequence[int],
        curve_seeds: Sequence[int],
        settings: TrainingParameters,
    ) -> None:
        self.method, self.environments, self.settings = method, environments, settings
        self.rung, self.curve_seeds, agents = LADDER[method], list(curve_seeds), len(seeds)
        inputs = math.prod(environments.observations.shape[1:])
        self.network = Stack(inputs, actions, settings.hidden)
        chance = [torch.Generator().manual_seed(derive_seed(seed, "weights")) for seed in seeds]
        gains = FIRST_GAINS[: 1 + self.rung.critic]
        self.weights = torch.stack([self.network.draw(own, gain) for gain in gains for own in chance])
        self.optimiser = FlatAdamW(self.weights, epsilon=ADAM_EPSILON, weight_decay=0.0)
        self.chance = [derive_seed(seed, "actions") for seed in seeds]
        self.rate = settings.learning_rates[method]
        self.points = [*range(0, settings.steps, settings.evaluate_every), settings.steps]
        self.stage_points = [round(share * (len(self.points) - 1)) for share in STAGES]
        self.steps, self.over = np.zeros(agents, np.int64), np.zeros(agents, bool)
        self.best, self.kept_step = np.full(agents, -np.inf), np.zeros(agents, np.int64)
        self.scored, self.entropies = np.full(agents, -1), np.full(agents, math.log(actions))
        self.kept = self.weights[:agents].clone()
        self.stages = torch.zeros(len(STAGES), *self.weights.shape)
        self.curves: list[list[dict[str, Any]]] = [[] for _ in seeds]
        self.means: list[dict[str, Any]] = []  # of the agents' curves, for the tracker
        self.batches, self.seconds = 0, 0.0

    def __len__(self) -> int:
        return len(self.chance)

    @property
    def policies(self) -> Tensor:
        """(K, P)."""
        return self.weights[: len(self)]

    def run(self) -> None:
        """To the last step, unless a training that is resumed was there already."""
        session = current_session()
        for point in progress(range(len(self.means), len(self.points)), session.label if session else ""):
            while any(len(curve) <= point for curve in self.curves):
                self.advance()
            rows = [curve[point] for curve in self.curves]
            self.means.append({name: float(np.mean([row[name] for row in rows])) for name in rows[0]})
            self.log(self.means[-1])
            if (point + 1) % self.settings.checkpoint_points == 0 or point == len(self.points) - 1:
                self.save()

    def advance(self) -> None:
        """A batch, and what is learned from it."""
        start, settings = time.perf_counter(), self.settings
        window = (settings.ppo if self.rung.clipped else settings.a2c).window
        # Made anew for each batch, so that none has to be kept.
        generators = [np.random.default_rng([seed, self.batches]) for seed in self.chance]
        batch = play(
            self.network,
            self.policies,
            self.environments,
            generators,
            ~self.over,
            window if self.rung.bootstraps else None,
        )
        self.batches += 1
        after = self.steps + batch.real.sum((0, 2))
        self.seconds += time.perf_counter() - start
        for agent in np.flatnonzero(~self.over):
            self.evaluate(int(agent), int(after[agent]))
        start, fits = time.perf_counter(), ~self.over & (after <= settings.steps)
        if fits.any():
            self.learn(batch, fits, generators)
        self.steps = np.where(fits, after, self.steps)
        self.over |= ~fits
        self.seconds += time.perf_counter() - start

    def evaluate(self, agent: int, until: int) -> None:
        """The points of an agent's curve below ``until`` steps, by greedy dev episodes; what has been learned so far took no more
        steps than the point says. The best point's weights are kept."""
        curve, own = self.curves[agent], slice(agent, None, len(self))
        while len(curve) < len(self.points) and self.points[len(curve)] < until:
            point, seeds = len(curve), self.curve_seeds
            if self.scored[agent] != self.steps[agent]:
                self.scored[agent] = self.steps[agent]
                policy = greedy(self.network, self.weights[agent])
                score = evaluate_policy(policy, self.environments.spec, seeds, len(seeds)).returns.mean()
            else:  # nothing was learned since the last point
                score = curve[-1]["dev_mean_return"]
            curve.append(
                {
                    "step": self.points[point],
                    "dev_mean_return": float(score),
                    "entropy": float(self.entropies[agent]),
                    "batches": self.batches,
                }
            )
            if score > self.best[agent]:
                self.best[agent], self.kept_step[agent] = score, self.points[point]
                self.kept[agent] = self.weights[agent]
            for stage in (place for place, at in enumerate(self.stage_points) if at == point):
                self.stages[stage, own] = self.weights[own]

    def learn(self, batch: Batch, who: NDArray[np.bool_], generators: Sequence[np.random.Generator]) -> None:
        """What a batch teaches the agents ``who`` (K,); PPO mixes it by ``generators`` (K,)."""
        settings, rung = self.settings, self.rung
        observations = torch.from_numpy(batch.observations).transpose(0, 1)  # (K, T + 1, E, inputs)
        values, before = None, None
        if rung.critic:
            with torch.inference_mode():
                outputs = self._outputs(self.network.layers(self.weights), observations.flatten(1, 2))
                outputs = outputs.unflatten(1, observations.shape[1:3])
            values = outputs[len(self) :, ..., 0].transpose(0, 1).numpy() * settings.scale
            before = outputs[: len(self), :-1].log_softmax(-1).flatten(1, 2)
        weights = action_weights(
            self.method,
            batch.rewards,
            values,
            batch.terminated,
            batch.ended,
            settings.discount,
            settings.trace,
        )
        targets = weights if values is None else (weights + values[:-1]) / settings.scale
        # Each agent's real steps come first; of whole episodes as many are taken as the agent with the most of them has.
        real = batch.real.transpose(1, 0, 2).reshape(len(self), -1) & who[:, None]
        counts = real.sum(1)
        most = real.shape[1] if rung.bootstraps else counts.max()
        order = torch.from_numpy(np.argsort(~real, axis=1, kind="stable")[:, :most])

        def chosen(array: NDArray) -> Tensor:
            rows = torch.from_numpy(array).transpose(0, 1).flatten(1, 2)
            return rows.gather(1, order).to(rows.dtype if rows.dtype == torch.int64 else torch.float32)

        mask = (torch.arange(order.shape[1]) < torch.from_numpy(counts)[:, None]).float()
        psi = chosen(weights) * mask
        psi = psi / (psi.square().sum(1, keepdim=True) / mask.sum(1, keepdim=True)).sqrt().clamp_min(1e-8)
        actions = chosen(batch.actions)
        every = torch.arange(len(self))[:, None]
        parts = {
            "observations": observations[:, :-1].flatten(1, 2)[every, order],
            "actions": actions,
            "psi": psi.nan_to_num(),
            "targets": chosen(targets),
            "mask": mask,
        }
        if before is not None:
            parts["before"] = before[every, order].gather(2, actions[..., None]).squeeze(2)
        left = torch.from_numpy(np.where(who, 1 - self.steps / settings.steps, 0.0))
        rates = (self.rate * left).float().repeat(1 + rung.critic)[:, None]
        for _ in range(settings.ppo.epochs if rung.clipped else 1):
            if not rung.clipped:
                self._step(parts, rates)
                continue
            mixed = torch.from_numpy(np.stack([own.permutation(order.shape[1]) for own in generators]))
            for few in mixed.chunk(settings.ppo.minibatches, dim=1):
                self._step({name: part[every, few] for name, part in parts.items()}, rates)

    def _outputs(self, layers: list[Tensor], observations: Tensor) -> Tensor:
        """Of policies, and of critics below them, (K or 2 K, B, outputs) of observations (K, B, inputs)."""
        return self.network.answer(layers, torch.cat([observations] * (1 + self.rung.critic)))

    def _step(self, parts: dict[str, Tensor], rates: Tensor) -> None:
        """A step of Adam, with what each agent sees (K, B, ...) and its learning rate."""
        settings, agents, rung = self.settings, len(self), self.rung
        leaf = self.weights.detach().requires_grad_()
        outputs = self._outputs(self.network.layers(leaf), parts["observations"])
        log_policy = outputs[:agents].log_softmax(-1)
        taken = log_policy.gather(2, parts["actions"][..., None]).squeeze(2)
        entropy = -(log_policy.exp() * log_policy).sum(2)
        clip = settings.ppo.clip if rung.clipped else None
        gain = surrogate(taken, parts["psi"], parts.get("before"), clip) + settings.entropy * entropy
        loss = -gain
        if rung.critic:
            loss = loss + 0.5 * (outputs[agents:, :, 0] - parts["targets"]).square()
        mask = parts["mask"]
        counts = mask.sum(1).clamp_min(1)
        (gradient,) = torch.autograd.grad(((loss * mask).sum(1) / counts).sum(), leaf)
        norms = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (settings.gradient_clip / (norms + 1e-6)).clamp_max(1)
        self.optimiser.step(gradient, rates)
        mean = ((entropy.detach() * mask).sum(1) / counts).numpy()
        self.entropies = np.where(rates[:agents, 0].numpy() > 0, mean, self.entropies)
