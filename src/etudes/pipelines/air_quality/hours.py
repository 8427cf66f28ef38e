"""From raw files to splits of hours: what is no reading, and which months and years are for what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.forecasts import of_place
from etudes.benches.hours import cut
from etudes.cards import data_card, fingerprint
from etudes.forms.hours import BELOW_ZERO, TARGET, read_days, read_hours
from etudes.forms.raw import RawFile
from etudes.pipelines.air_quality.parameters import SplitParameters, WindowParameters
from etudes.pipelines.air_quality.windows import CITY, PLACES, STATION, UNTREATED

Frame = pd.DataFrame


def ingest(raw_station: RawFile, raw_city: RawFile) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check both files, and count what is no reading: fields that are empty, and readings below 0 of what cannot be.

    Raises:
        ValueError: as `read_days` and `read_hours`.
    """
    station, city = read_days(raw_station), read_hours(raw_city)
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
            own = of_place(rows, place)
            whole = len(cut(own, windows.hours, first)) if len(own) else 0
            if whole < 2:
                raise ValueError(
                    f"{file}: there are {whole} windows of {windows.hours} hours and one to forecast in {part}; expected two "
                    "or more. Get the whole file, or choose other months and years in the group `split`"
                )
            if lost := {*of_place(parts["train"], place)} ^ {*own}:
                raise ValueError(
                    f"{file}: there is no reading of {sorted(lost)[0]} in train or in {part}; leave it out"
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
    return [str(name) for name in frame if name not in ("time", *BELOW_ZERO)]
