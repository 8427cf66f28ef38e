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
from etudes.pipelines.gan_digits import report
from etudes.pipelines.gan_digits.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                                           split ─ train_split, dev_split, test_split, split_card
                                             │
                        judge ─── class_pixels   gan   vae      train_<name>
                                        └─────────┼─────┘
                     examiner ──────────────── evaluate ─ metrics, samples, tables
                                                  │
                                               report ─ figures, pictures, report, predictor
    """
    return assemble(
        "gan_digits",
        Parameters,
        [
            ingest(files.ingest, "train_images", "test_images", "data_card"),
            preprocess(files.split, *SPLITS),
            train("judge", "judges.train_judge", gpu=True),
            train("examiner", "judges.train_examiner", gpu=True),
            train("class_pixels", "model.train_class_pixels"),
            train("gan", "model.train_gan", gpu=True),
            train("vae", "model.train_vae", gpu=True),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "drawn_samples", "panel_samples"),
                *("references_table", "claim_table", "judges_table"),
            ),
            draw(report.scores, report.labels, report.distance, report.losses, report.answers),
            show(
                pictures.samples,
                pictures.nearest,
                pictures.interpolation,
                failures=set_to(pictures.failures, of="gan"),
                gan=set_to(pictures.by_class, of="gan"),
                vae=set_to(pictures.by_class, of="vae"),
                training_gan=set_to(pictures.panel, name="training_gan"),
                training_vae=set_to(pictures.panel, name="training_vae"),
                hands_gan=set_to(pictures.panel, name="hands_gan"),
                hands_vae=set_to(pictures.panel, name="hands_vae"),
            ),
            page(report.claim, report.sizes, report.last_answers, report.misread),
            predictor("etudes.digits.predictor.DigitPredictor", judge=dataset("judge_model")),
        ],
    )
