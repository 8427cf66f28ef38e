"""A linear chain over tags: the conditional random field of Lafferty, McCallum and Pereira (ICML 2001). PyTorch alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Scores of whole sequences of tags y for emissions e, and what follows from them.

    s(y) = first[y_1] + sum_t e[t, y_t] + sum_t transitions[y_{t-1}, y_t] + last[y_T],    P(y) = exp(s(y) - log Z).

    Everywhere: emissions (B, T, K), lengths (B,) of 1..T, tags (B, T); what stands behind a sequence's end changes nothing. A chain that
    has learned nothing is all zeros, and its tags are independent.

    Args:
        tags: K.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.last = nn.Parameter(torch.zeros(tags))

    def score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """s(y) (B,) of the given tags."""
        real = _real(emissions, lengths)
        emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        passed = self.transitions[tags[:, :-1], tags[:, 1:]]
        ends = tags.gather(1, (lengths - 1).unsqueeze(1)).squeeze(1)
        inner = (emitted * real).sum(1) + (passed * real[:, 1:]).sum(1)
        return self.first[tags[:, 0]] + inner + self.last[ends]

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """log Z (B,), the log of the sum of exp s(y) over all K^T sequences, by the forward algorithm:

        a_1[j] = first[j] + e[1, j],    a_t[j] = e[t, j] + log sum_i exp(a_{t-1}[i] + transitions[i, j]).
        """
        real = _real(emissions, lengths)
        ahead = self.first + emissions[:, 0]
        for t in range(1, emissions.shape[1]):
            grown = emissions[:, t] + torch.logsumexp(ahead.unsqueeze(2) + self.transitions, dim=1)
            ahead = torch.where(real[:, t : t + 1], grown, ahead)
        return torch.logsumexp(ahead + self.last, dim=1)

    def losses(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """-ln P(y) (B,) of the given tags, nats a sequence."""
        return self.log_partition(emissions, lengths) - self.score(emissions, tags, lengths)

    def best(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The tags (B, T) with the largest score, by Viterbi's algorithm (1967): the forward algorithm with a maximum for the sum, and a note of
        which i it was. Zeros behind the end."""
        real = _real(emissions, lengths)
        batch, steps, tags = emissions.shape
        ahead, came_from = self.first + emissions[:, 0], []
        stay = torch.arange(tags, device=emissions.device).expand(batch, tags)
        for t in range(1, steps):
            highest, origin = (ahead.unsqueeze(2) + self.transitions).max(dim=1)
            came_from.append(torch.where(real[:, t : t + 1], origin, stay))
            ahead = torch.where(real[:, t : t + 1], emissions[:, t] + highest, ahead)
        path = [(ahead + self.last).argmax(dim=1)]
        for origin in reversed(came_from):
            path.append(origin.gather(1, path[-1].unsqueeze(1)).squeeze(1))
        return torch.stack(path[::-1], dim=1) * real

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """P(y_t = k) (B, T, K): the derivative of log Z with respect to e[t, k], so the backward pass of the forward algorithm is
        forward-backward (Eisner 2016). Zeros behind the end."""
        with torch.inference_mode(False), torch.enable_grad():
            free = emissions.detach().clone().requires_grad_()
            partition = self.log_partition(free, lengths.clone()).sum()
            return torch.autograd.grad(partition, free)[0].detach()


def _real(emissions: Tensor, lengths: Tensor) -> Tensor:
    """Which places (B, T) belong to a sequence.

    Raises:
        ValueError: emissions that are not (B, T, K), or lengths that are not (B,).
    """
    if emissions.ndim != 3 or lengths.shape != emissions.shape[:1]:
        raise ValueError(
            f"emissions have the shape {tuple(emissions.shape)}, lengths {tuple(lengths.shape)}; expected (B, T, K) and (B,)"
        )
    return torch.arange(emissions.shape[1], device=emissions.device) < lengths.to(emissions.device).unsqueeze(
        1
    )
