"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    draw,
    evaluate,
    ingest,
    page,
    preprocess,
    report,
    set_to,
    show,
    train,
)
from etudes.pipelines.policy_gradients.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environments ─ ingest ─ data_card
                             │
                           split ─ train_split (agents' seeds), dev_split, test_split (episodes' seeds), split_card
                             │
        random  controller  reinforce  reward_to_go  discount  baseline  a2c  ppo    train_<variant>, in each environment
           └────────┴──────────┴───────────┴────────────┴─────────┴───────┴────┘
                                     │
                              score, noise ─ metrics, predictions, tables, episode_samples
                                     │
                                   report ─ figures, filmstrips, report, predictor
    """
    bench, pages = "etudes.benches.several_environments", "etudes.benches.agent_pages"
    return assemble(
        "policy_gradients",
        Parameters,
        [
            ingest(f"{bench}.ingest", "data_card"),
            preprocess(f"{bench}.split", *SPLITS),
            train("random", f"{bench}.train_random"),
            train("controller", "model.train_controller"),
            *(
                train(name, "model.train_policies", method=name)
                for name in ("reinforce", "reward_to_go", "discount", "baseline", "a2c", "ppo")
            ),
            evaluate(
                "evaluation.score",
                *("metrics", "predictions", "seeds_table", "returns_table", "differences_table"),
                *("steps_table", "episode_samples"),
            ),
            evaluate("noise.noise", "noise_table"),
            draw(
                "etudes.benches.pages.scores",
                "report.by_noise",
                curves=f"{pages}.curves_of",
                second_curves=set_to(f"{pages}.curves_of", place=1),
                third_curves=set_to(f"{pages}.curves_of", place=2),
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.ladder", "report.needed", "report.noisy"),
                *(f"{pages}.{name}" for name in ("speeds_of", "best_episode", "worst_episode")),
            ),
            report(f"{bench}.choose_predictor", "predictor"),
        ],
    )
