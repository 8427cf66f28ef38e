"""The stage report: figures, pictures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.digits.panels import (
    absent_png,
    drawn_png,
    failures_png,
    nearest_png,
    per_class_png,
    stored_panel_png,
)
from etudes.digits.scoring import SCORES
from etudes.examples import Examples
from etudes.pipelines.vae.parameters import EvaluationParameters
from etudes.study import load_study, selected

STUDY = "vae"
FIGURES = ("scores", "curves", "rate_distortion", "units", "latent", "codes")
IMAGES = (
    "samples",
    "conditional",
    "failures",
    "reconstructions",
    "interpolation",
    "manifold",
    "styles",
    "training",
    "nearest",
    "photographs",
)
LIKELIHOOD = ("elbo", "iwae", "active_units")
LEFT_OUT = "{} was left out of this run"


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.elbo" in metrics]


def best_variant(metrics: Mapping[str, float]) -> str:
    """The variant with the best bound on test."""
    return max(scored_variants(metrics), key=lambda name: metrics[f"{name}.elbo"])


def draw(
    metrics: dict[str, float],
    units_table: pd.DataFrame,
    beta_table: pd.DataFrame,
    latent_table: pd.DataFrame,
    **histories: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.vae import figures
    from etudes.reporting import learning_curves, metric_bars

    study, variants = load_study(STUDY), scored_variants(metrics)
    references = [r for r in study.references if r.metric == study.metric]
    curves = {name: h["epochs"] for name, h in histories.items() if h.get("epochs")}
    wide = next(
        (name for name in ("convolutional", "mlp", "conditional") if name in set(latent_table["variant"])), ""
    )
    return (
        metric_bars(metrics, study.metric, variants, baseline=study.baseline, references=references),
        learning_curves(curves, "elbo", variants=study.variants),
        figures.rate_distortion(beta_table),
        figures.unit_curves(units_table, study.variants),
        figures.code_scatter(latent_table, "manifold", LEFT_OUT.format("manifold")),
        figures.code_scatter(latent_table, wide, "no variant with a wider code ran"),
    )


def show(
    drawn_samples: Examples, panel_samples: Examples, photographs_samples: Examples, test_split: Examples
) -> tuple[bytes, ...]:
    """All pictures, in the order of `IMAGES`."""
    names = [name for name in load_study(STUDY).variants if (drawn_samples.rows["variant"] == name).any()]
    conditional = "conditional" in names
    left_out = absent_png(LEFT_OUT.format("conditional"))
    return (
        drawn_png(drawn_samples, names, np.asarray(test_split["pixels"])),
        per_class_png(drawn_samples, "conditional") if conditional else left_out,
        failures_png(drawn_samples, "conditional") if conditional else left_out,
        *(
            stored_panel_png(panel_samples, name)
            for name in ("reconstructions", "interpolation", "manifold", "styles", "training")
        ),
        nearest_png(drawn_samples, names),
        stored_panel_png(photographs_samples, "photographs"),
    )


def choose_predictor(
    data_card: dict[str, Any], split_card: dict[str, Any], judge_model: Any, **inputs: Any
) -> Any:
    """The variant with the best bound on dev, behind a user's wish for a digit."""
    from etudes.pipelines.vae.model import VAEPredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    return VAEPredictor(models[best], judge_model, card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    references_table: pd.DataFrame,
    beta_table: pd.DataFrame,
    reconstruction_table: pd.DataFrame,
    photographs_table: pd.DataFrame,
    photographs_split_card: dict[str, Any],
    drawn_samples: Examples,
    parameters: EvaluationParameters,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.digits.page import cost_table, digit_facts, misread, references_rows
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, parameters),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        digit_facts(data_card, split_card),
    )
    page.section("What came out")
    page.table(
        lead_table(
            metrics,
            variants,
            LIKELIHOOD,
            study.baseline,
            study.references,
            study.metric,
            caption="Every variant on the test split: bounds on the likelihood",
            interval="95 % interval",
        )
    )
    page.table(
        lead_table(
            metrics,
            variants,
            SCORES,
            study.baseline,
            caption="Every variant on the test split: what it draws",
            interval="95 % interval",
        )
    )
    page.text(_reading(metrics, parameters))
    page.figure(
        inputs["scores_figure"],
        "Bound on the log-likelihood of a test picture; the further right the better.",
    )
    page.table(
        _parts(metrics, variants),
        "The two parts of the bound (nats of a picture)",
        note="Bound = log-likelihood of the picture given its code, less the KL between the code and the prior. The KL "
        "of conditional holds ln 10 for the digit it is told.",
        digits=4,
    )
    page.table(
        references_rows(references_table), "The same scores of pictures that no variant drew", digits=3
    )
    page.section("How it was learned")
    page.figure(inputs["curves_figure"], "Negative bound and bound on dev by epoch.")
    names = [*variants, "judge", "sweep", "photographs"]
    page.table(cost_table(names, inputs), "What each network costs", note=COST_NOTE, digits=4)
    page.section(
        "What they draw", "Codes from the prior; the picture is the decoder's mean, not a draw of bits."
    )
    page.image(
        inputs["samples_image"],
        "Test pictures, then pictures of each variant.",
        "a block of digits for each variant",
    )
    page.image(
        inputs["conditional_image"],
        "conditional: one row for each digit asked for, 0 to 9.",
        "ten rows of generated digits, each row the same digit",
    )
    page.image(
        inputs["manifold_image"],
        "manifold: decoded codes at equal steps of the prior's quantiles, first dimension to the right, second up.",
        "a square of digits that turn into each other",
    )
    page.section("What the code holds")
    page.figure(
        inputs["units_figure"],
        "KL of each latent dimension, the busiest first; dimensions near zero say nothing of the picture.",
    )
    page.figure(
        inputs["latent_figure"], "Posterior means of test pictures in the two dimensions of manifold."
    )
    page.figure(inputs["codes_figure"], "The same of a wide code, on its two leading principal components.")
    page.table(_votes(metrics, variants), "Digits read from the codes", note=_votes_note(parameters))
    page.image(
        inputs["styles_image"],
        "conditional: a test picture on the left, then all ten digits from its code. The hand stays, the digit changes.",
        "rows of ten digits, each row in one handwriting",
    )
    page.image(
        inputs["training_image"],
        "conditional: the same codes through training, two pictures of each digit, from before the first epoch (top) to "
        "after the last; steps between rows grow.",
        "rows of digits that grow out of grey",
    )
    page.image(
        inputs["interpolation_image"],
        "From one test picture to another on the great circle between their codes, both ends included.",
        "rows in which one digit turns into another",
    )
    page.section("What is lost")
    page.image(
        inputs["reconstructions_image"],
        "Bits of test pictures (top), rebuilt by "
        + ", ".join(reconstruction_table["variant"])
        + ", and by PCA with the widest code (bottom).",
        "rows of digits: the originals, then reconstructions",
    )
    page.table(
        reconstruction_table,
        "Mean squared error of a bit",
        note="PCA with as many numbers minimises this error among linear maps; the networks were trained for another one.",
    )
    page.section("The price of a simple code", RATE)
    page.figure(
        inputs["rate_distortion_figure"],
        "Rate against distortion for each beta; on the dashed line the bound is that of the best.",
    )
    page.table(beta_table, "The sweep on test", digits=4)
    page.section("Photographs in colour", _photographs_lead(photographs_split_card))
    page.image(
        inputs["photographs_image"],
        "Test photographs, their reconstructions from the code's mean, and draws from the prior.",
        "three rows of small colour pictures, the lower two blurred",
    )
    page.table(
        photographs_table.rename(columns={"bits_per_dimension": "bits a byte", "nats": "nats a picture"}),
        "What a byte of a test photograph costs",
        note=PHOTOGRAPHS_NOTE,
        digits=4,
    )
    page.section("Where it goes wrong")
    page.image(
        inputs["failures_image"], misread(drawn_samples, "conditional"), "generated digits that are misread"
    )
    page.image(
        inputs["nearest_image"],
        "Drawn pictures, and below each the nearest training picture: how much is copied?",
        "pairs of a generated digit and a training digit",
    )
    return page.render()


COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while it trained. "
    "judge, sweep and photographs are no variants."
)
PHOTOGRAPHS_NOTE = (
    "Bits a byte (bits per dimension): lower is better, 8 is no model at all. The first two rows are exact likelihoods, a PNG "
    "file is a lossless code (header included), the bounds of the autoencoder are what a code made with it would cost at most."
)
RATE = (
    "A larger beta weighs the KL more: the code says less (rate), the picture is rebuilt worse (distortion), and more "
    "dimensions fall silent. At beta = 1 the objective is the bound itself; every other beta pays for it."
)


def _summary(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    parameters: EvaluationParameters,
) -> str:
    best = best_variant(metrics)
    elbo, low, high = (metrics[f"{best}.elbo{end}"] for end in ("", ".low", ".high"))
    text = (
        f"The best of {len(scored_variants(metrics))} variants on {split_card['test_rows']:,} test pictures is `{best}`: "
        f"evidence bound **{elbo:.1f}** nats (95 % interval {low:.1f} to {high:.1f}), with {parameters.draws} weighted "
        f"draws {metrics[f'{best}.iwae']:.1f}."
    )
    if "pixels.elbo" in metrics:
        text += f" Independent pixels reach {metrics['pixels.elbo']:.1f}."
    if data_card["embedded_sample"]:
        text += (
            "\n\nThese digits are an **embedded sample**: scikit-learn's 8 x 8 pictures, enlarged, so that the study runs at "
            "once. Nats of smaller pictures do not compare with MNIST's; `--env=full` runs on those."
        )
    return text


def _reading(metrics: Mapping[str, float], parameters: EvaluationParameters) -> str:
    judge, low, high = (metrics[f"judge.accuracy{end}"] for end in ("", ".low", ".high"))
    floor, kid = metrics["real.floor_fid"], metrics["real.floor_kid"]
    return (
        "**Bits.** A test pixel is one with the chance of its intensity, drawn once and for all; training pictures are "
        "drawn anew each time. All likelihoods are in nats, summed over pixels and code.\n\n"
        f"**Bounds.** Both come from the same {parameters.draws} draws of each posterior. `conditional` knows the digit: "
        "its KL holds ln 10 = 2.30 nats for it, so all bounds are bounds on the same log-likelihood. `pixels` has no "
        "code; its numbers are exact.\n\n"
        f"**Judge.** A classifier of its own, trained on real digits alone, reads {judge:.4f} [{low:.4f}, {high:.4f}] of the "
        "test pictures right. FID and KID are distances in its features, standardised on training digits; they compare "
        f"within this project alone. Real training pictures get FID {floor:.3f} and KID {kid:.5f}: the floor.\n\n"
        "**Ratios.** Diversity is the mean distance of two pictures of one digit, novelty the distance to the nearest "
        "training picture, both relative to real test pictures: 1 is as real, a copy has novelty 0. Blur lowers both."
    )


def _photographs_lead(card: Mapping[str, Any]) -> str:
    return (
        f"The same bound with another likelihood: each byte has a logistic law, cut into 256 intervals. {card['source']}: "
        f"{card['train_rows']:,} training, {card['dev_rows']:,} dev and {card['test_rows']:,} test pictures of "
        f"{card['side']} x {card['side']} pixels in {len(card['classes'])} classes, which the network is not told."
    )


def _parts(metrics: Mapping[str, float], variants: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "variant": name,
                "log-likelihood given the code": metrics[f"{name}.reconstruction"],
                "KL of the code": metrics[f"{name}.kl"],
                "bound": metrics[f"{name}.elbo"],
            }
            for name in variants
        ]
    )


def _votes(metrics: Mapping[str, float], variants: list[str]) -> pd.DataFrame:
    found = {name: metrics[f"{name}.knn_accuracy"] for name in variants if f"{name}.knn_accuracy" in metrics}
    return pd.DataFrame({"variant": list(found), "accuracy (fraction)": list(found.values())})


def _votes_note(parameters: EvaluationParameters) -> str:
    return (
        f"Majority of the {parameters.latent_neighbours} nearest of {parameters.reference_pictures:,} training codes "
        "(all, if there are fewer). conditional is told the digit, so its code need not hold it: what is left is style."
    )
