"""From raw files to hours: the two forms of hourly readings, what is no reading, and the splits.

An hour is a row: ``time``, and a column for each measurement, NaN where there is no reading. Units are those of the files:
PM2.5 and PM10 in ug/m3, gases in ppm or ppb, temperatures in degrees Celsius.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.forms.files import read_text
from etudes.forms.raw import RawFile
from etudes.pipelines.air_quality.parameters import SplitParameters, WindowParameters
from etudes.pipelines.air_quality.windows import CITY, PLACES, STATION, TARGET, UNTREATED, cut, of_place

Frame = pd.DataFrame
NO_RAIN = "NR"
BELOW_ZERO = ("AMB_TEMP", "TEMP", "DEWP")  # measurements that may be below 0
CLOCK = ("year", "month", "day", "hour")
WINDS = (
    "NW",
    "NE",
    "SE",
    "cv",
)  # directions in the column cbwd; the last, calm and variable, is the reference
SHOWN = 5


def read_station(raw: RawFile) -> Frame:
    """Hours of a file with a line for each day and measurement: date, station, measurement, 24 readings; NR is no rain.

    Raises:
        ValueError: an encoding that is neither UTF-8 nor Big5, another header, a line with another number of fields, a reading
            that is no number, a day that lacks a measurement or has one twice, days out of order, no PM2.5.
    """
    form = "a header, then lines of date, station, measurement and the readings of hours 0 to 23"
    header, *lines = _rows(raw, _utf8(raw), form)
    if len(header) != 27 or header[3:] != [str(hour) for hour in range(24)]:
        raise ValueError(
            f"{raw.name}: the first line has {len(header)} fields, expected date, station, measurement, 0, ..., 23"
        )
    days: dict[datetime, dict[str, list[float]]] = {}
    problems = []
    for number, fields in enumerate(lines, start=2):
        try:
            if len(fields) != 27:
                raise ValueError(f"{len(fields)} fields, expected 27")
            day, name = datetime.strptime(fields[0], "%Y/%m/%d"), fields[2]
            if name in days.setdefault(day, {}):
                raise ValueError(
                    f"{name} stands a second time on {fields[0]}; one station a file is expected"
                )
            days[day][name] = [0.0 if v == NO_RAIN else _number(name, v) for v in fields[3:]]
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    names = list(next(iter(days.values()), {}))
    problems += [
        f"{day:%Y/%m/%d} has {len(found)} measurements, the first day {len(names)}"
        for day, found in days.items()
        if {*found} != {*names}
    ]
    _refuse(raw, problems, form)
    _check_names(raw, names)
    times = [np.datetime64(day, "h") + hour for day in days for hour in range(24)]
    values = {name: np.concatenate([found[name] for found in days.values()]) for name in names}
    return _in_order(raw, pd.DataFrame({"time": np.array(times, dtype="datetime64[s]"), **values}))


def read_city(raw: RawFile) -> Frame:
    """Hours of a file with a line for each hour: No, year, month, day, hour, pm2.5, measurements, and the wind's direction cbwd.

    An empty field or ``NA`` is no reading. Of the direction there is a column of 0 and 1 for each of `WINDS` but the last.

    Raises:
        ValueError: a wrong encoding or header, a line with another number of fields, a reading that is no number, a direction
            that is none, hours out of order or twice.
    """
    form = "a header with year, month, day, hour, pm2.5 and further measurements, then a line for each hour"
    header, *lines = _rows(raw, raw, form)
    if missing := [name for name in (*CLOCK, "pm2.5") if name not in header]:
        raise ValueError(f"{raw.name}: the first line has no column {', '.join(missing)}; expected {form}")
    names = [name for name in header if name not in (*CLOCK, "No", "cbwd")]
    times, values, problems = [], [], []
    for number, fields in enumerate(lines, start=2):
        try:
            if len(fields) != len(header):
                raise ValueError(f"{len(fields)} fields, expected {len(header)}")
            row = dict(zip(header, fields, strict=True))
            times.append(datetime(*(int(row[name]) for name in CLOCK)))
            readings = [math.nan if row[n] in ("", "NA") else _number(n, row[n]) for n in names]
            wind = row.get("cbwd", WINDS[-1])
            if wind not in WINDS:
                raise ValueError(f"cbwd is {wind[:20]!r}, expected one of {', '.join(WINDS)}")
            values.append([*readings, *(float(wind == name) for name in WINDS[:-1])])
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    _refuse(raw, problems, form)
    columns = [TARGET if name == "pm2.5" else name for name in names] + [f"wind {w}" for w in WINDS[:-1]]
    frame = pd.DataFrame(values, columns=columns)
    if "cbwd" not in header:
        frame = frame.drop(columns=[f"wind {w}" for w in WINDS[:-1]])
    frame.insert(0, "time", np.array(times, dtype="datetime64[s]"))
    return _in_order(raw, frame)


def ingest(raw_station: RawFile, raw_city: RawFile) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check both files, and count what is no reading: fields that are empty, and readings below 0 of what cannot be.

    Raises:
        ValueError: as `read_station` and `read_city`.
    """
    station, city = read_station(raw_station), read_city(raw_city)
    counts: dict[str, Any] = {}
    for place, frame in ((STATION, station), (CITY, city)):
        step = np.diff(frame["time"].to_numpy()) > np.timedelta64(1, "h")
        counts |= {f"{place}_hours": len(frame), f"{place}_gaps_in_time": int(step.sum())}
        below = {name: int((frame[name] < 0).sum()) for name in _positive(frame)}
        counts[f"{place}_below_zero"] = {name: count for name, count in below.items() if count}
        counts[f"{place}_missing"] = int(frame[TARGET].isna().sum())
    return station, city, data_card([raw_station, raw_city], **counts)


def split(
    station_frame: Frame,
    city_frame: Frame,
    data_card: dict[str, Any],
    split: SplitParameters,
    windows: WindowParameters,
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Hours of train, dev and test, each of all `PLACES` below each other; a column that a place lacks is empty there.

    Readings below 0 of what cannot be below 0 are no readings; the place `UNTREATED` is the station with the file's own values.
    Nothing is filled in: `windows.cut` takes no window with a reading that is not there, or that reaches over a gap.

    Raises:
        ValueError: a part without a window; the message names the file.
    """
    months, years = station_frame["time"].dt.month, city_frame["time"].dt.year
    station_part = np.select(
        [months.isin(split.station_test), months.isin(split.station_dev)], ["test", "dev"], "train"
    )
    city_part = np.select(
        [years == split.city_test, years == split.city_dev, years > split.city_test],
        ["test", "dev", "left out"],
        "train",
    )
    frames = {
        STATION: (_treated(station_frame), station_part),
        UNTREATED: (station_frame, station_part),
        CITY: (_treated(city_frame), city_part),
    }
    parts = {
        part: pd.concat(
            [rows[of == part].assign(place=place) for place, (rows, of) in frames.items()], ignore_index=True
        )
        for part in ("train", "dev", "test")
    }
    counts: dict[str, Any] = {}
    first = windows.horizons[0]
    for place in PLACES:
        file = data_card["files"][place == CITY]
        for part, rows in parts.items():
            if lost := {*of_place(parts["train"], place)} ^ {*of_place(rows, place)}:
                raise ValueError(
                    f"{file}: there is no reading of {sorted(lost)[0]} in train or in {part}; leave it out"
                )
            whole = len(cut(of_place(rows, place), windows.hours, first))
            if whole < 2:
                raise ValueError(
                    f"{file}: there are {whole} windows of {windows.hours} hours and one to forecast in {part}; expected two "
                    "or more. Get the whole file, or choose other months and years in the group `split`"
                )
            key = f"{part}_rows" if place == STATION else f"{place}_{part}_windows"
            counts[key] = whole
    station = of_place(parts["train"], STATION)
    names = [name for name in station if name != "time"]
    card = {
        "unit": "windows",
        **counts,
        "measurements": names,
        "train_medians": [float(station[name].median()) for name in names],
        "dev_fingerprint": fingerprint(parts["dev"]),
    }
    return parts["train"], parts["dev"], parts["test"], card


def _treated(frame: Frame) -> Frame:
    names = _positive(frame)
    return frame.assign(**{name: frame[name].where(~(frame[name] < 0)) for name in names})


def _positive(frame: Frame) -> list[str]:
    return [name for name in frame if name not in ("time", *BELOW_ZERO)]


def _utf8(raw: RawFile) -> RawFile:
    """The file in UTF-8: as it is, or from Big5, in which the public one is written."""
    try:
        raw.content.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return replace(raw, content=raw.content.decode("big5").encode())
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{raw.name}: byte {error.start} is neither UTF-8 nor Big5; get the file again, or save it as UTF-8"
            ) from error
    return raw


def _rows(raw: RawFile, readable: RawFile, form: str) -> Iterator[list[str]]:
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(read_text(readable))) if row]
    if len(rows) < 2:
        raise ValueError(f"{raw.name}: there are no readings in it; expected {form}")
    return iter(rows)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text[:20]!r}, expected a finite number")
    return value


def _refuse(raw: RawFile, problems: list[str], form: str) -> None:
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        shown = "\n  ".join(problems[:SHOWN])
        raise ValueError(
            f"{raw.name}: {len(problems)} lines or days cannot be read. Expected {form}.\n  {shown}{more}\n"
            "Mend them, or get the file again."
        )


def _check_names(raw: RawFile, names: list[str]) -> None:
    if TARGET not in names:
        raise ValueError(f"{raw.name}: no line is of {TARGET}, found {', '.join(names)}")


def _in_order(raw: RawFile, frame: Frame) -> Frame:
    times = frame["time"].to_numpy()
    wrong = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "h"))
    if len(wrong):
        raise ValueError(
            f"{raw.name}: {times[wrong[0] + 1]} stands after {times[wrong[0]]}; expected every hour once, in order"
        )
    return frame
