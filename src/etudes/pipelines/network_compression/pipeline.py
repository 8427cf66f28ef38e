"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    dataset,
    draw,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    set_to,
    show,
    train,
)
from etudes.pipelines.network_compression.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_photographs ─ ingest ─ split ─ train_split, dev_split, test_split, split_card
                                             │
        majority                         original ─ answers
            │        ┌───────────────┬───────┴───────┬──────────────────┐
            │  uncompressed   int4, int4_tuned    pruning      small, distilled
            │  int8, integer         │         ┌─────┴────┐    grouped, separable
            │        │               │      pruned     slimmed          │
            │        │               │         │      combined          │
            └────────┴───────────────┴────┬────┴──────────┴─────────────┘
                                       evaluate ─ metrics, predictions, tables
                                          │
                                        report ─ figures, picture, report, predictor
    """
    small = "model.train_small"
    return assemble(
        "network_compression",
        Parameters,
        [
            ingest("etudes.vision.photographs.ingest_photographs", "pictures_images", "data_card"),
            preprocess("etudes.vision.photographs.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("original", "model.train_network", gpu=True, group="network"),
            train("uncompressed", "model.train_packed", bits=32),
            train("int8", "model.train_packed"),
            train("integer", "model.train_integer"),
            train("int4", "model.train_packed", bits=4),
            train("int4_tuned", "model.train_rounded", gpu=True),
            train("pruning", "model.train_pruning", gpu=True),
            train("pruned", "model.choose_pruned"),
            train("slimmed", "model.choose_pruned", kind="channels"),
            train("combined", "model.train_combined", gpu=True),
            train("small", small, gpu=True, told=False),
            train("distilled", small, gpu=True),
            train("grouped", small, gpu=True, design="grouped"),
            train("separable", small, gpu=True, design="separable"),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *("claim_table", "cost_table", "pruning_table", "frontier_table"),
            ),
            draw(
                "etudes.benches.pages.scores",
                set_to("etudes.benches.pages.curves", metric="accuracy"),
                *("report.size", "report.frontier", "report.lost", "report.speed", f"{PAGES}.calibration"),
            ),
            show("report.mistaken"),
            page("etudes.benches.uncertain_pages.claims", f"{PAGES}.best_two", "report.within"),
            predictor(
                "etudes.vision.reader.PictureReader",
                side=dataset("split_card", "side"),
                classes=dataset("split_card", "classes"),
            ),
        ],
    )
