"""The embedded film sample: what it promises of its text, its shares and its ceiling."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from etudes.samples import plots
from etudes.samples.plots_lexicon import lexicon, with_article, word_triples

N = 3000


@pytest.fixture(scope="module")
def sample() -> plots.PlotSample:
    return plots.draw_films(N, seed=3)


@pytest.fixture(scope="module")
def films(sample: plots.PlotSample) -> pd.DataFrame:
    return sample.frame


def test_columns_and_types(films: pd.DataFrame) -> None:
    assert list(films.columns) == ["id", "title", "genre", "plot"]
    assert films["id"].tolist() == list(range(1, N + 1))
    assert pd.api.types.is_integer_dtype(films["id"])
    assert all(films[column].dtype == "str" for column in ("title", "genre", "plot"))
    assert len(plots.GENRES) == 27 and list(plots.GENRES) == sorted(plots.GENRES)


def test_same_seed_same_plots() -> None:
    pd.testing.assert_frame_equal(plots.film_plots(200, seed=5), plots.film_plots(200, seed=5))
    assert not plots.film_plots(200, seed=5)["plot"].equals(plots.film_plots(200, seed=6)["plot"])


def test_same_plots_in_another_process() -> None:
    code = "from etudes.samples.plots import film_plots; print(film_plots(50, 5).to_json())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == plots.film_plots(50, seed=5).to_json()


def test_shares_follow_the_prior() -> None:
    n = 20_000
    drawn = plots.film_plots(n, seed=11)["genre"].value_counts()
    prior = lexicon().tables.prior
    counts = drawn.reindex(plots.GENRES, fill_value=0).to_numpy()
    assert (np.abs(counts - n * prior) < 4.5 * np.sqrt(n * prior * (1 - prior)) + 1).all()
    assert drawn["drama"] / n == pytest.approx(13613 / 54214, abs=0.015)


def test_every_table_is_a_distribution_without_zeros() -> None:
    tables = lexicon().tables
    for table in (tables.prior[None], tables.motif, tables.theme, tables.length, tables.era, tables.series):
        np.testing.assert_allclose(table.sum(axis=1), 1)
        assert (table > 0).all()


def test_neutral_motifs_are_equally_likely_in_every_genre() -> None:
    names = [motif.name for motif in lexicon().motifs]
    for neutral in ("circumstances", "promotion", "question"):
        column = lexicon().tables.motif[:, names.index(neutral)]
        np.testing.assert_allclose(column, column[0])


def test_text_identifies_its_motifs(sample: plots.PlotSample) -> None:
    read = plots.read_features(sample.frame)
    for field in ("motif_counts", "theme", "series", "era", "length"):
        np.testing.assert_array_equal(getattr(read, field), getattr(sample.features, field), err_msg=field)


def test_no_filling_of_any_template_points_to_another_motif() -> None:
    words = lexicon()
    rng = np.random.default_rng(0)
    values = words.slots | {f"a_{slot}": tuple(map(with_article, vs)) for slot, vs in words.slots.items()}
    for slot in ("thing", "org"):
        values[slot] += tuple(re.sub(r"^an? ", "the ", value) for value in words.slots[slot])
    values |= {
        "name": ("Anna Novak",),
        "first": ("Anna",),
        "other": ("her neighbour Robin", "his old friend Lou", "Kim"),
    }
    values |= {
        "he": ("she", "he"),
        "him": ("her", "him"),
        "his": ("her", "his"),
        "himself": ("herself", "himself"),
    }
    wrong = []
    for number, motif in enumerate(words.motifs):
        for template in motif.opening + motif.following:
            for slot in re.findall(r"{(\w+)}", template) or ["name"]:
                for value in values[slot]:
                    others = {other: vs[rng.integers(len(vs))] for other, vs in values.items()}
                    triples = word_triples(template.format_map(others | {slot: value}))
                    pointed = {words.signatures[triple] for triple in triples if triple in words.signatures}
                    if pointed != {number}:
                        wrong.append(
                            (template, value, [words.motifs[other].name for other in pointed - {number}])
                        )
    assert not wrong


def test_typos_are_there_and_hide_no_motif() -> None:
    spoilt, clean = plots.draw_films(400, seed=2, typo_rate=1.0), plots.film_plots(400, seed=2, typo_rate=0.0)
    assert (spoilt.frame["plot"] != clean["plot"]).mean() > 0.9
    np.testing.assert_allclose(plots.bayes_posterior(spoilt.frame), plots.bayes_posterior(clean))
    words = lexicon()
    every_word = " ".join(t for m in words.motifs for t in m.opening + m.following) + " " + str(words.slots)
    assert not set(words.typos.values()) & set(re.findall(r"\w+", every_word))


def test_posterior_rows_sum_to_one(sample: plots.PlotSample) -> None:
    posterior = plots.bayes_posterior(sample.frame)
    assert posterior.shape == (N, 27)
    np.testing.assert_allclose(posterior.sum(axis=1), 1)
    assert (posterior > 0).all()


def test_posterior_is_bayes_rule_written_out(sample: plots.PlotSample) -> None:
    tables, features = lexicon().tables, sample.features
    row = 17
    joint = tables.prior.copy()
    for motif in np.flatnonzero(features.motif_counts[row]):
        joint = joint * tables.motif[:, motif] ** features.motif_counts[row, motif]
    joint = joint * tables.length[:, features.length[row]] * tables.theme[:, features.theme[row]]
    joint = joint * tables.series[:, features.series[row]] * tables.era[:, features.era[row]]
    np.testing.assert_allclose(plots.bayes_posterior(sample.frame)[row], joint / joint.sum())


def test_posterior_belongs_to_the_row_and_needs_no_genre(films: pd.DataFrame) -> None:
    shuffled = films.sample(frac=1, random_state=0).drop(columns=["genre", "id"])
    np.testing.assert_allclose(
        plots.bayes_posterior(shuffled), plots.bayes_posterior(films)[shuffled.index.to_numpy()]
    )


def test_no_classifier_beats_the_ceiling() -> None:
    ceiling = plots.bayes_ceiling(n_draws=50_000, seed=1)
    error = np.hypot(ceiling["accuracy_se"], ceiling["realised_accuracy_se"])
    assert abs(ceiling["accuracy"] - ceiling["realised_accuracy"]) < 3 * error
    assert 0.75 < ceiling["accuracy"] < 0.82
    assert ceiling["majority_accuracy"] == pytest.approx(0.25, abs=0.01)


def test_posterior_is_calibrated_in_every_genre(films: pd.DataFrame) -> None:
    posterior = plots.bayes_posterior(films)
    truth = films["genre"].to_numpy()[:, None] == np.array(plots.GENRES)
    error = np.sqrt((posterior * (1 - posterior)).sum(axis=0))
    assert (np.abs(truth.sum(axis=0) - posterior.sum(axis=0)) < 4.5 * error + 1).all()


def test_a_linear_model_stays_below_the_ceiling_and_above_the_majority() -> None:
    feature_extraction = pytest.importorskip("sklearn.feature_extraction.text")
    from sklearn.naive_bayes import ComplementNB

    train, test = plots.train_and_test(1200, 800, seed=1, n_leaked=0)
    vectorizer = feature_extraction.TfidfVectorizer(sublinear_tf=True)
    model = ComplementNB().fit(vectorizer.fit_transform(train["plot"]), train["genre"])
    accuracy = float((model.predict(vectorizer.transform(test["plot"])) == test["genre"]).mean())
    ceiling = plots.bayes_ceiling(test)
    assert (
        ceiling["majority_accuracy"] + 0.1
        < accuracy
        < ceiling["accuracy"] + 3 * ceiling["realised_accuracy_se"]
    )


def test_sentences_are_readable(films: pd.DataFrame) -> None:
    bad = {
        "double space": r"  ",
        "unfilled slot": r"[{}]",
        "a before a vowel": r"\b[Aa] (?:[aeioAEIO]\w|un|honest|hour)",
        "an before a consonant": r"\b[Aa]n [^aeiouhAEIOUH\W]",
        "word twice": r"\b(\w+) \1\b",
        "space before a stop": r" [.,!?;:]",
        "two stops": r"[.!?,]{2}",
        "sentence in lower case": r"(?:^|[.!?] )[a-z]",
    }
    for name, pattern in bad.items():
        found = films["plot"][films["plot"].map(lambda plot, p=pattern: bool(re.search(p, plot)))]
        assert found.empty, (name, found.tolist()[:3])
    assert films["plot"].str.endswith((".", "?", "!")).all()


def test_plots_have_a_plot_s_length(films: pd.DataFrame) -> None:
    words = films["plot"].map(lambda plot: len(plot.split()))
    assert words.quantile(0.01) >= 20 and words.quantile(0.99) <= 85
    assert 35 < words.mean() < 55
    assert films["plot"].map(lambda plot: len(re.findall(r"[.!?](?: |$)", plot))).between(2, 5).all()


def test_near_duplicates_are_rare(films: pd.DataFrame) -> None:
    assert films["plot"].duplicated().mean() < 0.01
    assert films["title"].duplicated().mean() < 0.10


def test_titles_look_like_imdb_s(films: pd.DataFrame) -> None:
    assert films["title"].str.fullmatch(r'("[^"]+"|[^"]+) \((\d{4}|\?{4})(/I{1,3})?\)').all()
    in_quotes = films["title"].str.startswith('"').groupby(films["genre"]).mean()
    assert in_quotes["talk-show"] > 0.5 and in_quotes["short"] < 0.2
    for form in ("/II)", "(????)", "'s "):
        assert films["title"].str.contains(form, regex=False).any()


def test_train_and_test_share_the_leaked_films_alone() -> None:
    train, test = plots.train_and_test(300, 200, seed=4, n_leaked=7)
    assert (len(train), len(test)) == (300, 200)
    assert not set(train["id"]) & set(test["id"])
    assert test["plot"].isin(train["plot"]).sum() == 7
    shared = test.merge(train, on="plot")
    assert (shared["title_x"] == shared["title_y"]).all() and (shared["genre_x"] == shared["genre_y"]).all()
    apart = plots.train_and_test(300, 200, seed=4, n_leaked=0)
    assert apart[1]["plot"].isin(apart[0]["plot"]).sum() == 0
    assert (train.dtypes == test.dtypes).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.film_plots(0, 1), "n: expected 1 or more, found 0"),
        (lambda: plots.film_plots(5, 1, typo_rate=2.0), "typo_rate: expected a share"),
        (lambda: plots.train_and_test(0, 5, 1), "n_train: expected 1 or more"),
        (lambda: plots.train_and_test(5, -1, 1), "n_test: expected 1 or more"),
        (lambda: plots.train_and_test(10, 4, 1), "n_leaked: expected 0 to 4"),
        (lambda: plots.train_and_test(10, 10, 1, n_leaked=-1), "n_leaked: expected 0 to 10"),
        (lambda: plots.bayes_ceiling(n_draws=0), "n_draws: expected 1 or more"),
        (lambda: plots.bayes_posterior(pd.DataFrame({"title": ["A (1999)"]})), "found none called"),
        (
            lambda: plots.bayes_ceiling(plots.film_plots(5, 1).drop(columns="genre")),
            "expected rows with a 'genre'",
        ),
        (lambda: plots.bayes_ceiling(plots.film_plots(5, 1).assign(genre="noir")), "genre: expected one of"),
        (
            lambda: plots.bayes_posterior(plots.film_plots(5, 1).assign(plot="Unknown words here.")),
            "plot: expected",
        ),
        (lambda: plots.bayes_posterior(plots.film_plots(5, 1).assign(title="Nothing")), "title: expected"),
        (
            lambda: plots.bayes_posterior(plots.film_plots(5, 1).assign(title="The River (1899)")),
            "title: expected",
        ),
        (
            lambda: plots.bayes_posterior(
                plots.film_plots(5, 1).assign(plot="A glance, a pause, and the moment is gone.")
            ),
            "plot: expected 2 to 5 sentences",
        ),
    ],
)
def test_errors_say_what_was_expected(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()  # type: ignore[operator]
