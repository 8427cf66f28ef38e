"""Several inputs and several outputs: which pictures are shown together, in which channels, and what is learned from them.

numpy and PyTorch alone; `etudes.vision.cifar_networks.CifarResNet` with 3 M input channels and M K outputs is the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import standardised_bytes

AT_ONCE = 250  # pictures of one pass over dev


def paired(
    batch: NDArray[np.int64],
    members: int,
    batch_repetition: int,
    input_repetition: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Which pictures a step shows, slot by slot: (n,) different ones -> (n * batch_repetition, M).

    Every slot sees every picture ``batch_repetition`` times, in an order of its own: in a row the pictures of two slots say
    nothing of each other, so a slot's answer has to come from its own picture. In a share ``input_repetition`` of the
    rows all slots have the same one, as when the network is asked (Havasi et al. 2021, arXiv:2010.06610, section 2 and
    appendix C).
    """
    rows = generator.permutation(np.tile(batch, batch_repetition))
    same = round(input_repetition * len(rows))
    slots = [np.concatenate([rows[:same], generator.permutation(rows[same:])]) for _ in range(members)]
    return np.stack(slots, axis=1)


def side_by_side(pixels: Tensor) -> Tensor:
    """The input of the network: bytes (n, M, H, W, 3) -> (n, 3 M, H, W), standardised, slot m in the channels 3 m to 3 m + 2.

    Training and answers both come through here, so that a slot has its channels in both.
    """
    n, members, height, width, _ = pixels.shape
    together = pixels.permute(0, 2, 3, 1, 4).reshape(n, height, width * members, 3)
    values = standardised_bytes(together).permute(0, 2, 3, 1)  # in memory (n, H, W, M, 3): channels last
    return values.reshape(n, height, width, members * 3).permute(0, 3, 1, 2)


def repeated(pixels: Tensor, members: int) -> Tensor:
    """The same pictures in all slots: bytes (n, H, W, 3) -> (n, M, H, W, 3)."""
    return pixels.unsqueeze(1).expand(-1, members, -1, -1, -1)


def by_slot(logits: Tensor, members: int) -> Tensor:
    """(..., M K) -> (..., M, K)."""
    return logits.unflatten(-1, (members, -1))


@dataclass
class MimoProblem(PictureProblem):
    """Train a network with M inputs and M outputs; with M = 1 it is an ordinary one.

    L = 1/(n M) sum_i sum_m -log p_m(y_i,m | x_i,1 ... x_i,M), every slot with the label of its own picture (equation 1 of the
    paper, which sums over m: a factor that Adam does not see). ``batch_size`` is the number of rows. Dev is asked as test
    is: the same picture M times, the mean of M probabilities; its log-loss chooses the epoch.
    ``passes`` of a network whose dropout stays on are none of its training, but of the model that a checkpoint becomes.
    """

    members: int = 1
    batch_repetition: int = 1
    input_repetition: float = 0.0
    passes: int = 0
    monitor: str = "loss"
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        own = (self.members, self.batch_repetition, self.input_repetition, self.passes)
        return f"{super().fingerprint} {own}"

    def batches(self, generator: np.random.Generator) -> Sequence[NDArray[np.int64]]:
        order = generator.permutation(len(self.train))
        size = max(1, self.batch_size // self.batch_repetition)
        how = (self.members, self.batch_repetition, self.input_repetition, generator)
        return [paired(batch, *how) for batch in np.array_split(order, max(1, len(order) // size))]

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Input (n, 3 M, H, W) and labels (n, M) of the rows (n, M); a picture is altered once for all of a step."""
        different, places = np.unique(indices, return_inverse=True)
        pixels, labels = self.taken(different, device)
        where = torch.from_numpy(places.reshape(indices.shape)).to(device)
        return side_by_side(pixels[where]), labels[where]

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pictures, labels = batch
        logits = by_slot(model(pictures).float(), self.members)
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        of_rows = losses.unflatten(0, labels.shape).mean(1)
        return of_rows, torch.ones_like(of_rows)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        parts = torch.from_numpy(np.array(self.dev)).split(AT_ONCE)
        asked = (side_by_side(repeated(part.to(device), self.members)) for part in parts)
        logits = torch.cat([by_slot(model(pictures).float(), self.members) for pictures in asked])
        logs = logits.log_softmax(-1).logsumexp(1) - np.log(self.members)
        labels = torch.from_numpy(np.array(self.dev_labels)).to(device)
        hits = int((logs.argmax(1) == labels).sum())
        return {"loss": nn.functional.nll_loss(logs, labels).item(), "accuracy": hits / len(labels)}
