"""Which variants were trained, and which of them is best on dev."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etudes.study import Skipped, Study


def best_on_dev(study: Study, inputs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model of the variant with the best dev score, and the card of a predictor made of it."""
    models = trained({name: inputs[f"{name}_model"] for name in study.variants})
    dev = {name: inputs[f"{name}_history"]["dev"] for name in models}
    scores = {name: found[study.dev_metric] for name, found in dev.items() if study.dev_metric in found}
    if not scores:
        raise ValueError(
            f"{study.name}.variants = {list(models)}: none of them has the dev score {study.dev_metric} that chooses the "
            "model to register; add one that has"
        )
    best = study.best_on_dev(scores)
    fingerprint = inputs["split_card"]["dev_fingerprint"]
    return models[best], study.predictor_card(best, scores[best], fingerprint, inputs["data_card"])


def trained(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the parameter ``variants`` left out: `Skipped` models, histories and costs marked as skipped."""
    return {name: value for name, value in found.items() if not left_out(value)}


def left_out(value: Any) -> bool:
    """Whether a model, a history or costs are those of a variant that did not run."""
    return isinstance(value, Skipped) or (isinstance(value, Mapping) and bool(value.get("skipped")))
