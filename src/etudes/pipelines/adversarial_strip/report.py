"""The stage report: figures, pictures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.nodes import best_on_dev
from etudes.pipelines.adversarial_strip.parameters import EvaluationParameters, PhotoParameters
from etudes.study import load_study, selected

STUDY = "adversarial_strip"
FIGURES = ("scores", "iterations", "heights", "transfer")
IMAGES = ("strips", "gallery", "failures")
COLUMNS = 6  # pictures in a row: three pairs, or six failures


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    study = load_study(STUDY)
    return [name for name in study.variants if f"{name}.{study.metric}" in metrics]


def _histories(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name.endswith("_history")}


def draw(
    metrics: dict[str, float], heights_table: pd.DataFrame, transfer_table: pd.DataFrame, **inputs: Any
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.adversarial_strip import pictures
    from etudes.reporting import figures

    study = load_study(STUDY)
    histories = {
        name.removesuffix("_history"): history
        for name, history in _histories(inputs).items()
        if history.get("iterations")
    }
    references = [reference for reference in study.references if reference.metric == study.metric]
    return (
        figures.metric_bars(
            metrics, study.metric, scored_variants(metrics), baseline=study.baseline, references=references
        ),
        pictures.draw_iterations(histories, study.variants),
        pictures.draw_heights(heights_table),
        pictures.draw_transfer(transfer_table),
    )


def paint(
    test_split: Examples,
    predictions: pd.DataFrame,
    sweep_model: Any,
    parameters: EvaluationParameters,
    **inputs: Any,
) -> tuple[bytes, ...]:
    """All pictures, in the order of `IMAGES`: the strips alone, photos before and after, and failures."""
    from etudes.pipelines.adversarial_strip import pictures
    from etudes.pipelines.adversarial_strip.strip import paste
    from etudes.reporting import image_grid

    models = selected({name: inputs[name] for name in load_study(STUDY).variants})
    best = best_on_dev(_histories(inputs))
    strips = {f"{name}: {_rows(model)}": model.pixels[0] for name, model in models.items()}
    strips |= {
        f"sweep, {100 * float(height):g} % of the height: {_rows(strip)}": strip.pixels[0]
        for height, strip in sweep_model.strips.items()
    }
    failing = failing_variant(predictions, _histories(inputs))
    photos = np.asarray(test_split["pixels"])
    of_best, of_failing = (_first_draw(predictions, name) for name in (best, failing))
    patched, withstood = (paste(photos, models[name].pixels[0]) for name in (best, failing))
    shown = _spread_out(np.flatnonzero(of_best["success"]), parameters.shown)
    failed = of_failing[~of_failing["success"]].nlargest(parameters.shown, "confidence").index.to_numpy()
    tile = 160
    pairs = [picture for index in shown for picture in (photos[index], patched[index])]
    captions = [text for index in shown for text in _before_and_after(of_best.loc[index])]
    blank = np.zeros((16, 16), dtype=np.uint8)
    return (
        pictures.strip_sheet(strips),
        image_grid(pairs or [blank], captions or ["no photo was turned"], COLUMNS, tile=tile),
        image_grid(
            [withstood[index] for index in failed] or [blank],
            [_failure(of_failing.loc[index]) for index in failed] or ["no photo withstood"],
            COLUMNS,
            tile=tile,
        ),
    )


def failing_variant(predictions: pd.DataFrame, histories: Mapping[str, Any]) -> str:
    """The variant whose failures are shown: the best on dev, or, if it turned every photo, a learned one that did not."""
    best = best_on_dev(histories)
    learned = [name.removesuffix("_history") for name, value in histories.items() if value.get("iterations")]
    share = predictions.groupby("variant")["success"].mean()
    return next((name for name in (best, *learned) if share.get(name, 1.0) < 1.0), best)


def _first_draw(predictions: pd.DataFrame, variant: str) -> pd.DataFrame:
    rows = (predictions["variant"] == variant) & (predictions["draw"] == 0)
    return predictions[rows].reset_index(drop=True)


def _rows(strip: Any) -> str:
    return f"{strip.rows} row{'' if strip.rows == 1 else 's'}"


def _spread_out(positions: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the positions, evenly spaced: a choice that looks at no score."""
    if len(positions) <= count:
        return positions
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(int)]


def _before_and_after(row: Any) -> tuple[str, str]:
    return (
        f"{row['before']}\n{row['before_confidence']:.1%}",
        f"{row['predicted']}\n{row['confidence']:.1%}",
    )


def _failure(row: Any) -> str:
    return (
        f"{row['truth']}: {row['predicted']} {row['confidence']:.0%}\ntarget {row['target_probability']:.1%}"
    )


def choose_predictor(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    networks_model: Any,
    photos: PhotoParameters,
    **inputs: Any,
) -> Any:
    """The strip with the best dev score, with its victim, behind a user's photo."""
    from etudes.pipelines.adversarial_strip.model import StripPredictor

    study, best = load_study(STUDY), best_on_dev(_histories(inputs))
    strip = inputs[best]
    # A score against another network, or of a strip of another height, is a score of another task.
    task = [
        split_card["dev_fingerprint"],
        strip.card["network_fingerprint"],
        str(strip.rows),
        strip.card["network"],
    ]
    score = inputs[f"{best}_history"]["dev"][study.dev_metric]
    fingerprint = hashlib.sha256("/".join(task).encode()).hexdigest()[:32]
    card = study.predictor_card(best, score, fingerprint, data_card)
    victim = networks_model.only(networks_model.victim)
    return StripPredictor(strip, victim, split_card["names"], photos.size, photos.crop, card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    inference: dict[str, Any],
    parameters: EvaluationParameters,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    best, networks = best_on_dev(_histories(inputs)), inputs["networks_table"]
    interval = f"{100 * parameters.level:g} % Wilson intervals over photos"
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, best, networks),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        _facts(data_card, split_card, networks),
    )
    page.section("What came out")
    page.table(
        lead_table(
            metrics,
            variants,
            study.metrics,
            study.baseline,
            study.references,
            study.metric,
            caption="Every variant on the held-out photos",
            interval=interval,
        )
    )
    page.text(_reading(split_card, metrics))
    page.figure(inputs["scores_figure"], f"Success on held-out photos, with {interval}.")
    page.image(
        inputs["strips_image"],
        "The strips alone, enlarged: of variants with several draws the first, then one for each height of the sweep.",
        "strips of pixels, one below the other",
    )
    page.image(
        inputs["gallery_image"],
        f"Held-out photos that {best} turned, before and after, with the network's answer. Evenly spaced among all.",
        "pairs of photos without and with the strip",
    )
    page.section("How it was learned")
    page.figure(
        inputs["iterations_figure"],
        "Success by iteration: on the batch just before its step (thin), and on dev (markers).",
    )
    page.table(_costs(inputs, inference), "What each strip costs", note=COST_NOTE, digits=4)
    page.section("How much of the photo it takes")
    page.figure(inputs["heights_figure"], f"Success by height of the strip, with {interval}.")
    page.table(
        _with_percent(inputs["heights_table"]),
        "Strips of other heights, learned against the same network",
        digits=4,
        note="Each was learned from noise. low, high: ends of the interval.",
    )
    page.section("Whether other networks are fooled too")
    page.figure(
        inputs["transfer_figure"],
        "Share of held-out photos that the network of the column assigns to the target under the strip learned on the "
        "network of the row.",
    )
    page.text(_about_transfer(networks))
    page.table(networks, "The networks on the held-out photos as they are", note=NETWORKS_NOTE, digits=4)
    page.section("Whether it survives", f"All of this section is about the variant chosen on dev, `{best}`.")
    page.table(
        inputs["robustness_table"],
        "After compression, scaling or another place",
        digits=4,
        note="The strip was learned in the top rows only, and on untouched pixels.",
    )
    page.table(
        inputs["groups_table"],
        "Related classes and others",
        digits=4,
        note=f"Related: {_names(split_card)}. The variant related was learned on photos of these alone.",
    )
    failing = failing_variant(predictions, _histories(inputs))
    page.section("Where it fails")
    page.image(
        inputs["failures_image"],
        f"Held-out photos that kept another answer under the strip of {failing}, the most confident ones first: true "
        "class, answer, and probability of the target.",
        "photos under the strip that were not assigned to the target",
    )
    return page.render()


COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while it trained. "
    "Speed is of scoring patched photos on the victim."
)
NETWORKS_NOTE = (
    "accuracy: with its interval low, high. already target: share of these photos that the network assigns to the "
    "target without any strip."
)


def _names(split_card: Mapping[str, Any]) -> str:
    return ", ".join(split_card["names"].get(str(label), f"class {label}") for label in split_card["related"])


def _facts(
    data_card: Mapping[str, Any], split_card: Mapping[str, Any], networks: pd.DataFrame
) -> dict[str, Any]:
    return {
        "data": data_card["source"],
        "photos": f"{split_card['train_rows']} to learn on, {split_card['dev_rows']} dev, {split_card['test_rows']} held "
        f"out; {split_card['networks_rows']} left to the networks",
        "target": f"{split_card['target_name']} (class {split_card['target']})",
        "victim": f"{networks['network'][0]} (weights {networks['weights'][0]})",
        "pixels of a photo": f"{data_card['pixels']} x {data_card['pixels']}",
        "fingerprint of the data": data_card["fingerprint"],
    }


def _summary(
    data_card: Mapping[str, Any],
    split_card: Mapping[str, Any],
    metrics: Mapping[str, float],
    best: str,
    networks: pd.DataFrame,
) -> str:
    success, low, high = (metrics[f"{best}.success{end}"] for end in ("", ".low", ".high"))
    text = (
        f"One strip on top of {split_card['test_rows']} photos it was not learned on makes "
        f"`{networks['network'][0]}` answer {split_card['target_name']} for **{success:.3f}** of them "
        f"({low:.3f} to {high:.3f}). The strip is the variant that was best on dev, `{best}`; the network is right about "
        f"{metrics['victim.accuracy']:.3f} of the photos as they are."
    )
    if "black.success" in metrics:
        text += f" A black strip gets {metrics['black.success']:.3f}."
    if data_card["embedded_sample"]:
        text += (
            "\n\nThe pictures are an **embedded sample**: handwritten digits, and small networks trained on other digits, "
            "so that the study runs at once. The numbers say nothing of photos; `--env=full` is about those."
        )
    return text


def _reading(split_card: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    parts = [
        f"**success**: share of held-out photos, none of which shows {split_card['target_name']}, that the network "
        "assigns to it. **fitted success**: the same on the photos that the strip was learned on. **success where it was "
        "right**: only photos that the network recognised before. **confident success**: probability of the target at "
        "least 0.5. Strips and photos are rounded to 8 bits before they are scored.",
        "Iterations and the registered variant were chosen on dev, photos of their own; the held-out ones were scored "
        "once, by this stage.",
    ]
    fitted = [name for name in scored_variants(metrics) if f"{name}.fitted_success" in metrics]
    if fitted:
        gaps = ", ".join(
            f"`{name}` {metrics[f'{name}.fitted_success'] - metrics[f'{name}.success']:+.3f}"
            for name in fitted
        )
        parts.append(f"**Fitted minus held out.** {gaps}.")
    return "\n\n".join(parts)


def _about_transfer(networks: pd.DataFrame) -> str:
    kinds = {str(name).partition("@")[0] for name in networks["network"]}
    if len(networks) == 1:
        return "There is one network only, so nothing to transfer to; name more in `networks.names`."
    if len(kinds) == 1:
        return (
            "All of these are one network with the same weights, shown photos resized to the number of pixels behind the "
            "@. This says how a strip transfers between resolutions, not between networks."
        )
    return "The strip of the first row is the one of the sweep; the others were learned in the same way."


def _with_percent(heights: pd.DataFrame) -> pd.DataFrame:
    return heights.assign(height=[f"{100 * height:g} %" for height in heights["height"]])


def _iterations(history: Mapping[str, Any]) -> int:
    """Steps of a strip, or of all strips of the sweep and of the transfer matrix; none where nothing was learned."""
    parts = [history, *(part for part in history.values() if isinstance(part, Mapping))]
    return sum(len(part.get("iterations", [])) for part in parts)


def _costs(inputs: Mapping[str, Any], inference: Mapping[str, Any]) -> pd.DataFrame:
    study, rows = load_study(STUDY), []
    for name in (*study.variants, *study.support):
        cost, history = inputs[f"{name}_resources"], inputs[f"{name}_history"]
        if cost.get("skipped"):
            continue
        rows.append(
            {
                "node": name,
                "training (s)": cost["seconds"],
                "iterations": _iterations(history),
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "GPU memory (MiB)": round(cost["gpu_peak_memory_mib"]),
                "photos a second": inference.get(name, {}).get("photos_per_second"),
            }
        )
    return pd.DataFrame(rows)
