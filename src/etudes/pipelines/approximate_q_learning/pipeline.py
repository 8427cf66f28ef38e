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
from etudes.pipelines.approximate_q_learning.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environment ─ ingest ─ data_card
                            │
                          split ─ train_split, dev_split, test_split (seeds of episodes), split_card
                            │
        random   expert   linear_search        players to compare with           train_<variant>, each with many agents
            │       │           │
            │  online  double  target  target_double                learn from the latest step
            │  replay  replay_double  dqn  double_dqn               learn from a memory
            └───────┴───────────┴──────┘
                                │
                              score ─ metrics, predictions, tables, episode_samples
                                │
                              report ─ figures, filmstrips, report, predictor
    """
    bench, pages, agents = "etudes.benches.agents", "etudes.benches.agent_pages", "model.train_agents"
    return assemble(
        "approximate_q_learning",
        Parameters,
        [
            ingest(f"{bench}.ingest", "data_card"),
            preprocess(f"{bench}.split", *SPLITS),
            train("random", f"{bench}.train_random"),
            train("expert", "model.train_expert"),
            train("linear_search", "model.train_search", group="search"),
            train("online", agents),
            train("double", agents, double=True),
            train("target", agents, target=True),
            train("target_double", agents, target=True, double=True),
            train("replay", agents, replay=True),
            train("replay_double", agents, replay=True, double=True),
            train("dqn", agents, replay=True, target=True),
            train("double_dqn", agents, replay=True, target=True, double=True),
            evaluate(
                "evaluation.score",
                *("metrics", "predictions", "seeds_table", "thresholds_table", "improvement_table"),
                *("differences_table", "profile_table", "effects_table", "rates_table", "episode_samples"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *(f"{pages}.{name}" for name in ("curves", "profile", "improvement")),
                *("report.effects", "report.by_rate"),
                stability=set_to("etudes.benches.pages.scores", metric="stable_share"),
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.answer"),
                *(f"{pages}.{name}" for name in ("crossings", "speeds", "best_episode", "worst_episode")),
            ),
            report(f"{bench}.choose_predictor", "predictor"),
        ],
    )
