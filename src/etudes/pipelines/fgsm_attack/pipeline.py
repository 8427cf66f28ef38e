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
from etudes.pipelines.fgsm_attack.parameters import Parameters
from etudes.study import load_study


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_photographs ─ ingest ─ split ─ train_split, dev_split, test_split       raw_images ─ ingest ─ split_photos
                                             │                                                              │
                          pretrained ─ networks ─ hardened                           pretrained ─ photo_networks
                                             │                                                              │
                        noise   fgsm   ifgsm   mifgsm   pgd     train_<name>: settings by dev               │
                          └───────┴───────┴───────┴──────┴──────────────┬───────────────────────────────────┘
                                                                    evaluate ─ metrics, predictions, tables, samples
                                                                        │
                                                                     report ─ figures, images, report, predictor
    """
    names = ("curve", "front", "transfer", "gains", "defences", "targets", "networks")
    tables = (f"{name}_table" for name in names)
    photos = ("photos_split", "photos_networks_split", "photos_split_card")
    return assemble(
        "fgsm_attack",
        Parameters,
        [
            ingest("etudes.vision.photographs.ingest_photographs", "pictures_images", "data_card"),
            ingest("etudes.vision.named_photos.ingest", "photos_images", "photos_data_card"),
            preprocess("etudes.benches.attack_splits.split", *SPLITS),
            preprocess("etudes.benches.attack_splits.split_photos", *photos),
            train("networks", "etudes.vision.victims.train", gpu=True, networks_split=dataset("train_split")),
            train(
                "photo_networks",
                "etudes.vision.victims.train",
                gpu=True,
                networks_split=dataset("photos_networks_split"),
                split_card=dataset("photos_split_card"),
            ),
            train("hardened", "hardening.harden", gpu=True),
            *(
                train(name, "model.train", gpu=True, variant=name)
                for name in load_study("fgsm_attack").variants
            ),
            evaluate(
                "evaluation.evaluate",
                "metrics",
                "predictions",
                *tables,
                "photos_samples",
                "inference_resources",
            ),
            draw(
                *(
                    "etudes.benches.pages.scores",
                    "etudes.benches.attack_pages.curve",
                    "report.front",
                    "report.transfer",
                    "report.defences",
                ),
                photo_curve=set_to("etudes.benches.attack_pages.curve", data="photos"),
            ),
            show("report.panels", "report.failures"),
            page(
                *("etudes.benches.attack_pages.answer", "etudes.benches.attack_pages.chosen"),
                "etudes.benches.boards.best_on_dev",
            ),
            predictor(
                "model.GradientPredictor",
                networks=dataset("photo_networks_model"),
                names=dataset("photos_split_card", "names"),
                size=dataset("photos_split_card", "size"),
                crop=dataset("photos_split_card", "crop"),
            ),
        ],
    )
