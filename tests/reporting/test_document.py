"""A page as text: what it names, what it may not do, how numbers and blocks come out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.reporting.charts import lines
from etudes.reporting.document import Document, num, percent, signed
from etudes.study import Study, load_study

CARDS: dict[str, Any] = {
    "data_card": {"source": "rows of <mine>", "embedded_sample": False, "fingerprint": "f00d"},
    "split_card": {"train_rows": 2000, "dev_rows": 300, "test_rows": 500, "unit": "people"},
    "metrics": {
        "majority.accuracy": 0.75,
        "logistic.accuracy": 0.8512,
        "logistic.accuracy.low": 0.84,
        "logistic.accuracy.high": 0.86,
    },
    "majority_resources": {
        "seconds": 1.0,
        "added_memory_mib": 0,
        "peak_memory_mib": 9,
        "gpu_peak_memory_mib": 0,
    },
    "logistic_resources": {
        "seconds": 2.5,
        "added_memory_mib": 3,
        "peak_memory_mib": 9,
        "gpu_peak_memory_mib": 0,
    },
    "boosting_resources": {"skipped": True},
}


@dataclass(frozen=True)
class Elsewhere(Study):
    """A study whose page lies in another folder."""

    place: Path = Path()

    @property
    def folder(self) -> Path:
        return self.place


@pytest.fixture
def document(tmp_path: Path) -> Any:
    """``document(text)``: the page of a study with variants majority, logistic and boosting."""

    def build(text: str) -> Document:
        (tmp_path / "report.md").write_text(text, encoding="utf-8")
        known = replace(load_study("income_classification"), variants=("majority", "logistic", "boosting"))
        return Document(Elsewhere(**vars(known), place=tmp_path))

    return build


def test_what_the_text_names_becomes_inputs(document: Any) -> None:
    found = document(
        'Says {{ fit_card.epochs }}.\n\n## One\n\n{{ figure("loss", "It falls.") }}\n\n{{ table("rates") }}\n\n{{ say("claim") }}'
    )
    assert found.inputs == ("data_card", "split_card", "metrics", "fit_card", "loss_figure", "rates_table")
    assert found.said == {"claim"} and found.without({"rates"}) == found.inputs[:-1]


def test_a_page_shows_its_blocks_and_escapes_what_is_not_its_own(document: Any) -> None:
    text = (
        "Best is {{ best }}: {{ interval('logistic.accuracy') }}{% if trained('boosting') %}, unseenword{% endif %}.\n\n"
        "## Scores\n\n{{ lead() }}\n\n{{ figure('loss', 'It falls.') }}\n\n{{ table('rates', 'Rates') }}\n\n{{ costs() }}\n\n{{ say('claim') }}\n"
    )
    table = pd.DataFrame({"group": ["<b>x</b>"], "rate": [0.25]})
    loss = lines(pd.DataFrame({"x": [1, 2], "y": [1.0, 0.5]}), "Loss", "epoch (count)", "loss (nats)")
    page = document(text).render(
        {**CARDS, "loss_figure": loss, "rates_table": table},
        {"claim": lambda: "It **holds** <script>no</script>."},
    )
    assert "Best is logistic: 0.851 [0.840, 0.860]." in page and "unseenword" not in page
    assert ("It falls." in page and "What each network costs" in page) or (
        "What each variant costs" in page and "<strong>holds</strong>" in page
    )
    assert "<b>x</b>" not in page and "&lt;b&gt;x" in page and "<script>no" not in page
    assert "rows of &lt;mine&gt;" in page and "f00d" in page and "\ue000" not in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ metrics['a'] - 1 }}", r"report\.md, line 1: a page does not compute"),
        ("a\n{% if %}", r"report\.md, line 2: "),
    ],
)
def test_a_text_that_is_wrong_is_refused_when_the_graph_is_built(document: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        document(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ interval('gan.fid') }}", "there is no metric gan.fid"),
        (
            "## A\n\n{{ say('claim') }}",
            r"calls claim, which the study's page\(\) does not list; it lists none",
        ),
        ("## A\n\n{{ table('rates') }}", "names rates_table, which the study does not give"),
        ("## A\n\nSee {{ costs() | trim }} here", "must stand on a line of its own"),
        ("{{ fit_card.epohcs }}", "epohcs"),
    ],
)
def test_a_page_that_names_what_is_not_there_is_refused(document: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        document(text).render({**CARDS, "fit_card": {"epochs": 3}}, {})


def test_a_missing_page_is_named(tmp_path: Path) -> None:
    study = Elsewhere(**vars(load_study("vae")), place=tmp_path)
    with pytest.raises(ValueError, match=r"report\.md is missing"):
        Document(study)


def test_numbers() -> None:
    assert num(-0.0001, 2) == "0.00" and percent(0.1234) == "12.3%" and signed(0.5, 1) == "+0.5"


def test_a_users_own_data_have_their_title_and_unit_and_no_references(document: Any) -> None:
    text = "Test {{ split_card.unit }}.\n\n## Scores\n\n{{ lead() }}\n"
    known = CARDS["data_card"]
    own = {**known, "source": "own data", "title": "Support tickets", "unit": "tickets"}
    public, mine = (document(text).render({**CARDS, "data_card": card}, {}) for card in (known, own))
    assert load_study("income_classification").title in public
    assert "Test people." in public and "Like for like" in public
    assert "Support tickets" in mine and "Test tickets." in mine and "Like for like" not in mine
    nameless = document(text).render({**CARDS, "data_card": {**known, "source": "own data"}}, {})
    assert "Test rows." in nameless and "people" not in nameless


def test_speeds_have_two_digits_and_there_is_no_column_of_gpu_memory_without_a_gpu(document: Any) -> None:
    speeds = {"logistic": {"rows_per_second": 498_282.3}, "majority": {"rows_per_second": 19.27}}
    page = document("S\n\n## Costs\n\n{{ costs() }}\n").render({**CARDS, "inference_resources": speeds}, {})
    assert "rows a second" in page and ">500,000<" in page and ">19<" in page
    assert "GPU" not in page.partition("<body")[2]
