"""Four nodes and one training for each variant."""

from kedro.pipeline import Pipeline

from etudes.study import load_study, stage_node, study_pipeline, train_node

from . import nodes

STUDY = "bench_trivial"


def create_pipeline() -> Pipeline:
    """ingest - split - train_v00 ... - evaluate - write_report."""
    variants = load_study(STUDY).variants
    models = {variant: f"{variant}_model" for variant in variants}
    return study_pipeline(
        STUDY,
        [
            stage_node("ingest", nodes.ingest, ["params:data"], "data_card"),
            stage_node("preprocess", nodes.split, ["data_card"], "split_card"),
            *(train_node(variant, nodes.train, ["split_card"]) for variant in variants),
            stage_node("evaluate", nodes.evaluate, {"split_card": "split_card", **models}, "metrics"),
            stage_node("report", nodes.write_report, ["metrics"], "report"),
        ],
    )
