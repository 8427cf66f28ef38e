"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import assemble, draw, evaluate, ingest, page, preprocess, report, set_to, show, train
from etudes.pipelines.adversarial_strip.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_images ─ ingest ─ photos_images, data_card
                        │
                      split ─ train_split, dev_split, test_split, networks_split, split_card
                        │
        pretrained ─ networks                                                 train_networks
                        │
        black  random  natural  cross_entropy  margin  related  sweep  transfer      train_<name>
          └───────┴───────┴───────────┴───────────┴───────┴───────┴────────┤
                                                                       evaluate ─ metrics, predictions, tables
                                                                           │
                                                                        report ─ figures, images, report, predictor
    """
    tables = (f"{name}_table" for name in ("heights", "transfer", "robustness", "groups", "networks"))
    return assemble(
        "adversarial_strip",
        Parameters,
        [
            ingest("etudes.vision.named_photos.ingest", "photos_images", "data_card"),
            preprocess(
                "photos.split", *("train_split", "dev_split", "test_split", "networks_split", "split_card")
            ),
            train("networks", "etudes.vision.victims.train", gpu=True),
            *(train(name, "model.train_drawn", name=name) for name in ("black", "random", "natural")),
            train("cross_entropy", "model.train_learned", gpu=True, loss="cross_entropy"),
            train("margin", "model.train_learned", gpu=True, loss="margin"),
            train("related", "model.train_learned", gpu=True, related=True),
            *(train(name, "model.train_several", gpu=True) for name in ("sweep", "transfer")),
            evaluate("evaluation.evaluate", "metrics", "predictions", *tables, "inference_resources"),
            draw("etudes.benches.pages.scores", "report.iterations", "report.heights", "report.transfer"),
            show("report.strips", "report.gallery", failures=set_to("report.gallery", failures=True)),
            page("evaluation.best_on_dev", "report.failing_variant"),
            report("report.choose_predictor", "predictor"),
        ],
    )
