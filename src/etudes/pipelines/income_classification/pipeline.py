"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    draw,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    set_to,
    train,
)
from etudes.pipelines.income_classification.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                 │
                               split ─ train_split, dev_split, test_split, split_card
                                 │
             majority   naive_bayes   gaussian   logistic   boosting        train_<variant>
                 └───────────┴────────────┼──────────┴──────────┘
                          ┌───────────────┴───────────────┐
                      evaluate                  compare_on_little_data
             metrics, predictions, tables       learning_curve_table, verdict_table
                          └───────────────┬───────────────┘
                                       report ─ figures, report, predictor
    """
    return assemble(
        "income_classification",
        Parameters,
        [
            ingest("people.ingest", "train_frame", "test_frame", "data_card"),
            preprocess("people.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            *(
                train(name, "classifiers.train_generative", method=name)
                for name in ("naive_bayes", "gaussian")
            ),
            train("logistic", "classifiers.train_logistic"),
            train("boosting", "boosting.train_boosting"),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "group_table", "gap_table", "effect_table"),
                *("comparison_card", "inference_resources"),
            ),
            evaluate(
                "evaluation.compare_on_little_data",
                *("learning_curve_table", "advantage_table", "verdict_table"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *(f"report.{name}" for name in ("descent", "stages", "effects", "roc", "calibration")),
                curve_accuracy="report.curve_of",
                curve_log_loss=set_to("report.curve_of", metric="log_loss"),
                gain_accuracy=set_to("report.curve_of", kind="advantage"),
                gain_log_loss=set_to("report.curve_of", kind="advantage", metric="log_loss"),
            ),
            page("report.best_two", "report.rates", "report.gaps", "report.mistakes"),
            predictor("model.IncomePredictor"),
        ],
    )
