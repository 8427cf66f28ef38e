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
    train,
)
from etudes.pipelines.cluster_then_label.parameters import Parameters
from etudes.study import load_study

PAGES, LABELS = "etudes.benches.classifier_pages", "etudes.benches.few_label_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_table, raw_others ─ ingest ─ table_frame, others_frame, data_card
                                  │
                                split ─ train_split (few labels), dev_split (the labelled rows), test_split, split_card
                                  │
        most_frequent   kmeans_vote   guided   seeded   constrained   nearest_neighbours   logistic   label_spreading
              └──────────────┴───────────┴────────┴──────────┼─────────────────┴──────────────┴─────────────┘
                                                         evaluate ─ metrics, predictions, tables
                                                             │
                                                          report ─ figures, report, predictor
    """
    name = "cluster_then_label"
    return assemble(
        name,
        Parameters,
        [
            ingest("rows.ingest", "table_frame", "others_frame", "data_card"),
            preprocess("etudes.benches.few_labels.split", *SPLITS),
            *(train(variant, "model.train", variant=variant) for variant in load_study(name).variants),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "label_curve_table", "gain_table", "alpha_table"),
                *("measurements_table", "inference_resources"),
            ),
            draw(
                *("etudes.benches.pages.scores", f"{LABELS}.by_labels", "report.objective", "report.alpha"),
                *(f"{PAGES}.map_of_rows", f"{PAGES}.confusion"),
                clusters=set_to("report.alpha", of="ari"),
                against_kmeans=set_to(f"{LABELS}.gains", against="kmeans_vote"),
                against_logistic=set_to(f"{LABELS}.gains", against="logistic"),
                against_spreading=set_to(f"{LABELS}.gains", against="label_spreading"),
            ),
            page(f"{LABELS}.answer", f"{LABELS}.where", f"{LABELS}.chosen", "report.two_or_all"),
            predictor("etudes.benches.tables.TablePredictor", split_card=dataset("split_card")),
        ],
    )
