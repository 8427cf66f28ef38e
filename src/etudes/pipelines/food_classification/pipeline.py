"""How data flows through the study."""

from typing import Any

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
from etudes.pipelines.food_classification.parameters import Parameters
from etudes.study import load_study

SEEING = ("logistic", "transfer")  # with the backbone's eyes
CHEAP = ("most_frequent", "histograms", "logistic")  # no loop that an accelerator would speed up


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_pictures ─ ingest ─ photographs_images, data_card
                          │
                        split ─ train_split, dev_split, test_split, split_card
                          │
        pretrained ─ train_backbone                                                        (support)
                          │
        most_frequent   histograms   logistic   cnn … dense   transfer                     train_<variant>
              └─────────────┴───────────┴───────────┴────────────┘
                                        │
                                     evaluate ─ metrics, predictions, tables
                                        │
                                     report ─ figures, picture, report, predictor
    """
    name = "food_classification"
    pages, tables = (
        "etudes.benches.classifier_pages",
        ("splits", "gain", "doubted", "suspects", "planted", "dropping"),
    )
    backbone: dict[str, dict[str, Any]] = {
        name: {"backbone_model": dataset("backbone_model")} for name in SEEING
    }
    return assemble(
        name,
        Parameters,
        [
            ingest("etudes.vision.class_folders.ingest_parts", "photographs_images", "data_card"),
            preprocess("etudes.vision.class_folders.split", *SPLITS),
            train("backbone", "model.train_backbone", gpu=True),
            *(
                train(
                    variant,
                    "model.train",
                    gpu=variant not in CHEAP,
                    variant=variant,
                    **backbone.get(variant, {}),
                )
                for variant in load_study(name).variants
            ),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *(f"{table}_table" for table in tables),
            ),
            draw(
                *(
                    "etudes.benches.pages.scores",
                    "etudes.benches.pages.curves",
                    "report.on_splits",
                    "report.gains",
                ),
                *("report.dropped", f"{pages}.confusion", f"{pages}.by_class", f"{pages}.calibration"),
                gains_reviewed=set_to("report.gains", tested_on="reviewed"),
            ),
            show("report.suspects"),
            page("report.answer", "report.of_labels", f"{pages}.best_two"),
            predictor(
                "etudes.benches.picture_predictor.PicturePredictor",
                side=dataset("split_card", "side"),
                classes=dataset("split_card", "classes"),
            ),
        ],
    )
