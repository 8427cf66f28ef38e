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
from etudes.pipelines.carlini_wagner.parameters import Parameters
from etudes.study import load_study


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_photographs ─ ingest ─ split ─ train_split, dev_split, test_split       raw_images ─ ingest ─ split_photos
                                             │                                                              │
                          pretrained ─ networks                                      pretrained ─ photo_networks
                                             │                                                              │
        noise  fgm  pgd  deepfool  carlini_wagner  carlini_wagner_8bit     train_<name>: settings by dev    │
          └─────┴────┴──────┴────────────┴──────────────────┴───────────┬───────────────────────────────────┘
                                                                    evaluate ─ metrics, predictions, tables, samples
                                                                        │
                                                                     report ─ figures, images, report, predictor
    """
    names = ("curve", "rounding", "equal_norm", "gains", "confidence", "targets", "photos", "networks")
    photos = ("photos_split", "photos_networks_split", "photos_split_card")
    return assemble(
        "carlini_wagner",
        Parameters,
        [
            ingest("etudes.vision.photographs.ingest_photographs", "pictures_images", "data_card"),
            ingest("etudes.vision.named_photos.ingest", "photos_images", "photos_data_card"),
            preprocess("pictures.split", *SPLITS),
            preprocess("pictures.split_photos", *photos),
            train("networks", "etudes.vision.victims.train", gpu=True, networks_split=dataset("train_split")),
            train(
                "photo_networks",
                "etudes.vision.victims.train",
                gpu=True,
                networks_split=dataset("photos_networks_split"),
                split_card=dataset("photos_split_card"),
            ),
            *(
                train(name, "model.train", gpu=True, variant=name)
                for name in load_study("carlini_wagner").variants
            ),
            evaluate(
                "evaluation.evaluate",
                "metrics",
                "predictions",
                *(f"{name}_table" for name in names),
                "photos_samples",
                "inference_resources",
            ),
            draw("etudes.benches.pages.scores", "report.curve", "report.confidence", "report.rounding"),
            show("report.panels", "report.failures"),
            page(
                *("etudes.benches.attack_pages.answer", "etudes.benches.attack_pages.chosen"),
                "etudes.benches.boards.best_on_dev",
            ),
            predictor(
                "model.NearestPredictor",
                networks=dataset("photo_networks_model"),
                names=dataset("photos_split_card", "names"),
                size=dataset("photos_split_card", "size"),
                crop=dataset("photos_split_card", "crop"),
            ),
        ],
    )
