"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
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
from etudes.pipelines.self_training.parameters import Parameters
from etudes.study import load_study

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card      raw_leaves ─ ingest_leaves ─ leaves_images
                                             │                                                                     │
                                       split_digits ─ train_split (few labels), views_split, dev, test       see_leaves ─ leaves_split
                                             │                                                                     │
        most_frequent … label_spreading   supervised   augmented   most_confident … consistency                    │
                        └─────────────────────┴─────────────┴────────────┴─────────── evaluate ────────────────────┘
                                                                                         │
                                                                     metrics, predictions, tables ─ figures, report, predictor
    """
    name = "self_training"
    return assemble(
        name,
        Parameters,
        [
            ingest("etudes.digits.files.ingest", "train_images", "test_images", "data_card"),
            ingest("pictures.ingest_leaves", "leaves_images", "leaves_data_card"),
            preprocess(
                "pictures.split_digits", "train_split", "views_split", "dev_split", "test_split", "split_card"
            ),
            preprocess("pictures.see_leaves", "leaves_split", "leaves_split_card"),
            *(train(variant, "model.train", variant=variant) for variant in load_study(name).variants),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "label_curve_table", "gain_table", "rounds_table"),
                *("looks_table", "readings_table", "inference_resources"),
            ),
            draw(
                *("etudes.benches.pages.scores", "report.precision", "report.gains", "report.by_labels"),
                *("report.looks", f"{PAGES}.confusion", f"{PAGES}.calibration"),
                coverage=set_to("report.precision", of="coverage"),
                leaves_precision=set_to("report.precision", data="leaves"),
                leaves_gains=set_to("report.gains", data="leaves"),
            ),
            page("report.answer", "report.what_looks_say"),
            predictor("etudes.digits.reader.DigitReader", side=dataset("split_card", "side")),
        ],
    )
