"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.vae import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, support_node, train_node

STUDY = "vae"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                                           split ─ train_split, dev_split, test_split, split_card
                                             │
        judge   pixels   mlp   convolutional   conditional   manifold   sweep      train_<name>
          │        └───────┴─────────┴──────┬───────┴────────────┘        │
          └──────────────────────────── evaluate                      explore ─ panels, tables
                                            │ metrics, samples, tables    │
                                            └─────────── report ──────────┘
                                                           └ figures, pictures, report, predictor

        raw_photographs ─ ingest ─ split ─ train_photographs ─ evaluate ─ table, pictures ─ report
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split"]
    photographs = ["photographs_train_split", "photographs_dev_split"]
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {variant: f"{variant}_history" for variant in variants}
    raw = ["raw_train_images", "raw_train_labels", "raw_test_images", "raw_test_labels"]
    scored = {
        "train_split": "train_split",
        "test_split": "test_split",
        "parameters": "params:evaluation",
        "run": "params:run",
        **models,
    }
    return study_pipeline(
        STUDY,
        [
            stage_node("ingest", nodes.ingest, raw, ["train_images", "test_images", "data_card"]),
            stage_node(
                "preprocess",
                nodes.split,
                ["train_images", "test_images", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            stage_node(
                "ingest",
                nodes.ingest_photographs,
                ["raw_photographs"],
                ["photographs_images", "photographs_data_card"],
            ),
            stage_node(
                "preprocess",
                nodes.split_photographs,
                ["photographs_images", "photographs_data_card", "params:photographs"],
                [*photographs, "photographs_test_split", "photographs_split_card"],
            ),
            support_node("judge", nodes.train_judge, [*splits, "params:judge", "params:run"], tags=["gpu"]),
            train_node("pixels", nodes.train_pixels, splits),
            *(
                train_node(
                    name,
                    getattr(nodes, f"train_{name}"),
                    [*splits, f"params:{name}", "params:run"],
                    tags=["gpu"],
                )
                for name in ("mlp", "convolutional", "conditional", "manifold")
            ),
            support_node("sweep", nodes.train_sweep, [*splits, "params:sweep", "params:run"], tags=["gpu"]),
            support_node(
                "photographs",
                nodes.train_photographs,
                [*photographs, "params:photographs", "params:run"],
                tags=["gpu"],
            ),
            stage_node(
                "evaluate",
                nodes.evaluate_photographs,
                [
                    "photographs_train_split",
                    "photographs_test_split",
                    "photographs_model",
                    "params:photographs",
                    "params:run",
                ],
                ["photographs_table", "photographs_samples"],
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {**scored, "judge_model": "judge_model"},
                ["metrics", "drawn_samples", "references_table", "units_table"],
            ),
            stage_node(
                "evaluate",
                nodes.explore,
                {**scored, "sweep_model": "sweep_model"},
                ["panel_samples", "beta_table", "latent_table", "reconstruction_table"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "units_table": "units_table",
                    "beta_table": "beta_table",
                    "latent_table": "latent_table",
                    **histories,
                },
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.show,
                ["drawn_samples", "panel_samples", "photographs_samples", "test_split"],
                [f"{name}_image" for name in report.IMAGES],
                name="show",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "references_table": "references_table",
                    "beta_table": "beta_table",
                    "reconstruction_table": "reconstruction_table",
                    "photographs_table": "photographs_table",
                    "photographs_split_card": "photographs_split_card",
                    "drawn_samples": "drawn_samples",
                    "parameters": "params:evaluation",
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{f"{name}_image": f"{name}_image" for name in report.IMAGES},
                    **{name: f"{name}_resources" for name in (*variants, "judge", "sweep", "photographs")},
                },
                "report",
                name="write_report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "judge_model": "judge_model",
                    **models,
                    **{f"{variant}_history": history for variant, history in histories.items()},
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
