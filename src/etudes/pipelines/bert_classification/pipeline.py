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
from etudes.pipelines.bert_classification.parameters import Parameters

LINEAR = ("tfidf", "words_and_characters", "probe_first", "probe_mean")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                 │
                               split ─ train_split, dev_split, test_split: sentences with states of the frozen encoder
                                 │
        majority   tfidf   words_and_characters   probe_first   probe_mean   lora   fine_tuned      train_<variant>
            └────────┴──────────────┴──────────┬───────┴────────────┴─────────┴─────────┘
                                           evaluate
                              metrics, predictions, gain_table, weights_table
                                               │
                                        learning_curve ─ curve_table, pooling_table
                                               │
                                            report ─ figures, report, predictor
    """
    return assemble(
        "bert_classification",
        Parameters,
        [
            ingest("sentences.ingest", "train_frame", "test_frame", "data_card"),
            preprocess("sentences.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            *(train(variant, "model.fit_linear", variant=variant) for variant in LINEAR),
            train("lora", "model.tune_encoder", gpu=True),
            train("fine_tuned", "model.tune_encoder", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "gain_table", "weights_table"),
                *("comparison_card", "inference_resources"),
            ),
            evaluate("curve.learning_curve", "curve_table", "pooling_table"),
            draw(
                *("report.curve", "etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *("etudes.benches.classifier_pages.calibration", "etudes.benches.classifier_pages.confusion"),
            ),
            page("etudes.benches.classifier_pages.best_two", "report.settings", "report.mistakes"),
            predictor(
                "predictor.ReviewPredictor",
                classes=dataset("split_card", "classes"),
                letters=dataset("split_card", "letters"),
            ),
        ],
    )
