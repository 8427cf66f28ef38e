"""Four nodes and one training for each variant."""

from kedro.pipeline import Pipeline

from etudes.assembly import assemble, evaluate, ingest, preprocess, report, train
from etudes.study import load_study

from . import nodes
from .parameters import Parameters

STUDY = "bench_trivial"


def create_pipeline() -> Pipeline:
    """ingest - split - train_v00 ... - evaluate - write_report."""
    return assemble(
        STUDY,
        Parameters,
        [
            ingest(nodes.ingest, "data_card"),
            preprocess(nodes.split, "split_card"),
            *(train(variant, nodes.train) for variant in load_study(STUDY).variants),
            evaluate(nodes.evaluate, "metrics"),
            report(nodes.write_report, "report"),
        ],
    )
