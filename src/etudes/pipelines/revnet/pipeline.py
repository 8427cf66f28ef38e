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
    show,
    train,
)
from etudes.pipelines.revnet.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                                           split ─ train_split, dev_split, test_split, split_card
                                             │
        majority   neighbours   plain   stored   reversible   convolutional      train_<variant>
            └──────────┴──────────┴───────┼──────────┴──────────────┘
             memory_table ─────────── evaluate ─ metrics, predictions, tables
                   └──────────────────────┤
                                       report ─ figures, pictures, report, predictor
    """
    return assemble(
        "revnet",
        Parameters,
        [
            ingest("etudes.digits.files.ingest", "train_images", "test_images", "data_card"),
            preprocess("etudes.digits.files.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("neighbours", "model.train_neighbours"),
            train("plain", "model.train_dense", kind="plain"),
            train("stored", "model.train_dense", kind="stored"),
            train("reversible", "model.train_dense", kind="reversible"),
            train("convolutional", "model.train_convolutional", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *("claim_table", "exactness_table"),
            ),
            evaluate("evaluation.memory_table", "memory_table"),
            draw(
                *("etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *("report.memory", "report.convolutional_memory", "report.times", "report.exactness"),
                *(f"{PAGES}.confusion", f"{PAGES}.calibration"),
            ),
            show("report.misread"),
            page(f"{PAGES}.best_two", "report.answer", "report.flat"),
            predictor("etudes.digits.reader.DigitReader", side=dataset("split_card", "side")),
        ],
    )
