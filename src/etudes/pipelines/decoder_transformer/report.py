"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.evaluation import GROUPS
from etudes.pipelines.decoder_transformer.figures import GROUP_TITLES
from etudes.pipelines.decoder_transformer.nodes import Card, task_of
from etudes.pipelines.decoder_transformer.parameters import PredictorParameters
from etudes.study import Skipped, load_study, selected

STUDY = "decoder_transformer"
FIGURES = ("scores", "positions", "curves", "sampling", "attention", "speed")
ATTENDED = 24  # tokens of the sequence in the attention maps
VARIETY = ["entropy", "distinct_1", "distinct_2", "distinct_3", "repetition", "log_likelihood", "impossible"]


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.accuracy" in metrics]


def best_variant(metrics: Mapping[str, float], metric: str = "accuracy") -> str:
    """The variant with the best value on test."""
    return max(scored_variants(metrics), key=lambda name: metrics.get(f"{name}.{metric}", float("-inf")))


def draw(
    metrics: dict[str, float],
    positions: pd.DataFrame,
    sampling: pd.DataFrame,
    speed: dict[str, Any],
    data_card: Card,
    test_split: Examples,
    transformer_model: Any,
    **histories: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.decoder_transformer import figures as own
    from etudes.reporting import figures

    study = load_study(STUDY)
    references = [r for r in study.references if r.metric == study.metric]
    curves = {
        f"{name.removesuffix('_history')}, {own.label_of(task)}": epochs
        for name, history in histories.items()
        for task, epochs in history.get("epochs", {}).items()
    }
    maps, tokens = _attention(transformer_model, test_split, data_card)
    return (
        figures.metric_bars(
            metrics, study.metric, scored_variants(metrics), baseline=study.baseline, references=references
        ),
        own.accuracy_by_position(positions, study.variants),
        figures.learning_curves(curves, "accuracy"),
        own.sampling_grid(sampling),
        own.attention_maps(maps, tokens),
        own.speed_lines(speed),
    )


def _attention(model: Any, test_split: Examples, data_card: Card) -> tuple[np.ndarray, np.ndarray]:
    """Attention on the start of the first test sequence of the first modulus; nothing if the model was left out."""
    if isinstance(model, Skipped):
        return np.empty((0, 0, 0, 0)), np.empty(0)
    modulus = data_card["moduli"][0]
    member = (test_split.rows["modulus"] == modulus) & (test_split.rows["group"] == "seen")
    row = int(np.flatnonzero(member.to_numpy())[0])
    tokens = np.asarray(test_split["tokens"][row][:ATTENDED])[: test_split["tokens"].shape[1] - 1]
    return model.networks[task_of(modulus)].attention_maps(tokens), tokens


def choose_predictor(data_card: Card, text_card: Card, parameters: PredictorParameters, **inputs: Any) -> Any:
    """The variant that writes text with the best dev score, behind the user's prompt.

    Raises:
        ValueError: no selected variant writes text.
    """
    from etudes.pipelines.decoder_transformer.model import TextPredictor
    from etudes.pipelines.decoder_transformer.texts import Alphabet

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    dev = {name: inputs[f"{name}_history"]["dev"] for name in models}
    scores = {name: values[study.dev_metric] for name, values in dev.items() if study.dev_metric in values}
    if not scores:
        raise ValueError(
            f"decoder_transformer.variants = {list(models)}: none of them learns text, so there is nothing to register; "
            "add transformer, or one of unigram, bigram, trigram, lookup"
        )
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], text_card["dev_fingerprint"], data_card)
    return TextPredictor(
        models[best], Alphabet(text_card["alphabet"]), text_card["context"], parameters, card
    )


def write_report(
    data_card: Card,
    split_card: Card,
    text_card: Card,
    metrics: dict[str, float],
    moduli: pd.DataFrame,
    sampling: pd.DataFrame,
    texts: pd.DataFrame,
    ceilings: Card,
    speed: dict[str, Any],
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.pipelines.decoder_transformer.figures import label_of
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, metrics, ceilings),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        _facts(data_card, split_card, text_card),
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
            caption=f"Every variant on test: recurrences of modulus {data_card['moduli'][0]}, and text",
            interval="95 % bootstrap interval over sequences (of text: over windows)",
        )
    )
    page.text(_reading(moduli, ceilings, data_card))
    page.figure(inputs["scores_figure"], "Next-token accuracy on unseen sequences of seen coefficients.")
    page.section("Position by position")
    page.figure(
        inputs["positions_figure"],
        "The ceiling rises as the context tells the coefficients. In the middle: coefficients of training behind start "
        "tokens that they never had there. Right: coefficients that no training sequence had.",
    )
    page.table(
        by_modulus(moduli),
        "Every modulus beside its ceilings",
        note="Gap: what the Bayes predictor gets right of the same sequences, less the accuracy. Intervals are in the "
        "metrics.",
    )
    page.section("How it was learned")
    page.figure(
        inputs["curves_figure"],
        "Loss and accuracy on dev (seen coefficients) by epoch, one line for each network.",
    )
    page.table(
        _costs(variants, inputs), "What each variant costs", note="Wall time on this machine.", digits=4
    )
    page.section("Where it looks")
    page.figure(
        inputs["attention_figure"],
        "Attention on the start of a test recurrence. A head that finds earlier places with the same two tokens shows "
        "stripes away from the diagonal.",
    )
    page.section("How it writes", SAMPLING_LEAD)
    page.figure(inputs["sampling_figure"], "Continuations under every setting; numbers in the cells.")
    if len(sampling):
        page.table(
            _of_data(sampling, label_of),
            "The same measures of the data's own continuations",
            note="Measures of a good sampler lie near these, not at an extreme. The most likely text is not the most "
            "typical one.",
        )
    if len(texts):
        page.table(texts, "The same prompt of the test text, continued under every setting", digits=2)
    page.section("What the cache saves", SPEED_LEAD)
    page.figure(inputs["speed_figure"], _speed_caption(speed))
    return page.render()


def by_modulus(moduli: pd.DataFrame) -> pd.DataFrame:
    """One row a variant and modulus, the ceiling of the modulus on top: accuracy and gap of the three groups."""
    rows: list[tuple[Any, ...]] = []
    for modulus, of_modulus in moduli.groupby("modulus", sort=True):
        groups = [of_modulus[of_modulus["group"] == group].set_index("variant") for group in GROUPS]
        ceilings = [number for part in groups for number in (float(part["ceiling"].iloc[0]), 0.0)]
        rows.append((f"ceiling, modulus {modulus}", *ceilings))
        for name in groups[0].index:
            scores = [float(part.loc[name, key]) for part in groups for key in ("accuracy", "gap")]
            rows.append((f"{name}, modulus {modulus}", *scores))
    columns = [label for group in GROUP_TITLES.values() for label in (group, f"gap, {group}")]
    return pd.DataFrame(rows, columns=["variant", *columns])


SAMPLING_LEAD = (
    "Temperature is applied first, then the nucleus. Entropy is that of the law a token was drawn from. Distinct-n counts "
    "different n-grams of a continuation over all of its n-grams; a loop is a phrase of two tokens or more that stands "
    "three times in a row at the end. The true process knows the coefficients of each sequence."
)
SPEED_LEAD = (
    "One more token behind a context. Without the cache the whole context goes through the network again; with it, the "
    "new token alone, and only its attention grows with the context. Logits are the same to five decimals (tests)."
)


def _facts(data_card: Card, split_card: Card, text_card: Card) -> dict[str, Any]:
    vectors = ", ".join(
        f"{len(found['seen'])} seen and {len(found['heldout'])} held out of modulus {modulus}"
        for modulus, found in split_card["vectors"].items()
    )
    characters = text_card["characters"]
    return {
        "text": data_card["source"],
        "characters": ", ".join(f"{characters[part]:,} {part}" for part in ("train", "dev", "test")),
        "recurrences": f"{split_card['train_rows']:,} train, {split_card['dev_rows']:,} dev, "
        f"{split_card['test_rows']:,} test sequences of {split_card['length']} tokens, drawn",
        "coefficient vectors": vectors,
        "chance of plus one": data_card["next_probability"],
        "fingerprint of the data": data_card["fingerprint"],
    }


def _summary(data_card: Card, metrics: dict[str, float], ceilings: Card) -> str:
    modulus, best = data_card["moduli"][0], best_variant(metrics)
    accuracy, low, high = (metrics[f"{best}.accuracy{end}"] for end in ("", ".low", ".high"))
    ceiling = ceilings[f"{task_of(modulus)}.seen"]["bayes"]
    general = best_variant(metrics, "heldout_accuracy")
    text = (
        f"On unseen sequences of seen coefficients (modulus {modulus}) the best variant is `{best}`: accuracy "
        f"**{accuracy:.3f}** (95 % interval {low:.3f} to {high:.3f}); the exact Bayes predictor gets {ceiling:.3f}. On "
        f"coefficients that training never saw it is `{general}` with {metrics[f'{general}.heldout_accuracy']:.3f}, where "
        f"the ceiling is {ceilings[f'{task_of(modulus)}.heldout']['bayes']:.3f}."
    )
    if data_card["embedded_sample"]:
        text += (
            "\n\nThe text is an **embedded sample**: prose from Python's language reference, so that the study runs at "
            "once. `--env=full` trains longer, and on Tiny Shakespeare."
        )
    return text


def _reading(moduli: pd.DataFrame, ceilings: Card, data_card: Card) -> str:
    modulus = data_card["moduli"][0]
    seen, starts, heldout = (ceilings[f"{task_of(modulus)}.{group}"] for group in GROUPS)
    parts = [
        f"**Which ceiling.** On new sequences of seen coefficients it is the Bayes predictor that knows what training had: "
        f"{seen['bayes']:.3f} of these tokens right ({seen['expected']:.3f} in expectation); a reader who is told the "
        f"coefficients gets {seen['oracle']:.3f}. For held-out coefficients its prior is on all {modulus**2} vectors: "
        f"{heldout['bayes']:.3f}. A reader who believes that there are only the seen vectors gets "
        f"{heldout['bayes_seen']:.3f} there: that is what learning vectors by heart is worth.",
        f"**New start tokens.** The ceiling there is {starts['bayes']:.3f}. One who learned the training data perfectly, and "
        f"so believes that these start tokens do not come with these coefficients, gets {starts['bayes_seen']:.3f}: "
        f"{starts['bayes'] - starts['bayes_seen']:.3f} of a gap there is owed to the split, not to the learner.",
    ]
    held = moduli[moduli["group"] == "heldout"].set_index(["modulus", "variant"])["accuracy"]
    for number in data_card["moduli"]:
        found = [
            f"`{name}` {held[(number, name)]:.3f}"
            for name in ("lookup", "transformer", "relabelled")
            if (number, name) in held.index
        ]
        if found:
            ceiling = ceilings[f"{task_of(number)}.heldout"]["bayes"]
            parts.append(
                f"**Held-out coefficients, modulus {number}.** {', '.join(found)}; ceiling {ceiling:.3f}."
            )
    parts.append(
        "Intervals come from resampling test sequences; they do not show what another seed would change. The best epoch "
        "was chosen on dev by the loss on seen coefficients."
    )
    return "\n\n".join(parts)


def _of_data(sampling: pd.DataFrame, label_of: Any) -> pd.DataFrame:
    rows = sampling[sampling["source"] == "data"]
    columns = [name for name in VARIETY if name != "entropy"]
    return rows[["task", *columns]].assign(task=rows["task"].map(label_of))


def _speed_caption(speed: Mapping[str, Mapping[str, float]]) -> str:
    longest = max(speed["cached"], key=int)
    cached, anew = speed["cached"][longest], speed["recomputed"][longest]
    return (
        f"Behind {longest} tokens: {cached:,.0f} tokens a second with the cache, {anew:,.0f} without, "
        f"{cached / anew:.1f} times as many."
    )


def _costs(variants: list[str], inputs: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "variant": name,
                "training (s)": inputs[name]["seconds"],
                "added memory (MiB)": round(inputs[name]["added_memory_mib"]),
                "GPU memory (MiB)": round(inputs[name]["gpu_peak_memory_mib"]),
            }
            for name in variants
        ]
    )
