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
from etudes.pipelines.mimo_ensemble.parameters import Parameters

PAGES = "etudes.benches.classifier_pages"
TEMPERED = "etudes.benches.uncertain.train_tempered"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_photographs ─ ingest ─ split ─ train_split, dev_split, test_split, split_card
                                             │
        majority      plain     mimo_2  mimo_3  mimo_4   mc_dropout   narrow_ensemble   widths   repetitions
            │      ┌────┴────┐    │    ┌──┴───┐    │         │               │             │          │
            │ temperature ensemble│    │ mimo_temperature    │               │             │          │
            │      │         ├────│────│── ensemble_temperature              │             │          │
            └──────┴─────────┴────┴────┴──────┬────┴─────────┴───────────────┴─────────────┴──────────┘
                                     evaluate, sweeps ─ metrics, predictions, tables
                                              │
                                            report ─ figures, pictures, report, predictor
    """
    swept = {name: dataset(f"{name}_model") for name in ("widths", "repetitions")}
    return assemble(
        "mimo_ensemble",
        Parameters,
        [
            ingest("etudes.vision.photographs.ingest_photographs", "pictures_images", "data_card"),
            preprocess("etudes.vision.photographs.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("plain", "model.train_plain", gpu=True),
            train("temperature", TEMPERED, members=each("model", "plain")),
            *(
                train(f"mimo_{members}", "model.train_mimo", gpu=True, group="mimo", members=members)
                for members in (2, 3, 4)
            ),
            train("mimo_temperature", TEMPERED, members=each("model", "mimo_3")),
            train("mc_dropout", "model.train_dropout", gpu=True),
            train("narrow_ensemble", "model.train_narrow", gpu=True),
            train("ensemble", "model.train_ensemble", gpu=True, members=each("model", "plain")),
            train("ensemble_temperature", TEMPERED, members=each("model", "ensemble")),
            train("widths", "model.train_widths", gpu=True),
            train("repetitions", "model.train_repetitions", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                *("claim_table", "members_table", "cost_table", "corrupted_table", "rejection_table"),
            ),
            evaluate("evaluation.sweeps", "width_table", "gap_table", "repetition_table", **swept),
            draw(
                "etudes.benches.pages.scores",
                set_to("etudes.benches.pages.curves", metric="accuracy"),
                *("report.members", "report.width", "report.cost", "report.corrupted"),
                *("etudes.benches.uncertain_pages.rejection", f"{PAGES}.calibration"),
            ),
            show("report.disagreed"),
            page("etudes.benches.uncertain_pages.claims", f"{PAGES}.best_two", "report.gaps"),
            predictor(
                "etudes.vision.reader.PictureReader",
                side=dataset("split_card", "side"),
                classes=dataset("split_card", "classes"),
            ),
        ],
    )
