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
from etudes.pipelines.anomaly_padim.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_images ─ ingest ─ train_images, test_images, data_card
                        │
                      split ─ train_split, dev_split, test_split, split_card
                        │
        pretrained ─ train_backbone ─ train_statistics ─ train_importance          (support)
                            │               │                  │
        mean_image        padim      pca  random          best   worst             train_<variant>
            └───────────────┴───────────┬──────────────────────┘
                                     evaluate ─ metrics, predictions, maps_samples, tables
                                        │
                                     report ─ figures, pictures, report, predictor
    """
    pages = "etudes.benches.detector_pages"
    tables = ("categories_table", "differences_table", "draws_table", "importance_table")
    return assemble(
        "anomaly_padim",
        Parameters,
        [
            ingest("images.ingest", "train_images", "test_images", "data_card"),
            preprocess("images.split", *SPLITS),
            train("backbone", "backbone.train_backbone", gpu=True),
            train("statistics", "fitting.fit_statistics", gpu=True),
            train("importance", "fitting.measure_importance", gpu=True),
            train("mean_image", "fitting.fit_mean_image"),
            train("padim", "fitting.fit_patches", gpu=True, of="pool"),
            train("pca", "fitting.fit_patches", gpu=True, of="axes"),
            train("random", "fitting.fit_patches", gpu=True, of="random"),
            train("best", "fitting.fit_chosen", gpu=True, best=True),
            train("worst", "fitting.fit_chosen", gpu=True, best=False),
            evaluate(
                *("evaluation.evaluate", "metrics", "predictions", "maps_samples", *tables),
                "inference_resources",
            ),
            draw(
                *("etudes.benches.pages.scores", f"{pages}.roc"),
                *(f"report.{name}" for name in ("curves", "subsets", "importance", "worth")),
                localisation=set_to("etudes.benches.pages.scores", metric="pixel_auroc"),
            ),
            show(f"{pages}.gallery", f"{pages}.failures"),
            page(
                *(f"{pages}.{name}" for name in ("on_half", "on_all", "verdicts")),
                *("report.stages", "report.luck"),
            ),
            predictor(
                "model.AnomalyPredictor", backbone=dataset("backbone_model"), images=dataset("params:images")
            ),
        ],
    )
