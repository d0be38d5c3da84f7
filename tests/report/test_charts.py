import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from forecast.report.charts import _bars, _corners, pictures
from forecast.report.drawing import day_number, spread_apart
from forecast.report.svg import Picture
from tests.report.sample import sample_document

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Picture]:
    return pictures(sample_document())


def _words(source: str) -> str:
    root = ET.fromstring(source)  # noqa: S314 -- our own
    return " ".join(" ".join("".join(text.itertext()).split()) for text in root.iter(f"{SVG}text"))


def test_a_chart_for_every_part_with_content(drawn: dict[str, Picture]) -> None:
    assert set(drawn) == {"outcomes", "timing", "occupancy", "leverage", "misperception", "gap", "history", "recent"}


def test_no_chart_without_content(document: dict[str, Any]) -> None:
    document |= {"outcomes": None, "timing": None, "occupancy": None, "leverage": None, "history": None}
    assert pictures(document) == {}


def test_a_short_history_needs_no_closer_look(document: dict[str, Any]) -> None:
    history = document["history"]
    history["weeks"] = history["weeks"][-20:]
    for row in history["ladders"]:
        row["level_index"] = row["level_index"][-20:]
    for row in history["marks"]:
        row["on"] = row["on"][-20:]
    history["rugs"] = []
    assert "recent" not in pictures(document)


def test_one_dot_for_every_two_per_cent(drawn: dict[str, Picture]) -> None:
    for source in (drawn["outcomes"].wide, drawn["outcomes"].narrow):
        assert len(re.findall("<use ", source)) == 50


def test_direct_labels_equal_the_document(document: dict[str, Any], drawn: dict[str, Picture]) -> None:
    for row in document["outcomes"]["categories"]:
        assert f"{round(100 * row['probability'])} % {row['label']}" in " ".join(_words(drawn["outcomes"].wide).split())
    timing = _words(drawn["timing"].narrow)
    for curve in document["timing"]["curves"]:
        assert f"{round(100 * curve['mean'][-1])} %" in " ".join(timing.split())


@pytest.mark.parametrize("name", ["history", "recent"])
def test_rows_are_labelled_with_their_side(drawn: dict[str, Picture], name: str) -> None:
    words = _words(drawn[name].wide)
    assert "Blockade in force" in words
    assert "Walkouts, United States" in words


def test_corners_redraw_the_same_path() -> None:
    weeks = ["2026-01-02", "2026-01-09", "2026-01-16", "2026-01-23", "2026-01-30", "2026-02-06"]
    path = [0, 0, 2, 2, 2, 1]
    days, levels = _corners(weeks, path)
    every = days[0] + 7 * np.arange(6)
    held = [levels[int(np.searchsorted(days, day))] for day in every]  # a level holds up to and with its corner
    assert held == path
    assert len(days) == 4


@pytest.mark.parametrize(
    ("on", "bar"),
    [
        ([0, 0, 0, 1], ("2026-04-10", "2026-04-14")),  # on since the last week, four days of which are coded
        ([0, 0, 1, 1], ("2026-04-03", "2026-04-14")),
        ([0, 1, 1, 0], ("2026-03-27", "2026-04-10")),
        ([1, 0, 0, 0], ("2026-03-20", "2026-03-27")),
    ],
)
def test_a_bar_begins_where_the_week_before_ends(on: list[int], bar: tuple[str, str]) -> None:
    weeks = ["2026-03-27", "2026-04-03", "2026-04-10", "2026-04-14"]
    mark = {"label": "Blockade in force", "on": [bool(week) for week in on]}
    first, last = map(day_number, bar)
    assert _bars(mark, weeks, day_number("2026-03-20")) == ((first, last - first),)


def test_spread_keeps_order_distance_and_bounds() -> None:
    moved = spread_apart(np.array([0.5, 0.97, 0.98, 0.99]), 0.15)
    assert np.all(np.diff(moved) >= 0.15 - 1e-12)
    assert moved[0] == 0.5
    assert moved[-1] <= 1
