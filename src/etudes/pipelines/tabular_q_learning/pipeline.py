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
from etudes.pipelines.tabular_q_learning.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environments ─ ingest ─ data_card
                             │
                           split ─ train_split (agents' seeds), dev_split, test_split (episodes' seeds), split_card
                             │
        random   expert   q_learning   sarsa   expected_sarsa   double_q       train_<variant>, in each environment
           └───────┴──────────┴──────────┴───────────┴────────────┘
                                     │
                                   score ─ metrics, predictions, tables, episode_samples
                                     │
                                   report ─ figures, filmstrips, report, predictor
    """
    bench, pages, tables = (
        "etudes.benches.several_environments",
        "etudes.benches.agent_pages",
        "model.train_tables",
    )
    return assemble(
        "tabular_q_learning",
        Parameters,
        [
            ingest(f"{bench}.ingest", "data_card"),
            preprocess(f"{bench}.split", *SPLITS),
            train("random", f"{bench}.train_random"),
            train("expert", "expert.train_expert"),
            *(
                train(name, tables, method=name)
                for name in ("q_learning", "sarsa", "expected_sarsa", "double_q")
            ),
            evaluate(
                "evaluation.score",
                *("metrics", "predictions", "seeds_table", "returns_table", "differences_table"),
                *("arms_table", "values_table", "episode_samples"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *("report.by_exploration", "report.by_states", "report.worth"),
                curves=f"{pages}.curves_of",
                second_curves=set_to(f"{pages}.curves_of", place=1),
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.gaps", "report.needed"),
                *(f"{pages}.{name}" for name in ("speeds_of", "best_episode", "worst_episode")),
            ),
            report(f"{bench}.choose_predictor", "predictor"),
        ],
    )
