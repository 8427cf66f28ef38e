"""The probe and the fine-tuned encoder: what is stored, and that it comes back the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etudes.models import save_model
from etudes.pipelines.genre_classification.parameters import Parameters
from etudes.text import classifiers as module
from etudes.text.classifiers import EncoderClassifier, EncoderProbe
from etudes.text.encoders import EncoderError
from study_settings import run_parameters, settings_of
from toy_films import toy_films

settings = settings_of("genre_classification", Parameters)
CARD = {"classes": ["crime", "sport", "food"]}


def plots(frame: pd.DataFrame) -> list[str]:
    """The texts of a frame."""
    return list(frame["plot"])


class Probe(EncoderProbe):
    """Of plots alone."""

    registered_name = "scratch.probe"
    texts_of = staticmethod(plots)


class Tuned(EncoderClassifier):
    """Of plots alone."""

    registered_name = "scratch.tuned"
    texts_of = staticmethod(plots)


@pytest.fixture(scope="module")
def probe() -> EncoderProbe:
    parameters = settings("encoder_probe", max_length=24, layers=[3, -1])
    return Probe.train(toy_films(60, seed=0), toy_films(15, seed=1), CARD, parameters, run_parameters())[0]


@pytest.fixture(scope="module")
def tuned() -> EncoderClassifier:
    parameters = settings(
        "encoder",
        max_length=16,
        trainable_layers=1,
        head_learning_rate=0.02,
        fit={"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "patience": 2},
    )
    return Tuned.train(toy_films(48, seed=0), toy_films(15, seed=1), CARD, parameters, run_parameters())[0]


def test_the_probe_learns_a_toy_task(probe: EncoderProbe) -> None:
    test = toy_films(30, seed=2)
    assert (probe.predict_proba(test).argmax(1) == test["label"]).mean() >= 0.9


def test_the_probe_tells_two_classes_apart() -> None:
    train, dev = toy_films(40, seed=0, classes=2), toy_films(20, seed=1, classes=2)
    card, parameters = {"classes": ["crime", "sport"]}, settings("encoder_probe")
    probe, _ = Probe.train(train, dev, card, parameters, run_parameters())
    assert (probe.predict_proba(dev).argmax(1) == dev["label"]).mean() >= 0.9


def test_probe_scores_equal_scikit_learn_by_hand(probe: EncoderProbe) -> None:
    from scipy.special import softmax
    from sklearn.linear_model import LogisticRegression

    train, dev = toy_films(60, seed=0), toy_films(15, seed=1)
    vectors = probe.embed(train, "cpu")
    mean, scale = probe.arrays["mean"], probe.arrays["scale"]
    np.testing.assert_allclose(mean, vectors.mean(0), atol=1e-6)
    reference = LogisticRegression(C=probe.parameters.regularisation, max_iter=1000, tol=1e-4)
    # The toy classes are of one size, so that all class weights are 1.
    reference.fit((vectors - mean) / scale, train["label"])
    expected = reference.predict_proba((probe.embed(dev, "cpu") - mean) / scale)
    np.testing.assert_allclose(softmax(probe.scores(dev, "cpu"), axis=1), expected, atol=1e-5)


def test_the_probe_does_not_store_the_encoder(probe: EncoderProbe, tmp_path: Path) -> None:
    save_model(probe, tmp_path / "model")
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 100_000


def test_the_probe_refuses_an_encoder_with_other_weights(
    probe: EncoderProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Probe.from_state(probe.state())
    monkeypatch.setattr(module, "weights_fingerprint", lambda _: "other")
    for _ in range(2):  # and goes on refusing
        with pytest.raises(
            EncoderError, match=rf"other weights \(other\) .* trained with \({probe.fingerprint}\)"
        ):
            again.predict_proba(toy_films(3, seed=0))


def test_the_tuned_encoder_learns_a_toy_task(tuned: EncoderClassifier) -> None:
    test = toy_films(30, seed=2)
    assert (tuned.predict_proba(test).argmax(1) == test["label"]).mean() >= 0.9


def test_only_trained_weights_are_stored(tuned: EncoderClassifier, tmp_path: Path) -> None:
    layer = sum(
        p.numel() for n, p in tuned.network.encoder.named_parameters() if n.startswith("encoder.layer.5.")
    )
    head = 384 * 3 + 3
    save_model(tuned, tmp_path / "model")
    stored = (tmp_path / "model" / "weights.safetensors").stat().st_size
    assert 4 * (layer + head) <= stored < 4 * (layer + head) + 4096  # a header with names and shapes


def test_lower_layers_stay_as_they_were_and_the_upper_one_is_trained(tuned: EncoderClassifier) -> None:
    from etudes.text.encoders import EMBEDDED, load_encoder

    before = load_encoder(EMBEDDED).state_dict()
    changed = {
        name for name, value in tuned.network.encoder.state_dict().items() if not value.equal(before[name])
    }
    assert changed
    assert all(name.startswith("encoder.layer.5.") for name in changed)


def test_the_tuned_encoder_refuses_an_encoder_with_other_weights(
    tuned: EncoderClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tuned.state()
    monkeypatch.setattr(module, "weights_fingerprint", lambda _: "other")
    with pytest.raises(
        EncoderError, match=rf"other weights \(other\) .* fine-tuned from \({tuned.fingerprint}\)"
    ):
        Tuned.from_state(state)


@pytest.mark.parametrize("change", ["one missing", "one too many"])
def test_weights_that_do_not_fit_the_encoder_are_refused(tuned: EncoderClassifier, change: str) -> None:
    state = tuned.state()
    if change == "one missing":
        del state.arrays["output.bias"]
    else:
        state.arrays["encoder.unheard_of"] = np.zeros(3, dtype=np.float32)
    with pytest.raises(EncoderError, match=r"do not fit the encoder.*(output\.bias|unheard_of)"):
        Tuned.from_state(state)
