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
from etudes.study import Skipped, load_study, selected

STUDY = "gan_digits"
FIGURES = ("scores", "labels", "distance", "losses", "answers")
IMAGES = (
    "samples",
    "gan",
    "vae",
    "training_gan",
    "training_vae",
    "interpolation",
    "hands_gan",
    "hands_vae",
    "failures",
    "nearest",
)
LEFT_OUT = "{} was left out of this run"


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.fid" in metrics]


def best_variant(metrics: Mapping[str, float]) -> str:
    """The variant with the smallest distance on test."""
    return min(scored_variants(metrics), key=lambda name: metrics[f"{name}.fid"])


def draw(metrics: dict[str, float], **histories: dict[str, Any]) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.gan_digits.figures import by_epoch
    from etudes.reporting import metric_bars

    study = load_study(STUDY)
    # Beside the trivial baseline, which is hundreds off, the others would be one line at zero.
    close = {key: value for key, value in metrics.items() if not key.startswith(f"{study.baseline}.")}
    epochs = histories["gan"].get("epochs", [])
    levels = {"vae": histories["vae"]["dev"]["fid"]} if "dev" in histories["vae"] else {}
    return (
        metric_bars(close, "fid", study.variants),
        metric_bars(metrics, "label_accuracy", study.variants, baseline=study.baseline),
        by_epoch(
            epochs,
            {"dev_fid": "gan, averaged weights"},
            title="Distance on dev",
            unit="FID (squared feature distance)",
            levels=levels,
            logarithmic=True,
        ),
        by_epoch(
            epochs,
            {"discriminator_loss": "discriminator", "generator_loss": "generator"},
            title="Losses of both players",
            unit="loss (nats)",
        ),
        by_epoch(
            epochs,
            {"real_score": "D(x), real pictures", "fake_score": "D(G(z)), generated pictures"},
            title="Answers of the discriminator",
            unit="chance of being real (fraction)",
            balance=0.5,
        ),
    )


def show(drawn_samples: Examples, panel_samples: Examples, test_split: Examples) -> tuple[bytes, ...]:
    """All pictures, in the order of `IMAGES`."""
    names = [name for name in load_study(STUDY).variants if (drawn_samples.rows["variant"] == name).any()]
    shown = {
        name: per_class_png(drawn_samples, name) if name in names else absent_png(LEFT_OUT.format(name))
        for name in ("gan", "vae")
    }
    return (
        drawn_png(drawn_samples, names, np.asarray(test_split["pixels"])),
        shown["gan"],
        shown["vae"],
        *(
            stored_panel_png(panel_samples, name)
            for name in ("training_gan", "training_vae", "interpolation", "hands_gan", "hands_vae")
        ),
        failures_png(drawn_samples, "gan") if "gan" in names else absent_png(LEFT_OUT.format("gan")),
        nearest_png(drawn_samples, names),
    )


def choose_predictor(
    data_card: dict[str, Any], split_card: dict[str, Any], judge_model: Any, **inputs: Any
) -> Any:
    """The variant with the smallest distance on dev, behind a user's wish for a digit."""
    from etudes.pipelines.gan_digits.model import GANPredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    return GANPredictor(models[best], judge_model, card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    references_table: pd.DataFrame,
    claim_table: pd.DataFrame,
    drawn_samples: Examples,
    panel_samples: Examples,
    gan_model: Any,
    vae_model: Any,
    gan_history: dict[str, Any],
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.digits.page import cost_table, digit_facts, misread, references_rows
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        digit_facts(data_card, split_card),
    )
    page.section("What came out")
    page.table(lead_table(metrics, variants, SCORES, study.baseline, interval="95 % interval"))
    page.text(_reading(metrics))
    page.figure(
        inputs["scores_figure"], "Distance from the test pictures; the trivial baseline is far off the scale."
    )
    page.figure(inputs["labels_figure"], "Share of pictures that the judge reads as the digit asked for.")
    page.table(
        references_rows(references_table),
        "The same scores of pictures that no variant drew",
        note="Training pictures are the floor of the distances; class means are read well and are all alike.",
    )
    page.section("Do GANs beat VAEs?", _claim(claim_table))
    if not claim_table.empty:
        page.table(
            claim_table.assign(measure=claim_table["measure"].str.replace("_", " ")),
            "The GAN less the VAE on the same measures, with 95 % intervals",
            note="Distances: smaller is better; shares: larger; diversity and novelty: nearer to 1, without an interval.",
        )
    page.table(_sizes(gan_model, vae_model), "What draws the pictures")
    page.section("How it was learned")
    page.figure(inputs["distance_figure"], "FID on dev by epoch; the epoch with the smallest is kept.")
    page.figure(
        inputs["losses_figure"],
        "In an even game the discriminator loses 2 ln 2 = 1.39 nats, the generator ln 2 = 0.69.",
    )
    page.figure(inputs["answers_figure"], "The further apart the lines, the more the discriminator wins.")
    if gan_history.get("epochs"):
        last = gan_history["epochs"][-1]
        answers = {f"gan.{name}": last[name] for name in ("real_score", "fake_score")}
        page.table(
            lead_table(
                answers,
                ["gan"],
                ["real_score", "fake_score"],
                references=study.references,
                caption="The discriminator at the end of training: means of the last epoch, 0.5 is an even game",
            )
        )
    names = [*variants, "judge"]
    page.table(cost_table(names, inputs), "What each network costs", note=COST_NOTE, digits=4)
    page.section("What they draw")
    page.image(
        inputs["samples_image"],
        "Test pictures, then pictures of each variant.",
        "a block of digits for each variant",
    )
    for name in ("gan", "vae"):
        page.image(
            inputs[f"{name}_image"],
            f"{name}: one row for each digit asked for, 0 to 9.",
            "ten rows of generated digits, each row the same digit",
        )
    for name in ("gan", "vae"):
        rows = panel_samples.rows[panel_samples.rows["panel"] == f"training_{name}"]
        epochs = ", ".join(caption.removeprefix("epoch ") for caption in rows["caption"].unique())
        page.image(
            inputs[f"training_{name}_image"],
            f"{name}: the same noise through training, two pictures of each digit; epochs {epochs or 'none'} from top to "
            "bottom.",
            "rows of digits that grow out of grey",
        )
    page.section("What the noise holds")
    page.image(
        inputs["interpolation_image"],
        "gan: for each digit the great circle between two draws of noise, both ends included.",
        "ten rows, in each of which a digit changes its shape",
    )
    for name in ("gan", "vae"):
        page.image(
            inputs[f"hands_{name}_image"],
            f"{name}: all ten digits from the same noise, one row for each draw.",
            "rows of ten digits, each row in one handwriting",
        )
    page.section("Where it goes wrong")
    page.image(inputs["failures_image"], misread(drawn_samples, "gan"), "generated digits that are misread")
    page.image(
        inputs["nearest_image"],
        "Drawn pictures, and below each the nearest training picture: how much is copied?",
        "pairs of a generated digit and a training digit",
    )
    return page.render()


COST_NOTE = "Wall time on this machine. Added memory is what the process rose by while it trained. judge is no variant."


def _summary(data_card: dict[str, Any], split_card: dict[str, Any], metrics: dict[str, float]) -> str:
    best = best_variant(metrics)
    fid, low, high = (metrics[f"{best}.fid{end}"] for end in ("", ".low", ".high"))
    text = (
        f"The best of {len(scored_variants(metrics))} variants against {split_card['test_rows']:,} test pictures is `{best}`: "
        f"FID **{fid:.2f}** (95 % interval {low:.2f} to {high:.2f}) in the features of an independent classifier, which "
        f"reads {metrics[f'{best}.label_accuracy']:.1%} of its pictures as the digit asked for. Real training pictures have "
        f"FID {metrics['real.floor_fid']:.2f}."
    )
    if data_card["embedded_sample"]:
        text += (
            "\n\nThese digits are an **embedded sample**: scikit-learn's 8 x 8 pictures, enlarged, so that the study runs at "
            "once. A thousand pictures are few for a GAN; `--env=full` runs on MNIST."
        )
    return text


def _reading(metrics: Mapping[str, float]) -> str:
    judge, low, high = (metrics[f"judge.accuracy{end}"] for end in ("", ".low", ".high"))
    return (
        f"**Judge.** A classifier of its own, trained on real digits alone, reads {judge:.4f} [{low:.4f}, {high:.4f}] of the "
        "test pictures right. FID and KID are distances in its features, standardised on training digits; they compare "
        "within this project alone. It chooses the epoch of the GAN on dev and takes no part in the game.\n\n"
        "**Both sides alike.** Every variant draws one picture for each test label. The VAE's picture is its decoder's mean.\n\n"
        "**Ratios.** Precision is the share of drawn pictures among the real ones, recall the share of real pictures among "
        "the drawn ones. Diversity is the mean distance of two pictures of one digit, novelty the distance to the nearest "
        "training picture, both relative to real test pictures: 1 is as real, a copy has novelty 0. Blur lowers both."
    )


def _claim(table: pd.DataFrame) -> str:
    if table.empty:
        return "One of the two was left out of this run."
    parts = []
    for name, said in (
        ("gan", "the GAN is better on"),
        ("vae", "the VAE is better on"),
        ("neither", "undecided:"),
    ):
        measures = table.loc[table["better"] == name, "measure"].str.replace("_", " ")
        if len(measures):
            parts.append(f"{said} **{', '.join(measures)}**")
    return (
        "It is often said that they do. On pictures of the same digits, with the same judge: "
        f"{'; '.join(parts)}. One seed; intervals are of the pictures, not of the training."
    )


def _sizes(gan: Any, vae: Any) -> pd.DataFrame:
    rows = [
        {"variant": name, "dimensions of the noise": model.latent, "weights that draw": model.drawing_weights}
        for name, model in (("gan", gan), ("vae", vae))
        if not isinstance(model, Skipped)
    ]
    return pd.DataFrame(rows, columns=["variant", "dimensions of the noise", "weights that draw"])
