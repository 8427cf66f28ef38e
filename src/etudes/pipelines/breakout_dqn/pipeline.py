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
from etudes.pipelines.breakout_dqn.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environment ─ ingest ─ data_card
                            │
                          split ─ train_split, dev_split, test_split (seeds of episodes), split_card
                            │
        random   follower   dqn   double   dueling   double_dueling   n_step     train_<variant>
            └────────┴───────┴───────┴────────┴────────────┴────────────┘
                                     │
                                   score ─ metrics, predictions, tables, episode_samples
                                     │
                                   report ─ figures, filmstrips, report, predictor
    """
    bench, pages, agents = "etudes.benches.agents", "etudes.benches.agent_pages", "model.train_agents"
    return assemble(
        "breakout_dqn",
        Parameters,
        [
            ingest(f"{bench}.ingest", "data_card"),
            preprocess(f"{bench}.split", *SPLITS),
            train("random", f"{bench}.train_random"),
            train("follower", "model.train_follower"),
            train("dqn", agents, gpu=True),
            train("double", agents, gpu=True, double=True),
            train("dueling", agents, gpu=True, dueling=True),
            train("double_dueling", agents, gpu=True, double=True, dueling=True),
            train("n_step", agents, gpu=True, double=True, dueling=True, several=True),
            evaluate(
                "evaluation.score",
                *("metrics", "predictions", "seeds_table", "thresholds_table", "improvement_table"),
                *("differences_table", "profile_table", "values_table", "episode_samples"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *(f"{pages}.{name}" for name in ("curves", "profile")),
                "report.values",
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.standing", "report.believed"),
                *(f"{pages}.{name}" for name in ("crossings", "speeds", "best_episode", "worst_episode")),
            ),
            report(f"{bench}.choose_predictor", "predictor"),
        ],
    )
