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
from etudes.pipelines.air_quality.parameters import Parameters

PAGES = "etudes.benches.regressor_pages"
SCHEMES = ("history", "all", "quadratic")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_station, raw_city ─ ingest ─ station_frame, city_frame, data_card
                                  │
                                split ─ train_split, dev_split, test_split (hours of all places), split_card
                                  │
        persistence   ols   descent_history, descent_all, descent_quadratic   ridge   boosting     train_<variant>
              └────────┴───────────────┬─────────────────────────────────────────┴───────┘
                           ┌───────────┴───────────┐
                       evaluate                question
             metrics, predictions, tables    flattered_table, few_table
                           └───────────┬───────────┘
                                    report ─ figures, report, predictor
    """
    return assemble(
        "air_quality",
        Parameters,
        [
            ingest("hours.ingest", "station_frame", "city_frame", "data_card"),
            preprocess("hours.split", *SPLITS),
            train("persistence", "model.train_persistence"),
            train("ols", "model.train_ols"),
            *(train(f"descent_{scheme}", "model.train_descent", scheme=scheme) for scheme in SCHEMES),
            train("ridge", "model.train_ridge"),
            train("boosting", "model.train_boosting"),
            evaluate(
                "evaluation.evaluate",
                "metrics",
                "predictions",
                *(f"{n}_table" for n in ("error", "saved", "descent")),
            ),
            evaluate("evaluation.question", "flattered_table", "few_table"),
            draw(
                "etudes.benches.pages.scores",
                *(f"report.{name}" for name in ("descents", "when", "hour_by_hour")),
                by_horizon=set_to(f"{PAGES}.by_horizon", place="station"),
                by_horizon_city=set_to(f"{PAGES}.by_horizon", place="city"),
                bias=set_to("report.when", of="bias"),
                few=f"{PAGES}.by_size",
            ),
            page("report.no_readings", f"{PAGES}.claims", "report.settings"),
            predictor("etudes.benches.hour_predictor.HoursPredictor", split_card=dataset("split_card")),
        ],
    )
