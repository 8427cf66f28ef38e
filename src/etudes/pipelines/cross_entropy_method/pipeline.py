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
from etudes.pipelines.cross_entropy_method.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environments ─ ingest ─ data_card
                             │
                           split ─ train_split (agents' seeds), dev_split, test_split (episodes' seeds), split_card
                             │
        random   expert   notebook   plain   elite_buffer   noise_floor   same_starts   combined   weights
           │        │         └────────┴──────────┴──────────────┴─────────────┴───────────┴─────────┘
           └────────┴───────────────────────────┐                                                   train_<variant>
                                              score ─ metrics, predictions, tables, episode_samples
                                                │
                                              report ─ figures, filmstrips, report, predictor
    """
    bench, pages, learn = (
        "etudes.benches.several_environments",
        "etudes.benches.agent_pages",
        "model.train",
    )
    return assemble(
        "cross_entropy_method",
        Parameters,
        [
            ingest(f"{bench}.ingest", "data_card"),
            preprocess(f"{bench}.split", *SPLITS),
            train("random", f"{bench}.train_random"),
            train("expert", "model.train_expert"),
            train("notebook", learn, variant="notebook", careful=False),
            train("plain", learn, variant="plain"),
            train("elite_buffer", learn, variant="elite_buffer", memory=True),
            train("noise_floor", learn, variant="noise_floor", floor=True),
            train("same_starts", learn, variant="same_starts", starts=True),
            train("combined", learn, variant="combined", memory=True, floor=True, starts=True),
            train("weights", learn, variant="weights", search=True),
            evaluate(
                "evaluation.score",
                *("metrics", "predictions", "seeds_table", "returns_table", "differences_table"),
                *("needed_table", "exact_table", "rounds_table", "episode_samples"),
            ),
            draw(
                "etudes.benches.pages.scores",
                *("report.by_environment", "report.lost", "report.training"),
                curves=f"{pages}.curves_of",
                second_curves=set_to(f"{pages}.curves_of", place=1),
                third_curves=set_to(f"{pages}.curves_of", place=2),
            ),
            show(filmstrip=f"{pages}.strip", worst=set_to(f"{pages}.strip", episode="worst")),
            page(
                *("report.summary", "report.additions", "report.needed"),
                *(f"{pages}.{name}" for name in ("speeds_of", "best_episode", "worst_episode")),
            ),
            report(f"{bench}.choose_predictor", "predictor"),
        ],
    )
