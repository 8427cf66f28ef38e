"""The variants: what each is made of, what it is given, and the choice on dev."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attack_toys import Blind, Brightness, StubVictims, photos, untrained_victims
from etudes.benches.attacks import Bench
from etudes.pipelines.adversarial_strip import model
from etudes.pipelines.adversarial_strip.evaluation import best_on_dev, by_group, disturbances, score_heights
from etudes.pipelines.adversarial_strip.parameters import Parameters
from etudes.pipelines.adversarial_strip.strip import Strips, paste
from study_settings import run_parameters, settings_of

CARD = {"target": 3, "target_name": "class3", "names": {}, "classes": 4}
WHITE, BLACK = np.full((2, 16, 3), 255, dtype=np.uint8), np.zeros((2, 16, 3), dtype=np.uint8)
settings = settings_of("adversarial_strip", Parameters)


@pytest.fixture
def inputs() -> dict[str, Any]:
    train, dev = (part.take(part.rows["label"].to_numpy() != 3) for part in (photos(48), photos(24, seed=1)))
    shared = {"dev_split": dev, "split_card": CARD, "networks_model": untrained_victims()}
    return {"train_split": train, **shared, "attack": settings("attack", draws=3), "run": run_parameters()}


def test_strips_that_are_not_learned(inputs: dict[str, Any]) -> None:
    pool = photos(20, seed=5)
    given = {name: value for name, value in inputs.items() if name != "train_split"} | {
        "networks_split": pool
    }
    black, random, natural = (model.train_drawn(**given, name=n) for n in ("black", "random", "natural"))
    assert black[0].draws.shape == (1, 3, 16, 3) and not black[0].draws.any()
    assert set(black[1]["dev"]) == {"success", "target_log_probability"}
    noise = random[0].draws
    assert noise.shape == (3, 3, 16, 3) and not np.array_equal(noise[0], noise[1])
    assert np.array_equal(noise, model.train_drawn(**given, name="random")[0].draws)
    of_target = pool["pixels"][pool.rows["label"].to_numpy() == 3]
    windows = [photo[top : top + 3] for photo in of_target for top in range(14)]
    assert all(any(np.array_equal(strip, window) for window in windows) for strip in natural[0].draws)


def test_what_is_learned_on_what(inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[Any] = []

    class Spy:
        def __init__(self, task: Any, settings: Any, run: Any) -> None:
            tasks.append(task)

        def learn(self) -> Any:
            return np.zeros((3, 16, 3), dtype=np.uint8), {"iterations": [], "epochs": []}

    monkeypatch.setattr(model, "Learning", Spy)
    model.train_learned(**inputs, related=True)
    model.train_learned(**inputs, loss="margin")
    for part, seen, all_seen in zip(("train", "dev"), *([t.train, t.dev] for t in tasks), strict=True):
        split = inputs[f"{part}_split"]
        assert np.array_equal(seen, split["pixels"][split.rows["related"].to_numpy()])
        assert np.array_equal(all_seen, split["pixels"])
    assert [task.loss for task in tasks] == ["cross_entropy", "margin"]
    sweep, _ = model.train_several(**inputs, parameters=settings("sweep"))
    transfer, _ = model.train_several(**inputs, parameters=settings("transfer"))
    assert list(sweep.pixels) == ["0.1", "0.2"] and list(transfer.pixels) == ["cnn@32"]
    assert [(t.network, t.height, t.name) for t in tasks[2:]] == [
        *(("cnn", 0.1, "rows_2"), ("cnn", 0.2, "rows_3")),
        ("cnn@32", 0.2, "cnn_32"),
    ]


def test_the_variant_is_chosen_by_dev_success_then_by_log_probability() -> None:
    scores = {"black": (0.0, -9.0), "cross_entropy": (1.0, -0.2), "margin": (1.0, -0.1)}
    names = ("success", "target_log_probability")
    assert best_on_dev({n: {"dev": dict(zip(names, s, strict=True))} for n, s in scores.items()}) == "margin"


def test_the_height_of_the_strip_must_be_in_the_sweep() -> None:
    with pytest.raises(ValueError, match=r"sweep\.heights lacks attack\.height = 0\.3"):
        settings("attack", height=0.3)
    with pytest.raises(ValueError, match="rising shares"):
        settings("sweep", heights=[0.2, 0.1])


@pytest.fixture
def bench() -> Bench:
    """Dark photos, and a network that sees the target where the top row is bright."""
    victims = StubVictims(top=Brightness(), blind=Blind())
    return Bench(photos(6), 1, {}, victims, 0.95, 4, "cpu")  # type: ignore[arg-type]


def test_groups_and_heights_by_hand(bench: Bench) -> None:
    half = np.concatenate([WHITE[:1], BLACK[:1]])
    rows = by_group("related", [bench.answers(paste(bench.pixels, strip)) for strip in (WHITE, BLACK)], bench)
    assert [(row["group"], row["photos"], row["success"]) for row in rows] == [
        *(("related classes", 2, 0.5), ("other classes", 4, 0.5))
    ]
    table = score_heights(Strips({"0.125": half[None], "0.25": BLACK[None]}, {}), bench, bench)
    assert table[["height", "rows", "success", "fitted_success"]].to_numpy().tolist() == [
        *([0.125, 2, 1, 1], [0.25, 2, 0, 0])
    ]
    assert {"low", "high", "fitted_low", "fitted_high"} < set(table)


def test_a_strip_elsewhere_is_not_seen(bench: Bench) -> None:
    evaluation = settings("evaluation", shifts=[2, 15], jpeg=[75], resize=[0.5])
    found = dict(disturbances(bench.pixels, WHITE, evaluation))
    success = {name: float(bench.share("s", pictures)["s"]) for name, pictures in found.items()}
    there = ("as learned", "JPEG, quality 75", "scaled by 0.5 and back", "2 pixels to the right")
    assert [success[name] for name in there] == [1.0] * 4
    assert success["2 pixels lower"] == success["at the bottom"] == 0.0
    assert "15 pixels lower" not in found, "the strip would leave the photo"
    assert all(p.shape == bench.pixels.shape and p.dtype == np.uint8 for p in found.values())
