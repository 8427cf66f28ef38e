"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.meta_learning import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "meta_learning"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_characters ─ ingest ─ drawings_images, data_card
                            │
                          split (by alphabet) ─ train_split, dev_split, test_split, split_card
                            │
        random   pretrained   reptile   maml_first_order   anil   maml   train_<variant>
           └─────────┴───────────┼───────────┴────────────┴──────┘    (sinusoids: drawn where they are needed)
                       choose_rates (dev) ─ many_ways_history
                                 │
                              evaluate ─ metrics, predictions, tables, episode_samples
                                 │
                               report ─ figures, episode_image, report, predictor
    """
    variants = load_study(STUDY).variants
    families = ["params:sinusoids", "params:characters"]
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {f"{variant}_history": f"{variant}_history" for variant in variants}
    figures = {f"{name}_figure": f"{name}_figure" for name in report.FIGURES}
    trained = [
        train_node(
            variant,
            getattr(nodes, f"train_{variant}"),
            ["train_split", "dev_split", "split_card", *families, f"params:{variant}", "params:run"],
            tags=["gpu"],
        )
        for variant in variants
        if variant != "random"
    ]
    return study_pipeline(
        STUDY,
        [
            stage_node(
                "ingest",
                nodes.ingest,
                ["raw_characters", "params:characters"],
                ["drawings_images", "data_card"],
            ),
            stage_node(
                "preprocess",
                nodes.split,
                ["drawings_images", "params:split", *families, "params:run"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            train_node(
                "random",
                nodes.train_random,
                ["train_split", "dev_split", *families, "params:random", "params:run"],
                tags=["gpu"],
            ),
            *trained,
            stage_node(
                "evaluate",
                nodes.choose_rates,
                {
                    "dev_split": "dev_split",
                    "split_card": "split_card",
                    "characters": "params:characters",
                    "parameters": "params:evaluation",
                    **models,
                },
                "many_ways_history",
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "test_split": "test_split",
                    "many_ways_history": "many_ways_history",
                    "sinusoids": "params:sinusoids",
                    "characters": "params:characters",
                    "parameters": "params:evaluation",
                    **models,
                },
                [
                    "metrics",
                    "predictions",
                    "steps_table",
                    "alphabets_table",
                    "differences_table",
                    "curves_table",
                    "episode_samples",
                    "inference_resources",
                ],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "steps_table": "steps_table",
                    "curves_table": "curves_table",
                    **histories,
                },
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.draw_episodes,
                {"episode_samples": "episode_samples", "metrics": "metrics"},
                "episode_image",
                name="draw_episodes",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "many_ways_history": "many_ways_history",
                    "alphabets_table": "alphabets_table",
                    "differences_table": "differences_table",
                    "inference": "inference_resources",
                    "episode_image": "episode_image",
                    "sinusoids": "params:sinusoids",
                    "characters": "params:characters",
                    **figures,
                    **histories,
                    **{f"{variant}_resources": f"{variant}_resources" for variant in variants},
                },
                "report",
                name="write_report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {"data_card": "data_card", "split_card": "split_card", **models, **histories},
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
