import html
import re
from typing import Any

import pytest

from forecast.evaluation.record import track_record
from forecast.report import render_record_html, render_record_markdown
from tests.evaluation.records import CASE, HOSTILE, MADE_AT, backtest_tables
from tests.report.pages import Page


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    said = {"R0": [0.2, 0.3, 0.4, 0.1], "R1": [0.6, 0.2, 0.7, 0.05]}
    tables = backtest_tables(said, [1, 0, 1, 0])
    events = {"e0": HOSTILE}
    return track_record(case=CASE | {"title": HOSTILE}, reconstructed=tables, events=events, made_at=MADE_AT)


@pytest.fixture(scope="module")
def source(record: dict[str, Any]) -> str:
    return render_record_html(record)


def test_the_page_is_whole_and_needs_nothing_else(source: str) -> None:
    page = Page(source)
    assert [s.attributes["id"] for s in page.all("section")] == ["published", "reconstructed"]
    assert not [e for e in page.elements if e.tag in {"script", "link", "img", "iframe"}]
    assert not re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|url\((?!#)", source)
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def test_strings_are_escaped(source: str, record: dict[str, Any]) -> None:
    assert "<script>" not in source
    assert html.escape(HOSTILE, quote=False) in source
    text = render_record_markdown(record)
    assert "<script>" not in text.replace("\\<", "")
    assert "| *all*" not in text.replace("\\|", "").replace("\\*", "")


def test_every_score_of_the_document_is_on_the_page_and_in_the_text(source: str, record: dict[str, Any]) -> None:
    part = record["reconstructed"]
    section = next(s for s in Page(source).all("section") if s.attributes["id"] == "reconstructed").text
    text = render_record_markdown(record)
    shown = [row["rps"] for row in part["ordered"]["scores"]]
    shown += [row[name] for row in part["scores"] for name in ("log", "brier")]
    shown += [row["log"]["mcb"] for row in part["calibration"]]
    shown += [row["mean"] for row in part["comparisons"]]
    assert len(shown) >= 10
    for value in shown:
        written = f"{value:.3f}".replace("-", "−")
        assert written in section
        assert written in text
    for line in part["reading"]:
        assert line in section


def test_numbers_in_the_score_table_are_those_of_its_row(source: str, record: dict[str, Any]) -> None:
    rows = [r.text for r in Page(source).all("tr", section="reconstructed") if r.text.startswith("A deal 6-13 R1")]
    (own,) = [r for r in record["reconstructed"]["scores"] if r["forecaster"] == "R1"]
    assert any(f"{own['log']:.3f}" in row and f"{own['brier']:.3f}" in row for row in rows)


def test_what_was_not_given_is_said(source: str) -> None:
    published = next(s for s in Page(source).all("section") if s.attributes["id"] == "published").text
    assert "None were given." in published
    assert "Nobody could know the outcome." in published


def test_the_same_document_gives_the_same_bytes(source: str, record: dict[str, Any]) -> None:
    assert render_record_html(record) == source
