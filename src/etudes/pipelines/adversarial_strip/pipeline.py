"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.adversarial_strip import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, support_node, train_node

STUDY = "adversarial_strip"
LEARNED = ("cross_entropy", "margin", "related")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_images ─ ingest ─ photos_images, data_card
                        │
                      split ─ train_split, dev_split, test_split, networks_split, split_card
                        │
        pretrained ─ networks                                                 train_networks
                        │
        black  random  natural  cross_entropy  margin  related  sweep  transfer      train_<variant>
          └───────┴───────┴───────────┴───────────┴───────┴───────┴────────┤
                                                                       evaluate ─ metrics, predictions, tables
                                                                           │
                                                                        report ─ figures, images, report, predictor
    """
    study = load_study(STUDY)
    models = {variant: f"{variant}_model" for variant in study.variants}
    histories = {f"{variant}_history": f"{variant}_history" for variant in study.variants}
    tables = ("heights", "transfer", "robustness", "groups", "networks")
    scored = ["dev_split", "split_card", "networks_model"]
    learning = ["train_split", *scored, "params:attack", "params:run"]
    return study_pipeline(
        STUDY,
        [
            stage_node(
                "ingest", nodes.ingest, ["raw_images", "params:photos"], ["photos_images", "data_card"]
            ),
            stage_node(
                "preprocess",
                nodes.split,
                ["photos_images", "params:split"],
                ["train_split", "dev_split", "test_split", "networks_split", "split_card"],
            ),
            support_node(
                "networks",
                nodes.train_networks,
                ["networks_split", "split_card", "pretrained", "params:networks", "params:run"],
                tags=["gpu"],
            ),
            train_node("black", nodes.train_black, [*scored, "params:attack", "params:run"]),
            train_node("random", nodes.train_random, [*scored, "params:attack", "params:run"]),
            train_node(
                "natural",
                nodes.train_natural,
                ["networks_split", *scored, "params:attack", "params:run"],
            ),
            *(train_node(name, getattr(nodes, f"train_{name}"), learning, tags=["gpu"]) for name in LEARNED),
            support_node(
                "sweep",
                nodes.train_sweep,
                ["train_split", *scored, "params:sweep", "params:run"],
                tags=["gpu"],
            ),
            support_node(
                "transfer",
                nodes.train_transfer,
                ["train_split", *scored, "params:attack", "params:transfer", "params:run"],
                tags=["gpu"],
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "train_split": "train_split",
                    "test_split": "test_split",
                    "split_card": "split_card",
                    "networks_model": "networks_model",
                    "sweep_model": "sweep_model",
                    "transfer_model": "transfer_model",
                    "attack": "params:attack",
                    "parameters": "params:evaluation",
                    "run": "params:run",
                    **models,
                    **histories,
                },
                ["metrics", "predictions", *(f"{name}_table" for name in tables), "inference_resources"],
                tags=["gpu"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "heights_table": "heights_table",
                    "transfer_table": "transfer_table",
                    **histories,
                },
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.paint,
                {
                    "test_split": "test_split",
                    "predictions": "predictions",
                    "sweep_model": "sweep_model",
                    "parameters": "params:evaluation",
                    **models,
                    **histories,
                },
                [f"{name}_image" for name in report.IMAGES],
                name="paint",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "inference": "inference_resources",
                    "parameters": "params:evaluation",
                    **{f"{name}_table": f"{name}_table" for name in tables},
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{f"{name}_image": f"{name}_image" for name in report.IMAGES},
                    **histories,
                    **{
                        f"{name}_resources": f"{name}_resources" for name in (*study.variants, *study.support)
                    },
                    **{f"{name}_history": f"{name}_history" for name in study.support},
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
                    "networks_model": "networks_model",
                    "photos": "params:photos",
                    **models,
                    **histories,
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
