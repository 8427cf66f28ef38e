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
from etudes.pipelines.toxic_comments.parameters import Parameters
from etudes.study import load_study

OTHERS = ("majority", "encoder")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_comments ─ ingest ─ comments_frame, data_card
                          │
                        split ─ train_split, dev_split (rows of train), test_split: folds, with states of the encoder
                          │
        majority   bow   multinomial_nb   tfidf   characters   ...   combination   encoder      train_<variant>
            └───────┴──────────┴────────────┴──┬──────┴─────────────────┴─────────────┘
                                    ┌──────────┴──────────┐
                                evaluate              question
              metrics, predictions, gain_table, ...   vectors_table
                                    └──────────┬──────────┘
                                            report ─ figures, report, predictor
    """
    name = "toxic_comments"
    linear = [variant for variant in load_study(name).variants if variant not in OTHERS]
    return assemble(
        name,
        Parameters,
        [
            ingest("comments.ingest", "comments_frame", "data_card"),
            preprocess("comments.split", *SPLITS),
            train("majority", "model.train_majority"),
            *(train(variant, "model.train", variant=variant) for variant in linear),
            train("encoder", "model.train_encoder", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions"),
                *(f"{table}_table" for table in ("gain", "nested", "scale", "identity", "terms")),
                "inference_resources",
            ),
            evaluate("evaluation.question", "vectors_table"),
            draw(
                *("etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *("etudes.benches.classifier_pages.calibration", "etudes.benches.classifier_pages.confusion"),
                *("report.roc", "report.alarms", "report.by_term", "report.telling"),
            ),
            page("report.settings", "report.mistakes"),
            predictor("predictor.CommentPredictor", classes=dataset("split_card", "classes")),
        ],
    )
