"""The training nodes: baselines, what they are given, and the choice on dev."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from etudes.pipelines.adversarial_strip.networks import Networks

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip import nodes

CARD = {"target": 3, "target_name": "class3", "names": {}, "classes": 4}


@pytest.fixture
def inputs(
    photos: Callable[..., Examples],
    networks: Networks,
    settings: Callable[..., Any],
    run_settings: Callable[..., Any],
) -> dict[str, Any]:
    train, dev = (part.take(part.rows["label"].to_numpy() != 3) for part in (photos(48), photos(24, seed=1)))
    return {
        "train_split": train,
        "dev_split": dev,
        "split_card": CARD,
        "networks_model": networks,
        "parameters": settings("attack", draws=3),
        "run": run_settings(),
    }


def without_train(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name != "train_split"}


def test_black_is_black_and_random_differs_by_draw(inputs: dict[str, Any]) -> None:
    black, history = nodes.train_black(**without_train(inputs))
    assert black.pixels.shape == (1, 3, 16, 3) and not black.pixels.any()
    assert set(history["dev"]) == {"success", "target_log_probability"}
    random, _ = nodes.train_random(**without_train(inputs))
    assert random.pixels.shape == (3, 3, 16, 3)
    assert not np.array_equal(random.pixels[0], random.pixels[1])
    assert np.array_equal(random.pixels, nodes.train_random(**without_train(inputs))[0].pixels)


def test_natural_strips_are_cut_out_of_photos_of_the_target(
    inputs: dict[str, Any], photos: Callable[..., Examples]
) -> None:
    pool = photos(20, seed=5)
    natural, _ = nodes.train_natural(networks_split=pool, **without_train(inputs))
    of_target = pool["pixels"][pool.rows["label"].to_numpy() == 3]
    for strip in natural.pixels:
        windows = [photo[top : top + 3] for photo in of_target for top in range(14)]
        assert any(np.array_equal(strip, window) for window in windows)


def test_related_learns_on_related_photos_alone(
    inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def learn(task: Any, settings: Any, run: Any) -> Any:
        seen.update(train=task.train, dev=task.dev, loss=task.loss)
        return np.zeros((task.rows, 16, 3), dtype=np.uint8), {"iterations": [], "epochs": []}

    from etudes.pipelines.adversarial_strip import learning

    monkeypatch.setattr(learning, "learn_strip", learn)
    nodes.train_related(**inputs)
    train, dev = inputs["train_split"], inputs["dev_split"]
    assert np.array_equal(seen["train"], train["pixels"][train.rows["related"].to_numpy()])
    assert np.array_equal(seen["dev"], dev["pixels"][dev.rows["related"].to_numpy()])
    nodes.train_margin(**inputs)
    assert len(seen["train"]) == len(train) and seen["loss"] == "margin"


def test_sweep_and_transfer_hold_a_strip_for_each_height_and_network(
    inputs: dict[str, Any], settings: Callable[..., Any]
) -> None:
    shared = {name: value for name, value in inputs.items() if name != "parameters"}
    sweep, histories = nodes.train_sweep(parameters=settings("sweep"), **shared)
    assert {height: strip.rows for height, strip in sweep.strips.items()} == {"0.1": 2, "0.2": 3}
    assert set(histories) == {"0.1", "0.2"}
    transfer, _ = nodes.train_transfer(attack=inputs["parameters"], parameters=settings("transfer"), **shared)
    assert list(transfer.strips) == ["cnn@32"] and transfer.strips["cnn@32"].rows == 3


def test_the_variant_is_chosen_by_dev_success_then_by_log_probability() -> None:
    def scored(success: float, log_probability: float) -> dict[str, Any]:
        return {"dev": {"success": success, "target_log_probability": log_probability}}

    histories = {
        "black_history": scored(0.0, -9.0),
        "cross_entropy_history": scored(1.0, -0.2),
        "margin_history": scored(1.0, -0.1),
        "related_history": {"skipped": True},
    }
    assert nodes.best_on_dev(histories) == "margin"


def test_the_height_of_the_strip_must_be_in_the_sweep(settings: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"sweep\.heights lacks attack\.height = 0\.3"):
        settings("attack", height=0.3)
    with pytest.raises(ValueError, match="rising shares"):
        settings("sweep", heights=[0.2, 0.1])
