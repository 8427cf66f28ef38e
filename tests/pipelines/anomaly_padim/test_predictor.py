"""The model that answers users: a picture in, a verdict and a heat map out, in any process."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from etudes.forms.raw import RawFolder
from etudes.models import save_model
from etudes.pipelines.anomaly_padim import report
from etudes.pipelines.anomaly_padim.model import AnomalyPredictor
from etudes.serving.predictor import Predictor
from projects import quiet_environment

CARD = {"variant": "padim", "embedded_sample": True, "dev_score": 0.5}


@pytest.fixture(scope="module")
def predictors(fitted: Any) -> dict[str, AnomalyPredictor]:
    images = fitted.settings("images")
    return {
        "padim": AnomalyPredictor(fitted.models["padim"], CARD, backbone=fitted.backbone, images=images),
        "mean_image": AnomalyPredictor(fitted.models["mean_image"], CARD, backbone=None, images=images),
    }


@pytest.fixture(scope="module")
def predictor(predictors: dict[str, AnomalyPredictor]) -> AnomalyPredictor:
    return predictors["padim"]


def picture(folder: RawFolder, name: str = "board/test/misplaced/000.png") -> bytes:
    return folder.read(name).content


def test_scores_are_those_of_the_evaluation(
    predictor: AnomalyPredictor, fitted: Any, evaluated: tuple[Any, ...], folder: RawFolder
) -> None:
    known = evaluated[1][evaluated[1]["variant"] == "padim"].set_index("id")
    chosen = [*known.index[known["category"] == "board"][:3], *known.index[known["category"] == "fabric"][:3]]
    frame = pd.DataFrame(
        {
            "image": [picture(folder, f"{name}.png") for name in chosen],
            "category": [name.partition("/")[0] for name in chosen],
        }
    )
    answer = predictor.predict(frame)
    np.testing.assert_allclose(answer["score"], known.loc[chosen, "score"], rtol=1e-4)
    assert answer["anomalous"].tolist() == known.loc[chosen, "anomalous"].tolist()


def test_an_answer_has_a_heat_map_of_the_pictures_size(
    predictor: AnomalyPredictor, folder: RawFolder
) -> None:
    answer = predictor.predict(pd.DataFrame({"image": [picture(folder)], "category": ["board"]})).iloc[0]
    assert set(answer.index) == {"category", "score", "threshold", "anomalous", "heat_map"}
    heat = Image.open(io.BytesIO(base64.b64decode(answer["heat_map"])))
    assert heat.size == (64, 64)


def test_without_a_category_the_most_similar_one_is_taken(
    predictors: dict[str, AnomalyPredictor], folder: RawFolder
) -> None:
    names = ["board/test/good/001.png", "fabric/test/good/001.png"]
    images = [base64.b64encode(picture(folder, name)).decode() for name in names]
    for predictor in predictors.values():
        for frame in (
            pd.DataFrame({"image": images}),
            pd.DataFrame({"image": images, "category": ["", None]}),
        ):
            assert predictor.predict(frame)["category"].tolist() == ["board", "fabric"]


def test_an_unknown_category_or_no_picture_is_refused_with_its_row(
    predictor: AnomalyPredictor, folder: RawFolder
) -> None:
    image = picture(folder)
    with pytest.raises(
        ValueError, match="category in row 1 is 'bottle'; expected one of fabric, board, or nothing"
    ):
        predictor.predict(pd.DataFrame({"image": [image, image], "category": ["board", "bottle"]}))
    with pytest.raises(ValueError, match="image in row 0: no picture can be read"):
        predictor.predict(pd.DataFrame({"image": [image[:500]]}))
    with pytest.raises(ValueError, match="the column image must be there"):
        predictor.predict(pd.DataFrame({"picture": [image]}))


def test_a_path_and_json_are_understood(
    predictor: AnomalyPredictor, folder: RawFolder, tmp_path: Path
) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(picture(folder))
    plain = predictor.parse(str(path))
    named = predictor.parse(json.dumps({"image": str(path), "category": "board"}))
    assert plain.columns.tolist() == ["image"] and named["category"].tolist() == ["board"]
    said = predictor.describe(predictor.predict(named))
    assert said.startswith(("anomalous: score", "normal: score")) and "(category board)" in said
    with pytest.raises(ValueError, match="there is no column 'picture'"):
        predictor.parse('{"picture": "x.png"}')
    with pytest.raises(ValueError, match=r"nothing\.png: no such file"):
        predictor.parse(str(tmp_path / "nothing.png"))


def test_the_example_is_answered(predictors: dict[str, AnomalyPredictor]) -> None:
    for predictor in predictors.values():
        assert isinstance(predictor, Predictor)
        assert len(predictor.predict(predictor.example())) == 1


def test_the_variant_with_the_best_dev_score_is_chosen(fitted: Any) -> None:
    inputs: dict[str, Any] = dict(fitted.models)
    for name in fitted.models:
        inputs[f"{name}_history"] = {"dev": {"image_auroc": 0.9 if name == "pca" else 0.5}}
    made = report.choose_predictor(
        fitted.data_card, fitted.card, fitted.backbone, fitted.settings("images"), **inputs
    )
    assert made.card["variant"] == "pca" and made.card["dev_score"] == 0.9 and made.card["embedded_sample"]
    assert made.card["dev_fingerprint"] == fitted.card["dev_fingerprint"]
    assert made.backbone is not None
    inputs["mean_image_history"] = {"dev": {"image_auroc": 0.95}}
    plain = report.choose_predictor(
        fitted.data_card, fitted.card, fitted.backbone, fitted.settings("images"), **inputs
    )
    assert plain.card["variant"] == "mean_image" and plain.backbone is None


@pytest.mark.slow
def test_answers_are_equal_in_a_fresh_process(
    predictors: dict[str, AnomalyPredictor], folder: RawFolder, tmp_path: Path
) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(picture(folder))
    for name, predictor in predictors.items():
        save_model(predictor, tmp_path / name)
    code = (
        "import json, sys; from pathlib import Path; from etudes.models import load_model\n"
        "found = {}\n"
        "for name in sys.argv[2:]:\n"
        "    predictor = load_model(Path(name))\n"
        "    row = predictor.predict(predictor.parse(sys.argv[1])).iloc[0]\n"
        "    found[name] = [row['category'], row['score'], row['heat_map'], predictor.card]\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), *predictors],
        cwd=tmp_path,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout.splitlines()[-1])
    for name, predictor in predictors.items():
        row = predictor.predict(predictor.parse(str(path))).iloc[0]
        category, score, heat_map, card = there[name]
        assert (category, heat_map, card) == (row["category"], row["heat_map"], CARD)
        assert score == pytest.approx(row["score"], rel=1e-5)
