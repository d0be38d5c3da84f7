from pathlib import Path
from typing import Any

import pytest

from forecast.evaluation.published import read_published
from forecast.evaluation.record import short_record
from forecast.ledger import open_ledger
from forecast.report import render_html, render_markdown
from forecast.report.formats import number
from tests.evaluation.records import MADE_AT, issued, record, settled
from tests.report.pages import Page


@pytest.fixture
def section(tmp_path: Path) -> dict[str, Any]:
    """A deal that came at 30 % and one that did not at 60 %."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    first, second = issued(0, 0.3), issued(1, 0.6)
    record(ledger, first, second, settled(first, "yes"), settled(second, "no"))
    questions = {"questions": {"deal": "A <deal> of any kind"}}
    return questions | short_record(read_published(ledger, "tiny"), known_at=MADE_AT)


def test_the_section_has_the_scores_and_the_misses_worst_first(
    document: dict[str, Any], section: dict[str, Any]
) -> None:
    whole = document | {"track_record": section}
    page, text = Page(render_html(whole)), render_markdown(whole)
    misses = [" ".join(e.text.split()) for e in page.all("li", section="track-record")][-2:]
    assert misses[0].startswith("A <deal> of any kind by")
    assert "R0 said 30 % as of 3 Jan 2025" in misses[0]
    assert misses[0].endswith("and it came.")
    assert misses[1].endswith("and it did not come.")
    rows = [" ".join(e.text.split()) for e in page.all("tr", section="track-record")]
    score = number(section["overall"][0]["log"])
    assert any("All questions, log score" in row and score in row for row in rows)
    assert score in text[text.index("## Track record") :]
    assert r"\<deal> of any kind by" in text


def test_few_events_allow_no_claim(document: dict[str, Any], section: dict[str, Any]) -> None:
    text = render_markdown(document | {"track_record": section})
    assert "no claim of skill or calibration is made" in text


def test_an_empty_ledger_says_so(document: dict[str, Any], tmp_path: Path) -> None:
    published = read_published(open_ledger(f"sqlite:///{tmp_path}/none.db"), "tiny")
    empty = {"questions": {}} | short_record(published, known_at=MADE_AT)
    page = Page(render_html(document | {"track_record": empty}))
    assert [e.text for e in page.all("li", section="track-record")] == ["No forecasts yet."]
    assert not page.all("table", section="track-record")
