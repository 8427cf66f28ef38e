"""Hourly readings of air in the two forms that public files have: a line for each day and measurement, or for each hour.

An hour becomes a row: ``time``, and a column for each measurement, NaN where there is no reading. Units are those of the files.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from etudes.forms.files import problem_lines, read_text
from etudes.forms.raw import RawFile

Frame = pd.DataFrame
TARGET = "PM2.5"  # ug/m3; what every file must hold
BELOW_ZERO = ("AMB_TEMP", "TEMP", "DEWP")  # measurements that may be below 0
NO_RAIN = "NR"
CLOCK = ("year", "month", "day", "hour")
WINDS = (
    "NW",
    "NE",
    "SE",
    "cv",
)  # directions in the column cbwd; the last, calm and variable, is the reference


def read_days(raw: RawFile) -> Frame:
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
    if TARGET not in names:
        raise ValueError(f"{raw.name}: no line is of {TARGET}, found {', '.join(names)}")
    times = [np.datetime64(day, "h") + hour for day in days for hour in range(24)]
    values = {name: np.concatenate([found[name] for found in days.values()]) for name in names}
    return _in_order(raw, pd.DataFrame({"time": np.array(times, dtype="datetime64[s]"), **values}))


def read_hours(raw: RawFile) -> Frame:
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
            year, month, day, hour = (int(row[name]) for name in CLOCK)
            times.append(datetime(year, month, day, hour))
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
        raise ValueError(
            f"{raw.name}: {len(problems)} lines or days cannot be read. Expected {form}.{problem_lines(problems)}\n"
            "Mend them, or get the file again."
        )


def _in_order(raw: RawFile, frame: Frame) -> Frame:
    times = frame["time"].to_numpy()
    wrong = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "h"))
    if len(wrong):
        raise ValueError(
            f"{raw.name}: {times[wrong[0] + 1]} stands after {times[wrong[0]]}; expected every hour once, in order"
        )
    return frame
