"""How data flows through the study."""

from typing import Any

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    dataset,
    draw,
    each,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    set_to,
    show,
    train,
)
from etudes.pipelines.knowledge_distillation.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_photographs ─ ingest ─ split ─ train_split, dev_split, test_split, split_card
                                             │
        majority   student   label_smoothing │        pretrained ─ teacher         own_teacher
            │         │             │        │                        │                 │
            │         │             │        │                     answers         own_answers
            │         │             │        │          ┌─────────────┼──────────┐      │
            │         │             │        │        grid            │          │      │
            │         │             │        │          │             │          │      │
            │         │             │        │      distilled ─── shuffled    hinted  own_distilled
            └─────────┴─────────────┴────────┴──────────┴─────────────┴──────────┴──────┘
                                             │
                                   evaluate ─ metrics, predictions, tables
                                             │
                                           report ─ figures, picture, report, predictor
    """
    distilled = each("model", "distilled")
    told: dict[str, Any] = {"answers": dataset("answers_model"), "distilled": distilled}
    own: dict[str, Any] = {"answers": dataset("own_answers_model"), "distilled": distilled}
    grid: dict[str, Any] = {"grid": dataset("grid_model"), "tried": dataset("grid_history")}
    return assemble(
        "knowledge_distillation",
        Parameters,
        [
            ingest("etudes.vision.photographs.ingest_photographs", "pictures_images", "data_card"),
            preprocess("etudes.vision.photographs.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("teacher", "model.train_teacher", gpu=True),
            train("own_teacher", "model.train_own_teacher", gpu=True),
            train("answers", "model.train_answers", gpu=True, teacher=each("model", "teacher")),
            train("own_answers", "model.train_answers", gpu=True, teacher=each("model", "own_teacher")),
            train("student", "model.train_student", gpu=True),
            train("label_smoothing", "model.train_smoothed", gpu=True),
            train("grid", "model.train_grid", gpu=True, answers=told["answers"]),
            train("distilled", "model.choose_distilled", **grid),
            train("shuffled", "model.train_taught", gpu=True, shuffled=True, **told),
            train("hinted", "model.train_hinted", gpu=True, **told),
            train("own_distilled", "model.train_taught", gpu=True, **own),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *("claim_table", "grid_table", "cost_table"),
                **grid,
            ),
            draw(
                "etudes.benches.pages.scores",
                set_to("etudes.benches.pages.curves", metric="accuracy"),
                *("report.grid", "report.cost", f"{PAGES}.calibration"),
            ),
            show("report.told"),
            page("etudes.benches.uncertain_pages.claims", f"{PAGES}.best_two", "report.chosen"),
            predictor(
                "etudes.vision.reader.PictureReader",
                side=dataset("split_card", "side"),
                classes=dataset("split_card", "classes"),
            ),
        ],
    )
