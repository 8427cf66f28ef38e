"""Adversarial training: its loss, its batches, and what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attack_toys import SIDE, photos
from etudes.benches.attack_splits import at_most, split_photos
from etudes.pipelines.fgsm_attack.hardening import HardeningProblem, harden
from etudes.pipelines.fgsm_attack.parameters import Parameters
from etudes.vision.parameters import PhotoParameters, StepsParameters
from etudes.vision.victims import Victims, View, intensities, small_network
from study_settings import run_parameters, settings_of

settings = settings_of("fgsm_attack", Parameters)
STEP = StepsParameters(
    norm="linf",
    steps=1,
    step=1.25,
    momentum=0,
    start="uniform",
    loss="cross_entropy",
    rounded=False,
    enough=None,
)


def problem(radius: float = 8 / 255, seed: int = 0, **changes: Any) -> HardeningProblem:
    torch.manual_seed(0)
    return HardeningProblem(
        small_network("cnn", 4, SIDE),
        photos(64),
        photos(32, seed=1),
        radius,
        STEP.model_copy(update=changes),
        16,
        seed,
    )


def test_the_loss_is_that_of_pictures_moved_within_the_ball() -> None:
    own = problem()
    batch = own.collate(np.arange(5), torch.device("cpu"))
    pictures, labels, seed = batch
    moved = own.moved(own.model, pictures, labels, seed)
    assert (moved - pictures).abs().max() <= own.radius + 1e-6 and not moved.requires_grad
    losses, weights = own.loss(own.model, batch)
    logits = View(own.model)(moved)
    wanted = -logits.log_softmax(1)[torch.arange(5), labels]
    assert torch.allclose(losses, wanted, atol=1e-6) and weights.tolist() == [1.0] * 5
    plain, _ = problem(radius=1e-9).loss(own.model, batch)
    assert losses.mean() > plain.mean()
    losses.mean().backward()
    assert all(p.grad is not None for p in own.model.parameters())


def test_a_batch_decides_its_random_starts() -> None:
    own, device = problem(), torch.device("cpu")
    first, again, other = (own.collate(np.array(rows), device) for rows in ([1, 2], [1, 2], [1, 3]))
    assert first[2] == again[2] != other[2]
    assert torch.equal(own.moved(own.model, *first), own.moved(own.model, *again))


def test_everything_that_changes_the_result_changes_the_fingerprint() -> None:
    found = {problem().fingerprint, problem(radius=0.1).fingerprint, problem(seed=1).fingerprint}
    found.add(problem(step=1.0).fingerprint)
    other = problem()
    torch.nn.init.ones_(other.model.head[2].bias)
    assert len({*found, other.fingerprint}) == 5


def test_dev_is_scored_as_it_is_and_attacked_also_without_gradients_around() -> None:
    own = problem(radius=40 / 255)
    with torch.inference_mode():
        found = own.evaluate(own.model.eval(), torch.device("cpu"))
    logits = View(own.model)(intensities(own.dev["pixels"], "cpu"))
    right = logits.argmax(1).numpy() == own.dev.rows["label"].to_numpy()
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["attacked_accuracy"] <= found["accuracy"] + 1e-9


def test_a_hardened_network_withstands_more_than_the_victim() -> None:
    torch.manual_seed(0)
    card = {"classes": 4, "side": SIDE, "fingerprints": {"cnn": "cafe"}}
    victims = Victims(["cnn"], {"cnn": small_network("cnn", 4, SIDE)}, card)
    before = {name: value.clone() for name, value in victims.networks["cnn"].state_dict().items()}
    changes = {"epochs": 8, "batch_size": 16, "learning_rate": 0.005, "patience": 8}
    group = settings("hardened", network="cnn", levels=30, fit=changes)
    hardened, history = harden(photos(128), photos(32, seed=1), victims, group, run_parameters())
    after = victims.networks["cnn"].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items()), (
        "the victim is left as it was"
    )
    own = problem(radius=30 / 255)
    start, end = (own.evaluate(v.networks["cnn"], torch.device("cpu")) for v in (victims, hardened))
    assert end["attacked_accuracy"] > start["attacked_accuracy"] + 0.2
    assert history["dev"]["accuracy"] == max(row["dev_attacked_accuracy"] for row in history["epochs"])
    assert hardened.fingerprint("cnn") != "cafe"


def test_parts_keep_classes_in_their_shares_and_order() -> None:
    part = at_most(photos(40), 12, 0)
    assert np.bincount(part.rows["label"]).tolist() == [3, 3, 3, 3]
    assert part.rows["id"].is_unique and len(at_most(photos(40), 100, 0)) == 40


def test_photos_are_attacked_or_learned_from_never_both() -> None:
    examples = photos(40)
    examples.arrays["pixels"][7] = examples["pixels"][3]
    group, size = settings("split", photos=10), PhotoParameters(size=16, crop=16)
    attacked, rest, card = split_photos(examples, group, size)
    assert len(attacked) == 10 and len(rest) == 29
    assert not set(attacked.rows["id"]) & set(rest.rows["id"]) and card["classes"] == 4 and card["crop"] == 16
    with pytest.raises(ValueError, match=r"split\.photos = 50, but there are 39 different photos"):
        split_photos(examples, settings("split", photos=50), size)
