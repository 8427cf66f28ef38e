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
    train,
)
from etudes.pipelines.salary_prediction.parameters import Parameters
from etudes.study import load_study


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_advertisements ─ ingest ─ advertisements_frame, data_card
                                │
                              split ─ train_split, dev_split (rows of train), test_split: folds, near-duplicates together
                                │
        median   ridge   ridge_fields   boosting   combination   network   network_lstm   without_<head>    train_<variant>
           └───────┴──────────┴────────────┴──┬────────┴────────────┴───────────┴──────────────┘
                                  ┌───────────┴───────────┐
                              evaluate                question
                  metrics, predictions, tables        split_table
                                  └───────────┬───────────┘
                                           report ─ figures, report, predictor
    """
    name = "salary_prediction"
    return assemble(
        name,
        Parameters,
        [
            ingest("advertisements.ingest", "advertisements_frame", "data_card"),
            preprocess("advertisements.split", *SPLITS),
            *(
                train(variant, "model.train", variant=variant, gpu=variant.startswith(("network", "without")))
                for variant in load_study(name).variants
            ),
            evaluate("evaluation.evaluate", "metrics", "predictions", "saved_table", "error_table"),
            evaluate("evaluation.question", "split_table"),
            draw(
                "etudes.benches.pages.scores",
                "etudes.benches.pages.curves",
                "report.one_by_one",
                by_category=set_to("report.by", what="category"),
                by_place=set_to("report.by", what="place"),
            ),
            page("etudes.benches.regressor_pages.claims"),
            predictor(
                "predictor.SalaryPredictor",
                coverage=dataset("params:learning", "coverage"),
                vocabulary=dataset("split_card", "words"),
            ),
        ],
    )
