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
    show,
    train,
)
from etudes.digits import files, pictures
from etudes.pipelines.vae.parameters import Parameters
from etudes.vision import photographs


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                                           split ─ train_split, dev_split, test_split, split_card
                                             │
         judge ─┬─ pixels   mlp   convolutional   conditional   manifold   train_<name>      sweep
                │     └───────┴──────────┼─────────────┴───────────┘                           │
                └───────────────────── evaluate                    explore ────────────────────┘
                       metrics, drawn_samples, tables       panel_samples, tables
                                         └───────────────┬───────────┘
                                                      report ─ figures, pictures, report, predictor

        raw_photographs ─ ingest_photographs ─ split_photographs ─ train_photographs ─ evaluate_photographs ─ table, pictures
    """
    of_photographs = ("train_split", "dev_split", "test_split", "split_card")
    return assemble(
        "vae",
        Parameters,
        [
            ingest(files.ingest, "train_images", "test_images", "data_card"),
            ingest(photographs.ingest_photographs, "photographs_images", "photographs_data_card"),
            preprocess(files.split, *SPLITS),
            preprocess(photographs.split_photographs, *(f"photographs_{name}" for name in of_photographs)),
            train("judge", "etudes.digits.judge.DigitJudge.fit", gpu=True),
            train("pixels", "model.train_pixels"),
            train("mlp", "model.train_dense", gpu=True, name="mlp"),
            train("convolutional", "model.train_convolutional", gpu=True, name="convolutional"),
            train("conditional", "model.train_convolutional", gpu=True, name="conditional"),
            train("manifold", "model.train_dense", gpu=True, name="manifold"),
            train("sweep", "model.train_sweep", gpu=True),
            train("photographs", "colour.train_photographs", gpu=True),
            evaluate("evaluation.evaluate", "metrics", "drawn_samples", "references_table", "units_table"),
            evaluate(
                "evaluation.explore", "panel_samples", "beta_table", "latent_table", "reconstruction_table"
            ),
            evaluate("evaluation.evaluate_photographs", "photographs_table", "photographs_samples"),
            draw(
                *("etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *("report.rate_distortion", "report.units", "report.codes"),
                latent=set_to("report.codes", of=("manifold",)),
            ),
            show(
                pictures.samples,
                pictures.nearest,
                pictures.interpolation,
                conditional=set_to(pictures.by_class, of="conditional"),
                failures=set_to(pictures.failures, of="conditional"),
                reconstructions=set_to(pictures.panel, name="reconstructions"),
                manifold=set_to(pictures.panel, name="manifold"),
                styles=set_to(pictures.panel, name="styles"),
                training=set_to(pictures.panel, name="training"),
                photographs=set_to(
                    pictures.panel, name="photographs", panel_samples=dataset("photographs_samples")
                ),
            ),
            page("report.parts", "report.votes", "report.misread"),
            predictor("etudes.digits.predictor.DigitPredictor", judge=dataset("judge_model")),
        ],
    )
