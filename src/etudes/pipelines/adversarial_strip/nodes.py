"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.adversarial_strip.parameters import (
    AttackParameters,
    EvaluationParameters,
    NetworksParameters,
    PhotoParameters,
    SplitParameters,
    SweepParameters,
    TransferParameters,
)
from etudes.study import load_study, selected
from etudes.training.parameters import RunParameters

STUDY = "adversarial_strip"
SCORED_AT_ONCE = 50  # photos of one forward pass on dev

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]


def ingest(raw_images: RawFolder, parameters: PhotoParameters) -> tuple[Examples, dict[str, Any]]:
    """Read all photos, check them, and say where they come from.

    Raises:
        ValueError: a file name, a file or a set of classes that is not as expected (`photos.read_photos`).
    """
    from etudes.pipelines.adversarial_strip.photos import fingerprint, read_photos

    photos = read_photos(raw_images, parameters.size, parameters.crop)
    card = {
        "source": raw_images.facts.get("source", "own data"),
        "embedded_sample": raw_images.embedded_sample,
        "fingerprint": fingerprint(photos),
        "photos": len(photos),
        "classes": int(photos.rows["label"].nunique()),
        "pixels": parameters.crop,
    }
    return photos, card


def split(
    photos_images: Examples, parameters: SplitParameters
) -> tuple[Examples, Examples, Examples, Examples, dict[str, Any]]:
    """Photos to learn strips on, to choose by, to score on, and for the networks; none is in two parts.

    Raises:
        ValueError: too few photos, or none of the target or of the related classes (`photos.divide`).
    """
    from etudes.pipelines.adversarial_strip.photos import divide, fingerprint, repeated

    parts = {name: photos_images.take(chosen) for name, chosen in divide(photos_images, parameters).items()}
    found = {
        name: Examples(part.rows.assign(related=part.rows["label"].isin(parameters.related)), part.arrays)
        for name, part in parts.items()
    }
    names = photos_images.rows.drop_duplicates("label").set_index("label")["name"].sort_index()
    card = {
        "unit": "photos",
        "train_rows": len(found["train"]),
        "dev_rows": len(found["dev"]),
        "test_rows": len(found["test"]),
        "networks_rows": len(found["networks"]),
        "dropped_because_repeated": int(repeated(photos_images["pixels"]).sum()),
        "target": parameters.target,
        "target_name": str(names[parameters.target]),
        "related": list(parameters.related),
        "classes": int(names.index.max()) + 1,
        "names": {str(label): name for label, name in names.items()},
        "dev_fingerprint": fingerprint(found["dev"]),
    }
    return found["train"], found["dev"], found["test"], found["networks"], card


def train_networks(
    networks_split: Examples,
    split_card: dict[str, Any],
    pretrained: Any,
    parameters: NetworksParameters,
    run: RunParameters,
) -> Trained:
    """The networks: trained on photos that no strip is learned on or scored on, or pretrained."""
    from etudes.pipelines.adversarial_strip.networks import prepare_networks

    return prepare_networks(
        networks_split, split_card["classes"], split_card["target"], pretrained, parameters, run
    )


def train_black(
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """The trivial baseline: the photo's top rows are covered."""
    rows, side = _geometry(dev_split, parameters.height)
    return _finished(np.zeros((1, rows, side, 3), dtype=np.uint8), dev_split, split_card, networks_model, run)


def train_random(
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Uniform noise, several draws."""
    from etudes.training.seeds import derive_seed

    rows, side = _geometry(dev_split, parameters.height)
    generator = np.random.default_rng(derive_seed(run.seed, "random"))
    pixels = generator.integers(0, 256, size=(parameters.draws, rows, side, 3), dtype=np.uint8)
    return _finished(pixels, dev_split, split_card, networks_model, run)


def train_natural(
    networks_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Strips cut out of photos of the target itself, at evenly spaced heights: several draws."""
    from etudes.training.seeds import derive_seed

    rows, side = _geometry(dev_split, parameters.height)
    of_target = np.flatnonzero(networks_split.rows["label"].to_numpy() == split_card["target"])
    tops = np.unique(np.linspace(0, side - rows, parameters.draws).round().astype(int))
    places = [(photo, top) for photo in of_target for top in tops]
    generator = np.random.default_rng(derive_seed(run.seed, "natural"))
    chosen = generator.permutation(len(places))[: parameters.draws]
    pixels = np.stack(
        [networks_split["pixels"][photo, top : top + rows] for photo, top in (places[i] for i in chosen)]
    )
    return _finished(pixels, dev_split, split_card, networks_model, run)


def train_cross_entropy(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Learned with cross entropy."""
    return _learned("cross_entropy", train_split, dev_split, split_card, networks_model, parameters, run)


def train_margin(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Learned with the margin of the target's logit over the next."""
    return _learned("margin", train_split, dev_split, split_card, networks_model, parameters, run)


def train_related(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Learned with cross entropy on photos of related classes alone; its iteration is chosen on such photos too."""
    train, dev = (part.take(part.rows["related"].to_numpy()) for part in (train_split, dev_split))
    pixels, history = _learn("cross_entropy", train, dev, split_card, networks_model, parameters, run)
    model, scores = _finished(pixels[None], dev_split, split_card, networks_model, run)
    return model, {**history, **scores}


def train_sweep(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    parameters: SweepParameters,
    run: RunParameters,
) -> Trained:
    """One strip for each height, each learned from noise against the victim."""
    from etudes.pipelines.adversarial_strip.learning import Task, learn_strip
    from etudes.pipelines.adversarial_strip.strip import Strip, Strips

    view, fingerprint = _victim(networks_model)
    strips, histories = {}, {}
    for height in parameters.heights:
        rows, _ = _geometry(train_split, height)
        task = Task(
            view,
            fingerprint,
            np.asarray(train_split["pixels"]),
            np.asarray(dev_split["pixels"]),
            split_card["target"],
            rows,
            parameters.loss,
            name=f"rows_{rows}",
        )
        pixels, histories[f"{height:g}"] = learn_strip(task, parameters.learning, run)
        strips[f"{height:g}"] = Strip(pixels[None], _strip_card(split_card, networks_model))
    return Strips(strips), histories


def train_transfer(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    attack: AttackParameters,
    parameters: TransferParameters,
    run: RunParameters,
) -> Trained:
    """One strip against each network but the victim, whose strip is in the sweep."""
    from etudes.pipelines.adversarial_strip.learning import Task, learn_strip
    from etudes.pipelines.adversarial_strip.strip import Strip, Strips

    rows, _ = _geometry(train_split, attack.height)
    strips, histories = {}, {}
    for name in networks_model.names[1:]:
        task = Task(
            networks_model.view(name),
            networks_model.fingerprint(name),
            np.asarray(train_split["pixels"]),
            np.asarray(dev_split["pixels"]),
            split_card["target"],
            rows,
            parameters.loss,
            name=name.replace("@", "_"),
        )
        pixels, histories[name] = learn_strip(task, parameters.learning, run)
        strips[name] = Strip(pixels[None], _strip_card(split_card, networks_model, name))
    return Strips(strips), histories


def _geometry(photos: Examples, height: float) -> tuple[int, int]:
    """Rows of the strip, and side of the photos, in pixels."""
    from etudes.pipelines.adversarial_strip.strip import strip_rows

    side = int(photos["pixels"].shape[1])
    return strip_rows(height, side), side


def _victim(networks: Any) -> tuple[Any, str]:
    return networks.view(networks.victim), networks.fingerprint(networks.victim)


def _strip_card(split_card: dict[str, Any], networks: Any, name: str = "") -> dict[str, Any]:
    name = name or networks.victim
    return {
        "target": split_card["target"],
        "target_name": split_card["target_name"],
        "network": name,
        "network_fingerprint": networks.fingerprint(name),
    }


def _learned(
    loss: str,
    train: Examples,
    dev: Examples,
    split_card: dict[str, Any],
    networks: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> Trained:
    pixels, history = _learn(loss, train, dev, split_card, networks, parameters, run)
    model, scores = _finished(pixels[None], dev, split_card, networks, run)
    return model, {**history, **scores}


def _learn(
    loss: str,
    train: Examples,
    dev: Examples,
    split_card: dict[str, Any],
    networks: Any,
    parameters: AttackParameters,
    run: RunParameters,
) -> tuple[np.ndarray, dict[str, Any]]:
    from etudes.pipelines.adversarial_strip.learning import Task, learn_strip

    view, fingerprint = _victim(networks)
    rows, _ = _geometry(train, parameters.height)
    task = Task(
        view,
        fingerprint,
        np.asarray(train["pixels"]),
        np.asarray(dev["pixels"]),
        split_card["target"],
        rows,
        loss,
    )
    return learn_strip(task, parameters.learning, run)


def _finished(
    pixels: np.ndarray, dev: Examples, split_card: dict[str, Any], networks: Any, run: RunParameters
) -> Trained:
    """The strips as a model, with their scores on all of dev."""
    from etudes.pipelines.adversarial_strip.scoring import answers
    from etudes.pipelines.adversarial_strip.strip import Strip, paste
    from etudes.training.fit import resolve_device

    view, device = networks.view(networks.victim), resolve_device(run.device)
    photos, target = np.asarray(dev["pixels"]), split_card["target"]
    found = [answers(view, paste(photos, strip), target, SCORED_AT_ONCE, device) for strip in pixels]
    scores = {
        "success": float(np.mean([answer.success(target) for answer in found])),
        "target_log_probability": float(np.mean([answer.of_target for answer in found])),
    }
    return Strip(pixels, _strip_card(split_card, networks)), {"dev": scores}


def best_on_dev(histories: Mapping[str, Any]) -> str:
    """The variant with the best success on dev; of equals the one with the higher log-probability of the target."""
    dev = {
        name.removesuffix("_history"): history["dev"]
        for name, history in histories.items()
        if "success" in history.get("dev", {})
    }
    return max(dev, key=lambda name: (dev[name]["success"], dev[name]["target_log_probability"]))


def evaluate(
    train_split: Examples,
    test_split: Examples,
    split_card: dict[str, Any],
    networks_model: Any,
    sweep_model: Any,
    transfer_model: Any,
    attack: AttackParameters,
    parameters: EvaluationParameters,
    run: RunParameters,
    **inputs: Any,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score every strip on the held-out photos, which no other stage sees; all pictures are rounded to 8 bits first.

    Returns:
        metrics (flat, with Wilson intervals over photos), predictions (one row for each variant, draw and photo),
        the tables of heights, transfer, robustness, groups of photos and networks, and what scoring costs.
    """
    from etudes.pipelines.adversarial_strip.bench import (
        Bench,
        score_heights,
        score_robustness,
        score_transfer,
    )

    study = load_study(STUDY)
    histories = {name: value for name, value in inputs.items() if name.endswith("_history")}
    models = selected({name: inputs[name] for name in study.variants})
    bench = Bench(test_split, split_card, networks_model, parameters, run)
    fitted = Bench(train_split, split_card, networks_model, parameters, run)
    metrics: dict[str, float] = {"victim.accuracy": bench.accuracy(networks_model.victim)}
    predictions, groups, costs = [], [], {}
    for name, strip in models.items():
        start = time.perf_counter()
        found = [bench.scored(pixels) for pixels in strip.pixels]
        seconds = time.perf_counter() - start
        costs[name] = {"photos_per_second": round(len(found) * len(test_split) / seconds, 1)}
        metrics |= bench.metrics(name, found)
        if "iterations" in histories[f"{name}_history"]:
            part = fitted.only_related() if name == "related" else fitted
            succeeded = part.scored(strip.pixels[0]).success(bench.target)
            metrics |= part.share(f"{name}.fitted_success", succeeded)
        predictions += [bench.predictions(name, draw, answer) for draw, answer in enumerate(found)]
        groups += bench.groups(name, found)
    heights = score_heights(sweep_model, bench, fitted)
    for row in heights.to_dict("records"):
        percent = f"{100 * row['height']:g}".replace(".", "_")
        metrics[f"sweep.success_at_{percent}_percent"] = row["success"]
    best = models[best_on_dev({f"{name}_history": histories[f"{name}_history"] for name in models})]
    victims_strip = sweep_model.strips[f"{attack.height:g}"]
    strips = {networks_model.victim: victims_strip, **transfer_model.strips}
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        heights,
        score_transfer(strips, bench, networks_model),
        score_robustness(best.pixels[0], bench, parameters),
        pd.DataFrame(groups),
        pd.DataFrame([bench.network(name) for name in networks_model.names]),
        costs,
    )
