"""The readers of both forms, what is no reading, and windows that bridge nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.benches.forecasts import of_place
from etudes.benches.hours import cut, latest
from etudes.forms.hours import read_days, read_hours
from etudes.forms.raw import RawFile
from etudes.pipelines.air_quality.hours import ingest, split
from etudes.pipelines.air_quality.parameters import Parameters, SplitParameters
from etudes.samples.air import raw_file
from study_settings import whole_settings

HEADER = "日期,測站,測項," + ",".join(map(str, range(24)))
DAY = [f"2014/1/1,豐原,{name}," + ",".join(["5"] * 24) for name in ("PM2.5", "SO2")]
CITY = "No,year,month,day,hour,pm2.5,TEMP,cbwd\n1,2010,1,1,0,NA,-11,NW\n2,2010,1,1,1,129,-12,cv\n"


def station(*lines: str, encoding: str = "big5") -> RawFile:
    return RawFile("train.csv", "\n".join([HEADER, *lines]).encode(encoding))


def city(text: str) -> RawFile:
    return RawFile("city.csv", text.encode())


@pytest.mark.parametrize("encoding", ["big5", "utf-8"])
def test_no_rain_is_zero_and_both_encodings_are_read(encoding: str) -> None:
    rain = "2014/1/1,豐原,RAINFALL," + ",".join(["NR"] * 23 + ["1.5"])
    hours = read_days(station(*DAY, rain, encoding=encoding))
    assert list(hours.columns) == ["time", "PM2.5", "SO2", "RAINFALL"] and len(hours) == 24
    assert hours["RAINFALL"].tolist() == [0.0] * 23 + [1.5]
    assert hours["time"].iloc[23] == pd.Timestamp("2014-01-01 23:00")


def test_an_empty_field_and_na_are_no_reading_and_calm_is_the_reference() -> None:
    hours = read_hours(city(CITY + "3,2010,1,1,2,,-12,SE\n"))
    assert hours["PM2.5"].isna().tolist() == [True, False, True]
    assert hours[["wind NW", "wind NE", "wind SE"]].to_numpy().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ((DAY[0],), ""),
        ((DAY[0], DAY[0]), "PM2.5 stands a second time"),
        ((DAY[0], DAY[1] + ",1"), "line 3: 28 fields, expected 27"),
        ((DAY[0].replace("5,5", "5,x", 1), DAY[1]), "PM2.5 is 'x', expected a finite number"),
        ((DAY[0].replace("1/1", "13/1"), DAY[1]), "line 2: time data"),
        ((*DAY, DAY[0].replace("1/1", "1/2")), "2014/01/02 has 1 measurements, the first day 2"),
        ((DAY[1],), "no line is of PM2.5"),
        ((*(d.replace("1/1", "1/2") for d in DAY), *DAY), "expected every hour once, in order"),
    ],
)
def test_a_faulty_station_file_is_named_with_its_place(lines: tuple[str, ...], part: str) -> None:
    if not part:
        assert len(read_days(station(*lines))) == 24
        return
    with pytest.raises(ValueError, match=r"train\.csv") as caught:
        read_days(station(*lines))
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (CITY.replace("pm2.5", "dust"), "no column pm2.5"),
        (CITY.replace("129,", "129,1,"), "line 3: 9 fields, expected 8"),
        (CITY.replace("cv", "N"), "cbwd is 'N', expected one of NW, NE, SE, cv"),
        (CITY.replace("-12", "cold"), "TEMP is 'cold'"),
        (CITY.replace("2,2010,1,1,1", "2,2010,1,1,0"), "expected every hour once"),
        (CITY.splitlines()[0], "there are no readings"),
    ],
)
def test_a_faulty_city_file_is_named_with_its_place(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=r"city\.csv") as caught:
        read_hours(city(text))
    assert part in str(caught.value)


def test_bytes_of_no_encoding_are_refused() -> None:
    with pytest.raises(ValueError, match=r"train\.csv: byte 0 is neither UTF-8 nor Big5"):
        read_days(RawFile("train.csv", b"\xff\xfe"))


def counting(hours: int, **changed: Any) -> pd.DataFrame:
    """Hours whose PM2.5 is their own number."""
    time = pd.date_range("2014-01-01", periods=hours, freq="h")
    return pd.DataFrame({"time": time, "PM2.5": np.arange(hours, dtype=float), "SO2": 1.0}).assign(**changed)


@pytest.mark.parametrize("horizon", [1, 6])
def test_a_window_has_its_target_at_the_horizon(horizon: int) -> None:
    windows = cut(counting(30), 9, horizon)
    assert len(windows) == 30 - 9 - horizon + 1
    assert (windows.target - windows.last == horizon).all() and windows.values.shape[1:] == (9, 2)
    assert (windows.hour == windows.last % 24).all()
    assert windows.time[0] == np.datetime64("2014-01-01") + np.timedelta64(8 + horizon, "h")


def test_a_window_never_bridges_a_gap_in_time_or_a_missing_reading() -> None:
    """By brute force: every window that is taken has all its hours one after the other, and none more would have."""
    rng = np.random.default_rng(0)
    hours = counting(200)
    hours.loc[rng.choice(200, 6, replace=False), "SO2"] = np.nan
    hours.loc[rng.choice(200, 4, replace=False), "PM2.5"] = np.nan
    hours = hours.drop(index=rng.choice(200, 5, replace=False)).reset_index(drop=True)
    place = {time: n for n, time in enumerate(hours["time"])}
    expected = []
    for time in hours["time"]:
        needed = [time + pd.Timedelta(hours=h) for h in range(9 + 3)]
        if all(t in place for t in needed):
            seen = hours.iloc[[place[t] for t in needed[:9]]]
            goal = hours.iloc[place[needed[-1]]]
            if seen.notna().all(axis=None) and not np.isnan(goal["PM2.5"]):
                expected.append(goal["time"].to_numpy())
    assert 50 < len(expected) < 150
    np.testing.assert_array_equal(cut(hours, 9, 3).time, np.array(expected, dtype="datetime64[s]"))


def test_fewer_hours_than_a_window_give_none_and_the_latest_need_no_target() -> None:
    assert len(cut(counting(5), 9, 1)) == 0
    found = latest(counting(11)[["PM2.5", "SO2"]], np.arange(11), 9)
    assert found.last.tolist() == [8, 9, 10] and found.hour.tolist() == [8, 9, 10]
    np.testing.assert_array_equal(found.values[0], cut(counting(11), 9, 1).values[0])


@pytest.fixture(scope="module")
def split_up() -> Any:
    settings = whole_settings("air_quality", Parameters)
    frames = ingest(raw_file("station", 1, 4, 7), raw_file("city", 3, 4, 7))
    return frames, split(*frames, settings.split, settings.windows), settings


def test_months_and_years_are_apart_and_below_zero_is_no_reading(split_up: Any) -> None:
    (hours, of_city, card), (train, dev, test, facts), _ = split_up
    months = [set(of_place(part, "station")["time"].dt.month) for part in (train, dev, test)]
    assert months == [{1, 3, 4, 6, 7, 9}, {2, 5, 8}, {10, 11, 12}]
    assert [set(of_place(p, "city")["time"].dt.year) for p in (train, dev, test)] == [{2012}, {2013}, {2014}]
    assert card["station_below_zero"]["PM2.5"] == (hours["PM2.5"] < 0).sum() > 0
    assert not (of_place(train, "station")["PM2.5"] < 0).any()
    assert (of_place(train, "untreated")["PM2.5"] < 0).any()
    assert facts["test_rows"] < facts["untreated_test_windows"]
    whole = {*of_city.columns} - {"time"}
    assert whole <= {*of_place(dev, "city").columns}, "temperatures below 0 stay"
    assert (of_place(train, "city")["DEWP"] < 0).any() == (of_city["DEWP"] < 0).any()


def test_a_part_without_windows_is_refused_with_its_file(split_up: Any) -> None:
    frames, _, settings = split_up
    with pytest.raises(
        ValueError, match=r"city air.*there are 0 windows of 9 hours and one to forecast in test"
    ):
        split(*frames, settings.split.model_copy(update={"city_test": 2020}), settings.windows)
    with pytest.raises(ValueError, match="stands in station_dev and in station_test"):
        SplitParameters(station_dev=(2,), station_test=(2, 3), city_dev=2013, city_test=2014)


@pytest.mark.real_data
def test_the_public_files_are_read() -> None:
    raw = Path(os.environ.get("ETUDES_RAW", ""))
    paths = [raw / "ntu_pm25/train.csv", raw / "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"]
    if not os.environ.get("ETUDES_RAW") or not all(path.exists() for path in paths):
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds ntu_pm25 and beijing_pm25")
    frames = ingest(*(RawFile(str(path), path.read_bytes()) for path in paths))
    assert frames[2]["station_below_zero"]["PM2.5"] == 52 and frames[2]["city_missing"] == 2067
    windows = cut(frames[0], 9, 1)
    month = windows.time.astype("datetime64[M]").astype(int) % 12 + 1
    assert np.bincount(month)[1:].tolist() == [471] * 12 and windows.values.shape[1:] == (9, 18)
