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
from etudes.pipelines.explainability.parameters import Parameters
from etudes.study import load_study


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_images ─ ingest ─ split ─ train_split, dev_split, test_split
                                         │
                          pretrained ─ networks
                                         │
        random  centre  edges  saliency  smoothgrad  integrated_gradients  grad_cam  occlusion  lime    train_<name>: settings by dev
           └───────┴───────┴──────┴──────────┴──────────┬──────────────────────┴─────────┴───────┘
                        filters_table    seconds_table  evaluate ─ metrics, predictions, tables, samples
                              └───────────────┴─────────┤
                                                     report ─ figures, images, report, predictor
    """
    names = ("gains", "squares", "answers", "sanity", "agreement", "curves")
    return assemble(
        "explainability",
        Parameters,
        [
            ingest("etudes.vision.named_photos.ingest", "photos_images", "data_card"),
            preprocess("etudes.benches.photo_splits.split", *SPLITS),
            train("networks", "etudes.vision.victims.train", gpu=True, networks_split=dataset("train_split")),
            *(
                train(name, "model.choose", gpu=True, variant=name)
                for name in load_study("explainability").variants
            ),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", *(f"{name}_table" for name in names), "photos_samples"),
            ),
            evaluate("evaluation.seconds_table", "seconds_table"),
            evaluate("filters.visualise", "filters_table", "filters_samples"),
            draw(
                *("etudes.benches.pages.scores", "report.sanity", "report.agreement"),
                pointing=set_to("etudes.benches.pages.scores", metric="pointing"),
                deletion=set_to("report.curve", curve="deletion"),
                insertion=set_to("report.curve", curve="insertion"),
                deletion_in_squares=set_to("report.curve", curve="deletion", taken="squares"),
            ),
            show("report.filters", right="report.answers", wrong=set_to("report.answers", right=False)),
            page("report.answer", "etudes.benches.attack_pages.chosen"),
            predictor(
                "model.MapPredictor",
                networks=dataset("networks_model"),
                names=dataset("split_card", "names"),
                size=dataset("split_card", "size"),
                crop=dataset("split_card", "crop"),
            ),
        ],
    )
