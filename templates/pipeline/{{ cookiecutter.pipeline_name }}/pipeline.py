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
    train,
)
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_table ─ ingest ─ table_frame, data_card
                       │
                     split ─ train_split, dev_split, test_split, split_card
                       │
        most_frequent   nearest_centroid       train_<variant>
              └───────┬────────┘
                   evaluate ─ metrics, predictions, per_class_table
                      │
                    report ─ figures, report, predictor
    """
    return assemble(
        "{{ cookiecutter.pipeline_name }}",
        Parameters,
        [
            ingest("etudes.benches.tables.ingest", "table_frame", "data_card"),
            preprocess("etudes.benches.tables.split", *SPLITS),
            train("most_frequent", "model.train_most_frequent"),
            train("nearest_centroid", "model.train_nearest_centroid", group="centroid"),
            evaluate(
                "etudes.benches.classifiers.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
            ),
            draw("etudes.benches.pages.scores", f"{PAGES}.confusion", f"{PAGES}.calibration"),
            page(f"{PAGES}.best_two"),
            predictor("etudes.benches.tables.TablePredictor", split_card=dataset("split_card")),
        ],
    )
