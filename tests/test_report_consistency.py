"""One issue of the default rung, read as its readers do: nothing in it may contradict anything else in it."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.case import LEVELS
from forecast.cli import main
from tests.report.pages import Page
from tests.test_no_future import CUT, DRAWS

pytestmark = pytest.mark.slow

PARTS_OF_A_DEAL = ("deal_limited", "deal_comprehensive", "deal_lasting", "deal_before_escalation")
AFTER_THE_DATA = "2026-11-20"


def issue(folder: Path, as_of: str) -> Path:
    """Run the default rung with the settings of the other slow tests, whose compiled model is then used again."""
    assert main(["run", "us-iran", "--as-of", as_of, "--draws", str(DRAWS["R3"]), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issue(tmp_path_factory.mktemp("issue"), CUT)


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "outlook.json").read_text())
    return read


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def table(document: dict[str, Any]) -> pd.DataFrame:
    """Probabilities [horizon, event]."""
    return pd.DataFrame(document["probabilities"]).pivot_table(index="horizon_weeks", columns="event", values="mean")


def same(text: str) -> str:
    """Fold blanks of all kinds."""
    return " ".join(text.split())


# --- probabilities ---------------------------------------------------------------------------------------------------


def test_exclusive_outcomes_sum_to_one(document: dict[str, Any]) -> None:
    categories = document["outcomes"]["categories"]
    assert sum(c["probability"] for c in categories) == pytest.approx(1, abs=1e-5)
    assert sum(c["dots"] for c in categories) == 50
    assert all(abs(c["dots"] - 50 * c["probability"]) < 1 for c in categories)


def test_deal_first_escalation_first_and_neither_share_out_every_horizon(table: pd.DataFrame) -> None:
    total = table["deal_before_escalation"] + table["escalation_before_deal"] + table["neither"]
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_outcomes_agree_with_the_table(document: dict[str, Any], table: pd.DataFrame) -> None:
    by_key = {c["key"]: c["probability"] for c in document["outcomes"]["categories"]}
    row = table.loc[document["outcomes"]["horizon_weeks"]]
    assert by_key["escalation_first"] == pytest.approx(row["escalation_before_deal"], abs=1e-5)
    assert by_key["neither"] == pytest.approx(row["neither"], abs=1e-5)
    deals = by_key["limited_first"] + by_key["comprehensive_first"]
    assert deals == pytest.approx(row["deal_before_escalation"], abs=1e-5)


def test_a_later_date_is_never_less_likely(table: pd.DataFrame) -> None:
    steps = table.diff().dropna()
    assert (steps.drop(columns="neither") >= 0).all(axis=None)
    assert (steps["neither"] <= 0).all()
    assert (steps["deal"] > 0).all()


@pytest.mark.parametrize("part", PARTS_OF_A_DEAL)
def test_a_part_is_never_likelier_than_the_whole(table: pd.DataFrame, part: str) -> None:
    assert (table[part] <= table["deal"]).all()
    assert (table[part] > 0).all()


def test_escalation_first_is_a_part_of_escalation(table: pd.DataFrame) -> None:
    assert (table["escalation_before_deal"] <= table["escalation"]).all()
    assert (table["deal"] <= table["deal_limited"] + table["deal_comprehensive"] + 1e-6).all()


def test_every_probability_lies_in_its_interval(document: dict[str, Any]) -> None:
    for row in document["probabilities"]:
        assert 0 <= row["lower"] <= row["mean"] <= row["upper"] <= 1


def test_curves_agree_with_the_table(document: dict[str, Any]) -> None:
    timing = document["timing"]
    curves = {curve["event"]: curve for curve in timing["curves"]}
    compared = [row for row in document["probabilities"] if row["event"] in curves]
    assert len(compared) == len(curves) * 4
    for row in compared:
        week = timing["weeks"].index(row["horizon_weeks"])
        assert timing["dates"][week] == row["by"]
        for bound in ("mean", "lower", "upper"):
            assert curves[row["event"]][bound][week] == pytest.approx(row[bound], abs=2e-6)


def test_curves_start_at_nothing_and_never_fall(document: dict[str, Any]) -> None:
    for curve in document["timing"]["curves"]:
        assert curve["mean"][0] == 0
        assert all(late >= early for early, late in pairwise(curve["mean"]))


def test_first_passages_agree_with_the_curves(document: dict[str, Any]) -> None:
    curves = {curve["event"]: curve["mean"] for curve in document["timing"]["curves"]}
    for passage in document["first_passage"]:
        mean = curves[passage["event"]]
        assert passage["not_within"] == pytest.approx(1 - mean[passage["horizon_weeks"]], abs=1e-5)
        for quantile in passage["quantiles"]:
            week, share = quantile["weeks"], quantile["q"]
            assert mean[-1] < share if week is None else mean[week - 1] < share <= mean[week] + 1e-6


def test_levels_share_out_every_week_and_start_where_things_stand(document: dict[str, Any]) -> None:
    for ladder in document["occupancy"]["ladders"]:
        shares = np.array(ladder["mean"])
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
        assert shares[0].tolist() == one_hot(document, ladder["ladder"])


def one_hot(document: dict[str, Any], ladder: str) -> list[float]:
    """All weight on the level at which a ladder stands at the end of the data."""
    return [float(level == document["state"][ladder]["level"]) for level in LEVELS[ladder]]


# --- the same numbers everywhere -------------------------------------------------------------------------------------


def test_headlines_are_rows_of_the_table(document: dict[str, Any]) -> None:
    rows = {(row["event"], row["by"]): row for row in document["probabilities"]}
    assert {headline["event"] for headline in document["headlines"]} == {"deal", "escalation", "deal_comprehensive"}
    for headline in document["headlines"]:
        row = rows[headline["event"], headline["by"]]
        assert [headline[k] for k in ("probability", "mcse", "lower", "upper", "percent")] == [
            row[k] for k in ("mean", "mcse", "lower", "upper", "display")
        ]


def test_the_page_shows_the_documents_headlines(document: dict[str, Any], page: Page) -> None:
    cards = page.all("article", section="headlines")
    numbers = page.all("p", section="headlines", kind="number")
    for card, number, headline in zip(cards, numbers, document["headlines"], strict=True):
        assert number.text == same(headline["percent"])
        assert same(headline["sentence"]) in card.text


def test_the_text_shows_the_documents_headlines(document: dict[str, Any], folder: Path) -> None:
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", (folder / "report.md").read_text())
    lines = [same(line) for line in text.splitlines()]
    for headline in document["headlines"]:
        line = next(line for line in lines if line.startswith(f"- **{headline['label']}: "))
        assert same(headline["percent"]) in line
        assert same(headline["sentence"]) in line


def test_the_page_shows_every_probability_of_the_document(document: dict[str, Any], page: Page) -> None:
    shown = sorted(cell.text for cell in page.all("b", section="probabilities"))
    assert shown == sorted(same(row["display"]) for row in document["probabilities"])


# --- the page itself, now with real content --------------------------------------------------------------------------


def test_the_page_stands_alone(page: Page, folder: Path) -> None:
    fetching = {"script", "link", "img", "iframe", "object", "embed", "base"}
    assert not {element.tag for element in page.elements} & fetching
    assert not [element for element in page.elements if {"src", "srcset"} & set(element.attributes)]
    assert re.findall(r"url\((?!#)|@import|@font-face", (folder / "report.html").read_text()) == []


def test_the_page_is_sound(page: Page) -> None:
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = {element.attributes["href"] for element in page.all("a")}
    assert all(target.startswith(("https://", "http://")) or target[1:] in ids for target in targets)


def test_no_forecast_claims_certainty_or_tenths_of_a_per_cent(page: Page) -> None:
    """The statements of the priors may: they are quoted as they were elicited."""
    forecasts = {"headlines", "outcomes", "probabilities", "timing", "occupancy"}
    sections = [element for element in page.all("section") if element.attributes["id"] in forecasts]
    assert len(sections) == len(forecasts)
    for section in sections:
        assert re.findall(r"\d[.,]\d+\s%", section.text) == []
        assert re.findall(r"(?<![\d<>.–])(?:0|100)\s%", section.text) == []


# --- the posterior file ----------------------------------------------------------------------------------------------


def test_the_saved_posterior_gives_the_same_table(
    folder: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["outlook", str(folder / "posterior.nc"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for row, published in zip(again, document["probabilities"], strict=True):
        assert (row["question"], row["by"][:10]) == (published["event"], published["by"])
        for name, shown in (("probability", "mean"), ("mcse", "mcse"), ("lower", "lower"), ("upper", "upper")):
            assert round(row[name], 6) == published[shown]


# --- after the end of the data ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An issue for a day six weeks after the last that is coded."""
    read: dict[str, Any] = json.loads(
        (issue(tmp_path_factory.mktemp("late"), AFTER_THE_DATA) / "outlook.json").read_text()
    )
    return read


def test_an_issue_after_the_end_of_the_data_says_so(late: dict[str, Any], document: dict[str, Any]) -> None:
    assert document["issue"]["staleness"]["status"] == "fresh"
    assert late["issue"]["staleness"]["status"] == "stale"
    assert late["issue"]["staleness"]["days"] == 42
    assert late["issue"]["lead_weeks"] == 6
    assert late["issue"]["staleness"]["text"] in late["limits"]
    assert late["timing"]["dates"][0] == AFTER_THE_DATA


def test_an_issue_after_the_end_of_the_data_knows_less(late: dict[str, Any]) -> None:
    """Silence is not calm: both ladders have moved from where they stood towards where they usually are."""
    for ladder in late["occupancy"]["ladders"]:
        now, usual = np.array(ladder["mean"][0]), np.array(ladder["mean"][-1])
        stood = np.array(one_hot(late, ladder["ladder"]))
        assert now.max() < 1
        assert 0 < np.abs(now - usual).sum() < np.abs(stood - usual).sum()
