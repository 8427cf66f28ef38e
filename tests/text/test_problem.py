"""Token sequences as a problem for the shared training loop: shapes, labels, weights of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etudes.text.problem import TextProblem, predict_sequences
from etudes.training.fit import fit
from etudes.training.parameters import FitParameters
from study_settings import run_parameters

CPU = torch.device("cpu")
CLASS_WEIGHTS = np.array([0.5, 1.0, 4.0])


class Bag(nn.Module):
    """The mean of word vectors and a linear layer, with a record of the widths it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 4, padding_idx=0)
        self.output = nn.Linear(4, 3)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.output(self.embedding(ids).sum(1) / lengths[:, None])


def sequences(rows: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(1, 20, size=generator.integers(1, 9)) for _ in range(rows)]


def problem(**changes: Any) -> TextProblem:
    torch.manual_seed(0)
    values: dict[str, Any] = {
        "model": Bag(),
        "train": sequences(12),
        "train_labels": np.arange(12) % 3,
        "dev": sequences(6, seed=1),
        "dev_labels": np.arange(6) % 3,
        "class_weights": CLASS_WEIGHTS,
        "batch_size": 5,
    }
    return TextProblem(**{**values, **changes})


@pytest.mark.parametrize("part", ["train_labels", "dev_labels"])
def test_other_numbers_of_labels_than_sequences_are_refused(part: str) -> None:
    with pytest.raises(
        ValueError, match=r"12 train and 6 dev sequences have .* labels; expected one label each"
    ):
        problem(**{part: np.zeros(7, dtype=np.int64)})


def test_a_batch_keeps_each_sequence_with_its_label_and_weight() -> None:
    data = problem()
    indices = np.array([7, 2, 11])
    ids, lengths, labels, weights = data.collate(indices, CPU)
    for row, index in enumerate(indices):
        assert ids[row, : lengths[row]].tolist() == data.train[index].tolist()
        assert (ids[row, lengths[row] :] == 0).all()
    assert labels.tolist() == [1, 2, 2]
    assert weights.tolist() == [1.0, 4.0, 4.0]


def test_losses_and_weights_are_one_number_for_each_example() -> None:
    data = problem()
    losses, weights = data.loss(data.model, data.collate(np.arange(5), CPU))
    assert losses.shape == weights.shape == (5,)


def test_class_weights_enter_the_loss_as_a_weighted_mean() -> None:
    data, twin = problem(batch_size=12), problem().model
    fitting = FitParameters(
        epochs=1,
        batch_size=12,
        learning_rate=0.01,
        weight_decay=0.0,
        warmup=0.0,
        average=0.0,
        gradient_clip=1.0,
        patience=1,
        checkpoint_steps=100,
    )
    history = fit(data, fitting, run_parameters())

    ids, lengths, labels, _ = data.collate(np.arange(12), CPU)
    # torch's own weighted mean is sum(w l) / sum(w).
    criterion = nn.CrossEntropyLoss(weight=torch.tensor(CLASS_WEIGHTS, dtype=torch.float32))
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.01, weight_decay=0.0)
    loss = criterion(twin(ids, lengths), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(twin.parameters(), fitting.gradient_clip)
    optimizer.step()
    assert history[0]["train_loss"] == pytest.approx(float(loss), rel=1e-5)
    for ours, reference in zip(data.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=0)


def test_the_new_layer_may_have_a_learning_rate_of_its_own() -> None:
    data = problem(rates={"output.": 0.5})
    body, head = data.parameter_groups(0.01)
    assert (body["lr"], head["lr"]) == (0.01, 0.5)
    assert {id(p) for p in head["params"]} == {id(p) for p in data.model.output.parameters()}  # type: ignore[union-attr]
    assert [group["lr"] for group in problem().parameter_groups(0.01)] == [0.01]


def test_frozen_weights_are_in_no_group() -> None:
    data = problem()
    data.model.embedding.weight.requires_grad = False  # type: ignore[union-attr]
    groups = data.parameter_groups(0.01)
    assert sum(len(group["params"]) for group in groups) == 2


def test_fingerprint_changes_with_data_labels_and_class_weights() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"train": sequences(12, seed=5)},
        {"dev": sequences(6, seed=5)},
        {"train_labels": np.arange(12)[::-1] % 3},
        {"dev_labels": np.zeros(6, dtype=np.int64)},
        {"class_weights": np.ones(3)},
    ]
    assert problem().fingerprint == problem().fingerprint
    assert len({problem(**change).fingerprint for change in changes}) == len(changes)


def test_predictions_are_in_the_order_of_the_sequences() -> None:
    model, texts = problem().model, sequences(10)
    together = predict_sequences(model, texts, CPU, batch_size=3)
    alone = np.concatenate([predict_sequences(model, [text], CPU) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together.sum(1), 1)


def test_nothing_to_predict_is_refused() -> None:
    with pytest.raises(ValueError, match="no texts to predict; expected at least one"):
        predict_sequences(problem().model, [], CPU)
