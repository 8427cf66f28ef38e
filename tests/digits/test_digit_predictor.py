"""A user asks for a digit and gets a picture of it; what is no digit is refused."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

from digit_toys import crisp_splits, fit_settings, run_settings
from etudes.digits.judge import DigitJudge
from etudes.digits.parameters import ConvolutionalVAEParameters, JudgeParameters
from etudes.digits.predictor import DigitPredictor
from etudes.digits.vae import ConvolutionalDigitVAE
from etudes.forms.pictures import read_picture
from etudes.forms.raw import RawFile

CARD = {"variant": "conditional", "embedded_sample": True, "dev_score": -50.0}


class AnyDigit:
    """Draws training pictures, whatever digit is asked for."""

    conditional = False
    registered_name = "any"

    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        pixels = crisp_splits()[0]["pixels"]
        return np.asarray(pixels[np.random.default_rng(seed).integers(0, len(pixels), len(labels))])


@pytest.fixture(scope="module")
def told() -> DigitPredictor:
    train, dev, _ = crisp_splits()
    judge_settings = JudgeParameters(width=4, features=8, dropout=0.0, shift=0, fit=fit_settings(epochs=12))
    vae_settings = ConvolutionalVAEParameters(
        latent=3, width=4, hidden=32, beta=1.0, fit=fit_settings(epochs=15, learning_rate=0.01)
    )
    judge = DigitJudge.fit(train, dev, judge_settings, run_settings())[0]
    model = ConvolutionalDigitVAE.fit("toy", train, dev, vae_settings, run_settings(), conditional=True)[0]
    return DigitPredictor(model, CARD, judge=judge)


@pytest.fixture(scope="module")
def untold(told: DigitPredictor) -> DigitPredictor:
    return DigitPredictor(AnyDigit(), CARD, judge=told.judge)


def test_every_row_gets_a_picture(told: DigitPredictor) -> None:
    answer = told.predict(pd.DataFrame({"label": [3, 5], "seed": [0, 0]}))
    assert answer["label"].tolist() == [3, 5]
    picture = read_picture(RawFile("a", base64.b64decode(answer["image"][0])))
    assert picture.shape == (8, 8, 3) and answer["confidence"].between(0, 1).all()


def test_the_seed_decides_the_picture(told: DigitPredictor) -> None:
    answer = told.predict(pd.DataFrame({"label": [3, 3, 3], "seed": [1, 1, 2]}))
    assert answer["image"][0] == answer["image"][1] != answer["image"][2]
    rows = told.predict(pd.DataFrame({"label": [3, 3]}))
    assert rows["image"][0] != rows["image"][1]


def test_a_generator_without_labels_is_asked_until_the_judge_reads_the_digit(untold: DigitPredictor) -> None:
    answer = untold.predict(pd.DataFrame({"label": [0, 1, 7], "seed": [0, 0, 0]}))
    assert answer["judged"].tolist() == answer["label"].tolist() == [0, 1, 7]


@pytest.mark.parametrize("label", [None, float("nan"), "", " "])
def test_no_label_is_any_digit(told: DigitPredictor, untold: DigitPredictor, label: object) -> None:
    frame = pd.DataFrame({"label": pd.Series([label] * 8, dtype=object), "seed": range(8)})
    assert told.predict(frame)["label"].nunique() > 2
    answer = untold.predict(frame)
    assert (answer["label"] == answer["judged"]).all()


@pytest.mark.parametrize("label", [10, -1, 2.5, "seven", "77"])
def test_what_is_no_digit_is_refused(told: DigitPredictor, label: object) -> None:
    with pytest.raises(ValueError, match=r"label in row 0 is .* a whole number from 0 to 9"):
        told.predict(pd.DataFrame({"label": [label]}))


@pytest.mark.parametrize("seed", [-1, 0.5, "x", True])
def test_what_is_no_seed_is_refused(told: DigitPredictor, seed: object) -> None:
    with pytest.raises(ValueError, match="seed in row 0"):
        told.predict(pd.DataFrame({"label": [1], "seed": pd.Series([seed], dtype=object)}))


@pytest.mark.parametrize("text", ["7", " 7 ", '{"seed": 7}', '{"seed": "7", "label": null}'])
def test_a_seed_on_the_command_line_asks_for_ten_of_each_digit(told: DigitPredictor, text: str) -> None:
    question = told.parse(text)
    assert question["label"].tolist() == [digit for digit in range(10) for _ in range(10)]
    assert question.equals(told.parse("7")) and question["seed"].nunique() == 100


def test_a_label_asks_for_the_same_ten_pictures_alone(told: DigitPredictor) -> None:
    alone = told.parse('{"seed": 7, "label": 3}')
    assert alone.equals(told.parse("7")[30:40].reset_index(drop=True))
    answer = told.predict(alone)
    assert "10 pictures, 10 in a row" in told.describe(answer) and "as the digit asked for" in told.describe(
        answer
    )
    sheet = read_picture(RawFile("sheet", told.draw(answer)))[:, :, 0]
    scale = sheet.shape[0] // 8
    assert sheet.shape == (8 * scale, (10 * 9 - 1) * scale)
    first = read_picture(RawFile("a", base64.b64decode(answer["image"][0])))[:, :, 0]
    assert np.array_equal(sheet[::scale, ::scale][:, :8], first)


def test_a_generator_without_labels_is_asked_for_any_digit(untold: DigitPredictor) -> None:
    question = untold.parse("7")
    assert len(question) == 100 and question["label"].isna().all()
    answer = untold.predict(question.head(10))
    counts = answer["judged"].value_counts()
    assert all(f"{counts[digit]} as {digit}" in untold.describe(answer) for digit in counts.index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"label": 7', "looks like JSON but is not"),
        ('{"digit": 7}', "there is no column 'digit'"),
        ("", "the seed is ''"),
        ("-1", "the seed is '-1'; expected a whole number"),
        ("1e400", "the seed is '1e400'"),
        ('{"label": 10}', "expected a whole number from 0 to 9"),
    ],
)
def test_broken_wishes_are_refused(told: DigitPredictor, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        told.parse(text)
