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
    preprocess,
    report,
    set_to,
    show,
    train,
)
from etudes.pipelines.lunar_lander_bbf.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environment ─ ingest ─ data_card
                            │
                          split ─ train_split, dev_split, test_split (seeds of episodes), split_card
                            │
        random   heuristic   dqn   n_step   discount   resets   bbf          train_<variant>, each with many agents
            └────────┴────────┴───────┴────────┴──────────┴──────┘
                                      │
                                  evaluate ─ metrics, predictions, tables, episode_samples
                                      │
                                    report ─ figures, filmstrips, report, predictor
    """
    pages = "etudes.benches.agent_pages"
    agents, annealing, resets = "model.train_agents", dataset("params:annealing"), dataset("params:resets")
    return assemble(
        "lunar_lander_bbf",
        Parameters,
        [
            ingest("etudes.benches.agents.ingest", "data_card"),
            preprocess("etudes.benches.agents.split", *SPLITS),
            train("random", "etudes.benches.agents.train_random"),
            train("heuristic", "model.train_heuristic"),
            train("dqn", agents),
            train("n_step", agents, horizon=annealing),
            train("discount", agents, discounting=annealing),
            train("resets", agents, resets=resets),
            train("bbf", agents, horizon=annealing, discounting=annealing, resets=resets),
            evaluate(
                "etudes.benches.agent_scores.evaluate",
                *("metrics", "predictions", "seeds_table", "thresholds_table", "improvement_table"),
                *("differences_table", "profile_table", "episode_samples"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *(f"{pages}.{name}" for name in ("curves", "profile", "improvement")),
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.standing", "report.against_dqn", "report.last"),
                *(f"{pages}.{name}" for name in ("crossings", "speeds", "best_episode", "worst_episode")),
            ),
            report("etudes.benches.agents.choose_predictor", "predictor"),
        ],
    )
