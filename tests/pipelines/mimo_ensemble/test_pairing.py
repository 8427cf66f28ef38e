"""Which picture stands in which slot, and that its label stands there too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.pipelines.mimo_ensemble.model import Network
from etudes.pipelines.mimo_ensemble.pairing import MimoProblem, by_slot, paired, repeated, side_by_side
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.imagenet import normalised
from mimo_toys import DEV, TRAIN

CPU = torch.device("cpu")
BATCH = np.arange(100, 164)


def problem(members: int = 3, **how) -> MimoProblem:
    torch.manual_seed(0)
    network = CifarResNet(blocks=1, classes=4 * members, width=4, channels=3 * members, stride=2).eval()
    data = [(part["pixels"], part.rows["label"].to_numpy()) for part in (TRAIN, DEV)]
    return MimoProblem(network, *(array for pair in data for array in pair), 16, members=members, **how)


@pytest.mark.parametrize("count", [1, 3])
def test_every_slot_sees_every_picture_equally_often(count: int) -> None:
    rows = paired(BATCH, 4, count, 0.25, np.random.default_rng(0))
    assert rows.shape == (64 * count, 4)
    for slot in rows.T:
        assert sorted(slot) == sorted(np.tile(BATCH, count))


def test_slots_say_nothing_of_each_other() -> None:
    rows = paired(np.arange(4000), 3, 1, 0.0, np.random.default_rng(1))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(rows[:, a], rows[:, b])[0, 1]) < 0.06
        assert (rows[:, a] == rows[:, b]).mean() < 0.002
    again = paired(np.arange(4000), 3, 1, 0.0, np.random.default_rng(2))
    assert (rows[:, 0] != again[:, 0]).mean() > 0.99, "another step pairs others"


@pytest.mark.parametrize(("share", "same"), [(0.0, 0), (0.5, 32), (1.0, 64)])
def test_a_share_of_the_rows_holds_one_picture(share: float, same: int) -> None:
    rows = paired(BATCH, 3, 1, share, np.random.default_rng(0))
    alike = (rows == rows[:, :1]).all(axis=1)
    assert alike[:same].all() and alike.sum() <= same + 3  # of the others a few by chance


@pytest.mark.parametrize("members", [1, 2, 4])
def test_a_label_is_that_of_the_picture_in_its_slot(members: int) -> None:
    made = problem(members, batch_repetition=2)
    for indices in made.batches(np.random.default_rng(0)):
        pictures, labels = made.collate(indices, CPU)
        for slot in range(members):
            own = normalised(TRAIN["pixels"][indices[:, slot]])
            torch.testing.assert_close(pictures[:, 3 * slot : 3 * slot + 3], own)
            assert labels[:, slot].tolist() == TRAIN.rows["label"].to_numpy()[indices[:, slot]].tolist()


def test_an_epoch_shows_every_slot_every_picture() -> None:
    rows = np.concatenate(problem(2).batches(np.random.default_rng(3)))
    assert all(sorted(slot) == list(range(len(TRAIN))) for slot in rows.T)
    twice = problem(2, batch_repetition=2).batches(np.random.default_rng(3))
    assert len(np.concatenate(twice)) == 2 * len(TRAIN) and {len(step) for step in twice} == {16}


def test_channels_are_the_same_in_training_and_in_answers() -> None:
    made = problem(3)
    same = np.arange(8)[:, None].repeat(3, axis=1)
    trained, _ = made.collate(same, CPU)
    asked = side_by_side(repeated(torch.from_numpy(TRAIN["pixels"][:8].copy()), 3))
    assert torch.equal(trained, asked) and asked.is_contiguous(memory_format=torch.channels_last)


def test_a_picture_is_altered_once_for_all_slots_of_a_step() -> None:
    made = problem(2, shift=3, mirror=True)
    torch.manual_seed(0)
    pictures, _ = made.collate(np.array([[5, 9], [9, 5], [5, 5]]), CPU)
    assert torch.equal(pictures[0, :3], pictures[1, 3:]) and torch.equal(pictures[2, :3], pictures[2, 3:])
    assert not torch.equal(pictures[0, :3], normalised(TRAIN["pixels"][[5]])[0])


def test_the_loss_is_the_mean_over_slots() -> None:
    made = problem(3)
    batch = made.collate(made.batches(np.random.default_rng(0))[0], CPU)
    losses, weights = made.loss(made.model, batch)
    logs = by_slot(made.model(batch[0]), 3).log_softmax(-1)
    for row, labels in enumerate(batch[1]):
        expected = -sum(logs[row, slot, label] for slot, label in enumerate(labels)) / 3
        torch.testing.assert_close(losses[row], expected)
    assert losses.shape == weights.shape and weights.eq(1).all()
    with pytest.raises(ValueError, match="Expected input batch_size"):
        made.loss(made.model, (batch[0], batch[1][:, :2]))


def test_dev_is_asked_as_test_is() -> None:
    made = problem(3)
    model = Network(made.model, {}, inputs=3, passes=0, seed=0)
    p, labels = model.predict_proba(DEV), DEV.rows["label"].to_numpy()
    found = made.evaluate(made.model, CPU)
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(len(p)), labels]).mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((p.argmax(axis=1) == labels).mean())


def test_how_pictures_are_shown_is_part_of_the_key() -> None:
    ways = [{}, {"batch_repetition": 2}, {"input_repetition": 0.5}, {"shift": 1}]
    assert len({problem(3, **way).fingerprint for way in ways} | {problem(2).fingerprint}) == 5
