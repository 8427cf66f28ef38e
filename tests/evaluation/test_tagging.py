"""Scores of tagged sentences against scikit-learn, and intervals that draw whole sentences."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation.tagging import TaggingSums, tagging_differences, tagging_metrics


def answers(seed: int, sentences: int = 60, tags: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sentence = np.repeat(np.arange(sentences), rng.integers(1, 9, sentences))
    truth = rng.integers(0, tags, len(sentence))
    predicted = np.where(rng.random(len(truth)) < 0.7, truth, rng.integers(0, tags, len(truth)))
    return {
        "truth": truth,
        "predicted": predicted,
        "probability": rng.uniform(0.1, 1, len(truth)),
        "sentence": sentence,
        "unseen": rng.random(len(truth)) < 0.2,
    }


def test_metrics_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    given = answers(0)
    found = {name: v[0] for name, v in TaggingSums.of(**given, tags=4).metrics(np.ones((1, 60))).items()}
    truth, predicted, new = given["truth"], given["predicted"], given["unseen"]
    whole = [np.all((truth == predicted)[given["sentence"] == s]) for s in range(60)]
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(truth, predicted),
            "unseen_accuracy": accuracy_score(truth[new], predicted[new]),
            "sentence_accuracy": np.mean(whole),
            "log_loss": -np.log(given["probability"]).mean(),
            "macro_f1": f1_score(truth, predicted, average="macro"),
        }
    )


def test_weights_are_sentences_drawn_again() -> None:
    given = answers(1, sentences=5)
    weights = np.array([[2.0, 0, 1, 0, 3]])
    rows = np.concatenate([np.flatnonzero(given["sentence"] == s) for s in (0, 0, 2, 4, 4, 4)])
    lengths = [np.sum(given["sentence"] == s) for s in (0, 0, 2, 4, 4, 4)]
    again = {name: part[rows] for name, part in given.items()} | {
        "sentence": np.repeat(np.arange(6), lengths)
    }
    by_weight = TaggingSums.of(**given, tags=4).metrics(weights)
    drawn = TaggingSums.of(**again, tags=4).metrics(np.ones((1, 6)))
    for name, value in drawn.items():
        np.testing.assert_allclose(by_weight[name], value)


def test_words_of_a_sentence_count_as_one_draw() -> None:
    """Copies of one word in a sentence say no more than one: the interval does not shrink with them."""
    one = answers(2, sentences=80)
    copies = {name: np.repeat(part, 10) for name, part in one.items()}
    narrow, wide = (tagging_metrics(TaggingSums.of(**given, tags=4), 400) for given in (one, copies))
    for end in (".low", ".high"):
        assert wide[f"accuracy{end}"] == pytest.approx(narrow[f"accuracy{end}"])


def test_a_difference_is_paired() -> None:
    given = answers(3)
    better = given | {"predicted": np.where(given["sentence"] % 6 == 0, given["truth"], given["predicted"])}
    one, other = (TaggingSums.of(**each, tags=4) for each in (better, given))
    found = tagging_differences(one, other, 400)
    gain = (better["predicted"] == given["truth"]).mean() - (given["predicted"] == given["truth"]).mean()
    assert found["accuracy"] == pytest.approx(gain)
    assert 0 < found["accuracy.low"] < gain < found["accuracy.high"]
    assert tagging_differences(one, one, 100)["accuracy.high"] == 0.0


def test_a_metric_of_nothing_is_left_out() -> None:
    given = answers(4) | {"unseen": np.zeros(len(answers(4)["truth"]), dtype=bool)}
    found = tagging_metrics(TaggingSums.of(**given, tags=4), 100)
    assert "accuracy.low" in found and "unseen_accuracy" not in found


def test_what_does_not_belong_together_is_refused() -> None:
    given = answers(5)
    with pytest.raises(ValueError, match=r"expected \(N,\)"):
        TaggingSums.of(**given | {"predicted": given["predicted"][:, None]}, tags=4)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        TaggingSums.of(**given, tags=3)
    with pytest.raises(ValueError, match="different sentences"):
        tagging_differences(TaggingSums.of(**given, tags=4), TaggingSums.of(**answers(6), tags=4), 100)
