"""The embedded air sample: hours of weather and fine dust in the forms of two public files, the least error one hour ahead known.

PM2.5 of the next hour, y, follows from readings that the files hold, so that the best forecast of all is known:

    y = max(0, f + s e),   e ~ N(0, 1),   s = s_0 + 0.07 x
    f = x exp(-ventilation - washout) + 0.25 (x - x') + source

x and x' are the last two readings; ventilation, washout and source are functions of the last hour's weather and traffic, as written. No
straight line is f: wind takes away a share of what is there. With m = f / s,

    E y = f Phi(m) + s phi(m),   E y^2 = (f^2 + s^2) Phi(m) + f s phi(m)

The weather is made up and says nothing of any place.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

FloatArray = NDArray[np.float64]
PARTS = ("station", "city")
LAST_YEAR = 2014
STATION = ("AMB_TEMP", "CO", "NO2", "O3", "PM10", "PM2.5", "RAINFALL", "RH", "WIND_SPEED")
SEEN = 9  # hours that a forecast sees, of which the ceiling takes the windows
FAULT = -1.0  # what the station writes where it has no reading


def raw_file(part: str, years: int, days: int, seed: int) -> RawFile:
    """The station as the homework's ``train.csv`` is written (Big5), or the city as UCI's file is; with the ceiling of its test hours.

    Both end with 2014, hold the first ``days`` days of each month, and have spells without a reading: -1 at the station, an empty
    field in the city. The ceiling is of windows of nine hours and the reading after them, all there, in the last three
    months (station) or the last year (city).

    Raises:
        ValueError: an unknown part, no years, or days outside 1..31.
    """
    if part not in PARTS or years < 1 or not 1 <= days <= 31:
        raise ValueError(
            f"part = '{part}', years = {years}, days = {days}; expected one of {', '.join(PARTS)}, 1 year or more, 1 to 31 days"
        )
    rng = np.random.default_rng([seed, PARTS.index(part)])
    hours = pd.date_range(f"{LAST_YEAR - years + 1}-01-01", f"{LAST_YEAR}-12-31 23:00", freq="h")
    weather = make_weather(hours, part, rng)
    dust, best, variance = make_dust(weather, part, rng)
    gone = spells(len(hours), 0.004, rng)
    kept = np.asarray(hours.day <= days)
    tested = (hours.month >= 10) if part == "station" else (hours.year == LAST_YEAR)
    # A window and its target are whole where none of the SEEN + 1 hours is gone or outside of the file.
    whole = pd.Series(kept & ~gone).rolling(SEEN + 1).sum().to_numpy() == SEEN + 1
    facts = {"embedded_sample": True, "source": "embedded sample"}
    facts[f"{part}_ceiling"] = _ceiling(dust, best, variance, whole & np.asarray(tested))
    # Coarse dust follows fine dust and says nothing more of it.
    coarse = np.round(dust + 6 + 4 * np.abs(rng.normal(size=len(dust))), 1)
    frame = weather.assign(**{"PM2.5": dust, "PM10": coarse})[kept]
    write = _station if part == "station" else _city
    text = write(frame, gone[kept])
    name = f"embedded sample of {part} air, {years} years of {days} days a month (seed {seed})"
    return RawFile(name, text.encode("big5" if part == "station" else "utf-8"), facts)


def make_weather(hours: pd.DatetimeIndex, part: str, rng: np.random.Generator) -> pd.DataFrame:
    """Readings other than PM2.5, rounded as they are written: columns of `STATION`, or DEWP, TEMP, PRES, cbwd, Iws, Is, Ir."""
    n, hour = len(hours), hours.hour.to_numpy()
    winter = np.cos(2 * np.pi * (hours.day_of_year.to_numpy() - 15) / 365)
    day = np.cos(2 * np.pi * (hour - 15) / 24)
    temperature = 15 - 11 * winter + 4 * day + 3 * _ar(n, 0.98, rng)
    calm = _ar(n, 0.93, rng)
    speed = np.exp(0.7 - 0.5 * calm + 0.25 * day)
    rain = np.where(_ar(n, 0.95, rng) > 1.6, rng.exponential(1.5, n) + 0.1, 0.0)
    humidity = np.clip(65 - 8 * day + 12 * _ar(n, 0.96, rng) + 15 * (rain > 0), 15, 100)
    if part == "city":
        north = _ar(n, 0.96, rng)
        wind = np.select([speed < 1.2, north > 0.3, north > 0], ["cv", "NW", "NE"], "SE")
        turned = np.r_[True, wind[1:] != wind[:-1]]
        run = np.cumsum(speed) - np.maximum.accumulate(np.where(turned, np.cumsum(speed) - speed, 0.0))
        wet = np.where(rain > 0, 1, 0)
        frame = {"DEWP": temperature - (100 - humidity) / 5, "TEMP": temperature, "PRES": 1016 + 8 * winter}
        frame |= {"PRES": frame["PRES"] + 4 * _ar(n, 0.98, rng), "Iws": np.round(run, 2)}
        return pd.DataFrame(
            {name: np.round(value) if name != "Iws" else value for name, value in frame.items()}
            | {"cbwd": wind, "Is": wet * (temperature < 1), "Ir": wet * (temperature >= 1)},
            index=hours,
        )
    rush = np.exp(-((hour - 8) ** 2) / 4) + np.exp(-((hour - 18) ** 2) / 6)
    traffic = np.clip(0.3 + 0.25 * rush + 0.12 * _ar(n, 0.9, rng), 0.05, None)
    frame = {
        "AMB_TEMP": np.round(temperature, 1),
        "CO": np.round(traffic, 2),
        "NO2": np.round(22 * traffic + rng.normal(0, 1.2, n).clip(-2, None) + 3, 1),
        "O3": np.round(np.clip(30 + 12 * day - 25 * traffic + 4 * rng.normal(size=n), 0, None), 1),
        "RAINFALL": np.round(rain, 1),
        "RH": np.round(humidity),
        "WIND_SPEED": np.round(speed, 1),
    }
    return pd.DataFrame(frame, index=hours)


def make_dust(
    weather: pd.DataFrame, part: str, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """PM2.5 (N,) in ug/m3, the best forecast of each hour from the hours before it, and the variance that this one leaves.

    Values are those of the formulas in the module's docstring; readings are rounded to a tenth, which adds a variance of 0.0008.
    """
    from scipy.special import ndtr

    if part == "station":
        ventilation = 0.07 * weather["WIND_SPEED"].to_numpy()
        washout = 0.25 * (weather["RAINFALL"].to_numpy() > 0)
        source, least = 9.0 * weather["CO"].to_numpy(), 1.5
    else:
        north = weather["cbwd"].isin(["NW", "NE"]).to_numpy()
        ventilation = 0.04 + 0.3 * north * (1 - np.exp(-weather["Iws"].to_numpy() / 30))
        washout = 0.15 * (weather["Ir"].to_numpy() + weather["Is"].to_numpy() > 0)
        source, least = np.where(weather["cbwd"] == "cv", 20.0, 9.0), 4.0
    keep, noise = np.exp(-ventilation - washout), rng.normal(size=len(weather))
    dust, best, variance = np.empty((3, len(weather)))
    dust[0] = best[0] = 20.0
    variance[0] = 0.0
    for t in range(len(weather) - 1):
        x, before = dust[t], dust[max(t - 1, 0)]
        f = x * keep[t] + 0.25 * (x - before) + source[t]
        s = least + 0.07 * x
        m = f / s
        inside, density = ndtr(m), np.exp(-m * m / 2) / np.sqrt(2 * np.pi)
        best[t + 1] = f * inside + s * density
        variance[t + 1] = (f * f + s * s) * inside + f * s * density - best[t + 1] ** 2
        dust[t + 1] = round(max(0.0, f + s * noise[t + 1]), 1)
    return dust, best, variance


def spells(n: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which hours (N,) have no reading: spells of five hours in the mean begin at this share of all hours."""
    gone = np.zeros(n, dtype=bool)
    for begin in np.flatnonzero(rng.random(n) < share):
        gone[begin : begin + rng.geometric(0.2)] = True
    return gone


def _ceiling(dust: FloatArray, best: FloatArray, variance: FloatArray, rows: NDArray) -> dict[str, float]:
    """``rmse``, the root of the mean variance that the best forecast leaves; ``realised_rmse``, what it has on these hours; ``n``."""
    if not rows.any():
        return {}
    return {
        "n": float(rows.sum()),
        "rmse": float(np.sqrt(variance[rows].mean())),
        "realised_rmse": float(np.sqrt(np.square(dust[rows] - best[rows]).mean())),
    }


def _ar(n: int, stay: float, rng: np.random.Generator) -> FloatArray:
    """x_t = stay x_{t-1} + sqrt(1 - stay^2) e_t (N,), of variance one."""
    from scipy.signal import lfilter

    noise = rng.normal(size=n) * np.r_[1.0, np.full(n - 1, np.sqrt(1 - stay**2))]
    found: FloatArray = lfilter([1.0], [1.0, -stay], noise)
    return found


def _station(frame: pd.DataFrame, gone: NDArray[np.bool_]) -> str:
    dust = frame["PM2.5"].to_numpy()
    written = frame.assign(**{"PM2.5": np.where(gone, FAULT, dust)})
    lines = ["日期,測站,測項," + ",".join(map(str, range(24)))]
    for day, rows in written.groupby(pd.DatetimeIndex(written.index).strftime("%Y/%-m/%-d"), sort=False):
        for name in STATION:
            values = [f"{value:g}" for value in rows[name]]
            if name == "RAINFALL":
                values = ["NR" if value == "0" else value for value in values]
            lines.append(f"{day},豐原,{name},{','.join(values)}")
    return "\n".join(lines) + "\n"


def _city(frame: pd.DataFrame, gone: NDArray[np.bool_]) -> str:
    time = pd.DatetimeIndex(frame.index)
    clock = {"No": np.arange(1, len(frame) + 1), "year": time.year, "month": time.month, "day": time.day}
    dust = np.where(gone, np.nan, frame["PM2.5"])
    names = ["DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir"]
    table = pd.DataFrame(
        {**clock, "hour": time.hour, "pm2.5": dust, **{n: frame[n].to_numpy() for n in names}}
    )
    return table.to_csv(index=False, lineterminator="\n")
