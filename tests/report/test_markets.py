from typing import Any

import numpy as np
import pytest

from forecast.case import load_case
from forecast.markets.compare import compare
from forecast.report import render_html, render_markdown
from forecast.report.markets import fine, market_pictures, points_apart, share, span, verdict_counts
from tests.markets.test_compare import OCTOBER, model_of
from tests.report.pages import Page


@pytest.fixture(scope="module")
def section() -> dict[str, Any]:
    return compare(load_case("us-iran"), when=OCTOBER, model=model_of("us-iran", OCTOBER))


def test_the_page_shows_every_leg_of_every_ladder_with_its_verdict(
    document: dict[str, Any], section: dict[str, Any]
) -> None:
    page = Page(render_html(document | {"markets": section}))
    rows = [" ".join(e.text.split()) for e in page.all("tr", section="markets")]
    for mapping in section["mappings"]:
        assert mapping["label"] in [e.text for e in page.all("h3", section="markets")]
        for leg in mapping["legs"]:
            told = fine(leg["price"]), share(leg["recalibrated"]), leg["verdict"]
            assert any(all(part in row for part in told) for row in rows), leg
    assert len(rows) == sum(len(m["legs"]) + 1 for m in section["mappings"])
    assert len(page.all("svg", section="markets")) == 2  # wide and narrow
    assert "Gap, points" in rows[0]
    assert "Recalibrated" in rows[0]
    assert section["recalibration"]["reading"] in [e.text for e in page.all("li", section="markets")]


def test_markdown_has_the_same_numbers_and_the_monotone_ladder(
    document: dict[str, Any], section: dict[str, Any]
) -> None:
    text = render_markdown(document | {"markets": section})
    part = text[text.index("## Beside the markets") :]
    for mapping in section["mappings"]:
        assert verdict_counts(mapping) in part
        for leg in mapping["legs"]:
            assert f"| {fine(leg['price'])} | {share(leg['recalibrated'])} ({span(leg['recalibrated'])}) |" in part
        for value in mapping["curve"]["cumulative"] if mapping["pays_on"] == "occurrence" else []:
            assert f"| {fine(value)} |" in part
    assert "Open contracts that are not mapped to any event: 51. None is guessed." in part


def test_page_and_text_say_what_an_interval_is_and_that_a_contract_is_not_our_event(
    document: dict[str, Any], section: dict[str, Any]
) -> None:
    section = section | {"model": section["model"] | {"interval": 0.7}}
    page = Page(render_html(document | {"markets": section}))
    text = render_markdown(document | {"markets": section})
    for said in map(_one_line, (page.all("p", section="markets")[0].text, text[text.index("## Beside the markets") :])):
        assert "A contract is not our event: what its rules have in common with the event, and what not" in said
        assert "80 % for the market and for the recalibrated price, 70 % interval for the model" in said


def _one_line(text: str) -> str:
    return " ".join(text.split())


def test_without_quotes_there_is_no_section(document: dict[str, Any]) -> None:
    assert "Beside the markets" not in render_html(document) + render_markdown(document)


def test_the_chart_stands_where_the_model_knows_nothing_of_an_event(section: dict[str, Any]) -> None:
    (drawn,) = market_pictures(section).values()
    assert drawn.wide.count(">market<") == len(section["mappings"])
    grid = section["mappings"][0]["curve"]["grid"]
    mute = dict(section["mappings"][0], legs=[])
    mute["curve"] = mute["curve"] | {"grid": grid | {"worth": [None] * len(grid["worth"])}}
    (drawn,) = market_pictures({"mappings": [mute]}).values()
    assert ">model<" not in drawn.wide
    assert market_pictures({"mappings": [mute | {"curve": None}]}) == {}


def test_a_gap_in_points_has_its_sign_and_its_interval() -> None:
    assert points_apart({"value": -0.256, "lower": -0.634, "upper": 0.011}) == "−26 (−63 to +1)"
    assert points_apart(None) == "–"
    assert fine(np.float64(0.0215)) == "2.1 %"
