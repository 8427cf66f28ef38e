"""How data flows through the study."""

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
from etudes.pipelines.mc_dropout.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"
TEMPERED = "etudes.benches.uncertain.train_tempered"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                             split, draw_strangers ─ train_split, dev_split, test_split, strangers_split, split_card
                                             │
        majority        plain               dropout        few      train_<variant>
            │        ┌────┴────┐        ┌──────┴──────┐      │
            │  temperature  ensemble  dropout_   mc_dropout  │
            │        │         │      temperature    │       │
            │        │         │        │      mc_temperature│
            └────────┴─────────┴────┬───┴────────────┴───────┘
                      evaluate, sweeps, rotated ─ metrics, predictions, tables
                                    │
                                  report ─ figures, pictures, report, predictor
    """
    return assemble(
        "mc_dropout",
        Parameters,
        [
            ingest("etudes.digits.files.ingest", "train_images", "test_images", "data_card"),
            preprocess("etudes.digits.files.split", *SPLITS),
            preprocess("pictures.draw_strangers", "strangers_split", parameters=dataset("params:strangers")),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("plain", "model.train_plain", gpu=True),
            train("temperature", TEMPERED, members=each("model", "plain")),
            train("dropout", "model.train_swept", gpu=True),
            train("dropout_temperature", TEMPERED, members=each("model", "dropout")),
            train("mc_dropout", "model.train_passes", members=each("model", "dropout")),
            train("mc_temperature", TEMPERED, members=each("model", "mc_dropout")),
            train("ensemble", "model.train_ensemble", members=each("model", "plain"), gpu=True),
            train("few", "model.train_few", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *("claim_table", "passes_table", "strangers_table", "surest_table", "rejection_table"),
            ),
            evaluate("evaluation.sweeps", "sweep_table", few=dataset("few_model")),
            evaluate("evaluation.rotated", "rotated_table", "spread_table"),
            draw(
                "etudes.benches.pages.scores",
                set_to("etudes.benches.pages.curves", metric="accuracy"),
                *("report.passes", "report.sweep", "report.few_pictures", "report.rotated", "report.spread"),
                *("etudes.benches.uncertain_pages.rejection", f"{PAGES}.calibration"),
            ),
            show("pictures.surest_letters", "pictures.turned_one"),
            page("etudes.benches.uncertain_pages.claims", f"{PAGES}.best_two", "report.rates"),
            predictor("etudes.digits.reader.DigitReader", side=dataset("split_card", "side")),
        ],
    )
