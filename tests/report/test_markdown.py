import re
from typing import Any

import pytest
from markupsafe import Markup

from forecast.report import render_markdown
from forecast.report.markdown import escape
from tests.report.sample import SCRIPT, sample_document
from tests.report.sample_history import HOSTILE_NOTE


@pytest.fixture(scope="module")
def text() -> str:
    return render_markdown(sample_document())


def _plain(text: str) -> str:
    """Undo Markdown's backslashes and fold blanks: what a reader of the rendered text sees."""
    return " ".join(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).split())


def test_the_same_document_gives_the_same_bytes(text: str) -> None:
    assert render_markdown(sample_document()) == text


def test_sections_come_in_order(text: str) -> None:
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        "How likely",
        "What comes first, by 9 April 2027",
        "Where things stand",
        "Probabilities by date",
        "When, if at all",
        "Where the ladders will stand",
        "Leverage",
        "The ladders as coded since 12 January 2018",
        "What drives the hazards",
        "Age of the data",
        "Health checks",
        "Assumptions",
        "What the model cannot know",
        "How this was made",
    ]


def test_tables_are_rectangular(text: str) -> None:
    blocks = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert len(blocks) == 20
    for lines in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(widths) == 1, lines[0]
        assert re.fullmatch(r"\|(-+:?\|)+", lines[1])


def test_every_headline_number_is_the_documents(text: str) -> None:
    lines = [_plain(line) for line in text.splitlines()]
    for row in sample_document()["headlines"]:
        line = next(line for line in lines if line.startswith(f"- **{row['label']}: "))
        for part in ("percent", "fraction", "word", "word_range", "sentence", "definition"):
            assert " ".join(row[part].split()) in line


def test_every_probability_is_the_documents(text: str) -> None:
    table = text[text.index("## Probabilities by date") : text.index("Monte-Carlo error")]
    cells = [_plain(cell) for cell in re.findall(r"(?<=\| )([^|]*%) \([^|]*\)(?= \|)", table)]
    assert cells == [" ".join(row["display"].split()) for row in sorted(sample_document()["probabilities"], key=_place)]


def _place(row: dict[str, Any]) -> tuple[int, str]:
    events = list(dict.fromkeys(row["event"] for row in sample_document()["probabilities"]))
    return events.index(row["event"]), row["by"]


def test_notes_survive_as_text(text: str) -> None:
    assert _plain(HOSTILE_NOTE) in _plain(text)
    assert SCRIPT in _plain(text)
    assert not re.search(r"(?<!\\)<(?=script|b>|/)", text)
    assert not re.search(r"(?<!\\)\]\((?!<https?://)", text, re.IGNORECASE)


def test_an_address_cannot_end_its_cell_or_its_link(text: str) -> None:
    assert "[EXAMPLE.COM](<HTTP://EXAMPLE.COM/a%7Cb>)" in text


def test_no_picture_and_no_percentage_finer_than_whole(text: str) -> None:
    assert "<svg" not in text
    assert "![" not in text
    assert re.findall(r"\d[.,]\d+\s%", text) == []


def test_parts_without_content_leave_no_trace(document: dict[str, Any]) -> None:
    document |= {"occupancy": None, "drivers": None, "outcomes": None}
    text = render_markdown(document)
    assert "What drives" not in text
    assert "What comes first" not in text
    assert "will stand" not in text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a|b", r"a\|b"),
        ("snake_case and _emphasis_", r"snake_case and \_emphasis\_"),
        ("< 1 %", "< 1 %"),
        ("<b> & &amp;", r"\<b> & \&amp;"),
        ("# no heading", r"\# no heading"),
        ("1. no list", r"1\. no list"),
        ("- no list", r"\- no list"),
        ("-0.5", "-0.5"),
        ("two\nlines", "two lines"),
        (Markup("**kept**"), "**kept**"),
        (12, "12"),
    ],
)
def test_escape(value: object, written: str) -> None:
    assert escape(value) == written
