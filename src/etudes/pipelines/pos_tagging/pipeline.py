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
from etudes.pipelines.pos_tagging.parameters import Parameters
from etudes.study import load_study

# What is more right, variant against variant: each part, the chain, the network, what surrounds a word.
PAIRS = (
    ("linear", "most_frequent"),
    ("linear_crf", "linear"),
    ("bilstm", "linear_crf"),
    ("bilstm_vectors", "bilstm"),
    ("bilstm_characters", "bilstm_vectors"),
    ("bilstm_crf", "bilstm_characters"),
    ("bilstm_crf", "linear_crf"),
)


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                │
                              split ─ train_split, dev_split (whole documents), test_split, split_card
                                │
        most_frequent   linear   linear_crf   bilstm   bilstm_vectors   bilstm_characters   bilstm_crf     train_<variant>
              └───────────┴──────────┴──────────┴──┬────────┴──────────────────┴────────────────┘
                                       ┌───────────┴───────────┐
                                   evaluate                from_text
                       metrics, predictions, tables        text_table
                                       └───────────┬───────────┘
                                                report ─ figures, report, predictor
    """
    name = "pos_tagging"
    networks = [variant for variant in load_study(name).variants if variant.startswith("bilstm")]
    return assemble(
        name,
        Parameters,
        [
            ingest("etudes.benches.tagging.ingest", "train_frame", "test_frame", "data_card"),
            preprocess("etudes.benches.tagging.split", *SPLITS),
            train("most_frequent", "model.train_most_frequent"),
            train("linear", "model.train_linear", group="linear"),
            train("linear_crf", "model.train_linear", group="linear", chained=True),
            *(train(v, "model.train_network", group="network", variant=v, gpu=True) for v in networks),
            evaluate(
                "etudes.benches.tagging.evaluate",
                *(
                    "metrics",
                    "predictions",
                    "gain_table",
                    "kind_table",
                    "per_tag_table",
                    "inference_resources",
                ),
                pairs=PAIRS,
            ),
            evaluate("plain.from_text", "text_table"),
            draw(
                *("etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *("etudes.benches.classifier_pages.confusion", "report.by_kind"),
                unseen=set_to("etudes.benches.pages.scores", metric="unseen_accuracy"),
                tags="report.by_tag",
            ),
            page("report.parts", "report.mistakes"),
            predictor(
                "predictor.TagPredictor",
                form=dataset("params:form"),
                classes=dataset("split_card", "classes"),
                alphabet=dataset("split_card", "alphabet"),
            ),
        ],
    )
