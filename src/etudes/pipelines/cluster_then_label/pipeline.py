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

PAGES = "etudes.benches.classifier_pages"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_table, raw_others ─ ingest ─ table_frame, others_frame, data_card
                                  │
                                split ─ train_split (few labels), dev_split (the labelled rows), test_split, split_card
                                  │
        most_frequent   kmeans_vote   guided   seeded   constrained   nearest_neighbours   logistic   label_spreading
              └──────────────┴───────────┴────────┴──────────┼─────────────────┴──────────────┴─────────────┘
                    ┌────────────────────────────────────────┼──────────────────────┐
                evaluate                                sweep_alpha       compare_measurements
          metrics, predictions,                         alpha_table       measurements_table
          label_curve_table, gain_table                      │                      │
                    └────────────────────────────────────────┼──────────────────────┘
                                                          report ─ figures, report, predictor
    """
    name = "cluster_then_label"
    return assemble(
        name,
        Parameters,
        [
            ingest("rows.ingest", "table_frame", "others_frame", "data_card"),
            preprocess("rows.split", *SPLITS),
            *(train(variant, "model.train", variant=variant) for variant in load_study(name).variants),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "label_curve_table", "gain_table", "inference_resources"),
            ),
            evaluate("evaluation.sweep_alpha", "alpha_table"),
            evaluate("evaluation.compare_measurements", "measurements_table"),
            draw(
                *(f"{PAGES}.scores", "report.by_labels", "report.objective", "report.map_of_test"),
                *("report.alpha", f"{PAGES}.confusion"),
                against_kmeans="report.gains",
                against_logistic=set_to("report.gains", against="logistic"),
                against_spreading=set_to("report.gains", against="label_spreading"),
                clusters=set_to("report.alpha", of="ari"),
            ),
            page("report.answer", "report.where", "report.two_or_all", "report.chosen"),
            predictor("etudes.benches.tables.TablePredictor", split_card=dataset("split_card")),
        ],
    )
