"""The embedded air sample: its forms, its spells without a reading, and a ceiling that no forecast is below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.forms.hours import read_days, read_hours
from etudes.samples.air import FAULT, STATION, make_dust, make_weather, raw_file


def test_same_seed_same_bytes_and_parts_differ() -> None:
    first = raw_file("station", 1, 3, 5)
    assert first.content == raw_file("station", 1, 3, 5).content
    assert first.content != raw_file("station", 1, 3, 6).content
    assert first.embedded_sample and first.facts["station_ceiling"]["n"] > 100


def test_the_forms_are_those_of_the_public_files() -> None:
    station, city = raw_file("station", 1, 3, 5), raw_file("city", 2, 3, 5)
    lines = station.content.decode("big5").splitlines()
    assert len(lines) == 1 + 36 * len(STATION) and lines[1].startswith("2014/1/1,豐原,AMB_TEMP,")
    assert any(",RAINFALL,NR" in line for line in lines)
    hours = read_days(station)
    assert len(hours) == 36 * 24 and (hours["PM2.5"] == FAULT).any()
    of_city = read_hours(city)
    assert len(of_city) == 2 * 36 * 24 and of_city["PM2.5"].isna().any()
    assert list(of_city["time"].dt.year.unique()) == [2013, 2014]


@pytest.mark.parametrize("part", ["station", "city"])
def test_the_best_forecast_and_its_variance_are_the_moments_of_the_next_hour(part: str) -> None:
    """One hour from the same past, drawn many times."""
    hours = pd.date_range("2014-01-01", periods=30, freq="h")
    weather = make_weather(hours, part, np.random.default_rng(0))
    ends = []
    for seed in range(3000):
        rng = np.random.default_rng(1)
        noise = rng.normal(size=30)
        noise[-1] = np.random.default_rng([2, seed]).normal()
        dust, best, variance = make_dust(weather, part, Drawn(noise))  # type: ignore[arg-type]
        ends.append(dust[-1])
    assert np.mean(ends) == pytest.approx(best[-1], abs=4 * np.sqrt(variance[-1] / 3000) + 0.01)
    assert np.var(ends) == pytest.approx(variance[-1], rel=0.1)


class Drawn:
    """A generator that gives the numbers it was made with."""

    def __init__(self, noise: np.ndarray) -> None:
        self.noise = noise

    def normal(self, size: int) -> np.ndarray:
        return self.noise[:size]


def test_the_ceiling_lies_below_persistence_and_the_best_forecast_comes_near_it() -> None:
    raw = raw_file("station", 1, 20, 7)
    ceiling, hours = raw.facts["station_ceiling"], read_days(raw)
    apart = hours["PM2.5"].where(hours["PM2.5"] >= 0).diff().loc[hours["time"].dt.month >= 10]
    assert ceiling["realised_rmse"] == pytest.approx(ceiling["rmse"], rel=0.1)
    assert np.sqrt((apart**2).mean()) > 1.1 * ceiling["rmse"]


@pytest.mark.parametrize(("part", "days"), [("town", 3), ("city", 0), ("city", 32)])
def test_what_cannot_be_drawn_is_refused(part: str, days: int) -> None:
    with pytest.raises(ValueError, match="expected one of station, city"):
        raw_file(part, 1, days, 0)
