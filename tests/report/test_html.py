import html
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from forecast.report import render_html, render_markdown
from tests.report.pages import Page
from tests.report.sample import SCRIPT, sample_document
from tests.report.sample_history import HOSTILE_NOTE

ORDER = [
    "headlines",
    "outcomes",
    "state",
    "probabilities",
    "timing",
    "occupancy",
    "leverage",
    "history",
    "drivers",
    "signals",
    "health",
    "assumptions",
    "limits",
    "manifest",
]


@pytest.fixture(scope="module")
def source() -> str:
    return render_html(sample_document())


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def _same(text: str) -> str:
    return " ".join(text.split())


def test_the_same_document_gives_the_same_bytes(source: str) -> None:
    assert render_html(sample_document()).encode() == source.encode()


def test_sections_come_in_order(page: Page) -> None:
    assert [section.attributes["id"] for section in page.all("section")] == ORDER


def test_headings_skip_no_level(page: Page) -> None:
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_names_its_language_title_and_regions(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en-GB"
    assert page.all("title")[0].text == "U.S.–Iran negotiations under threat: outlook as of 9 October 2026"
    assert len(page.all("main")) == 1
    assert page.all("main")[0].text


def test_nothing_is_fetched(page: Page, source: str) -> None:
    assert not {element.tag for element in page.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
    }
    assert not [element for element in page.elements if "src" in element.attributes or "srcset" in element.attributes]
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    style = "".join(element.text for element in page.all("style"))
    assert "@import" not in style
    assert "@font-face" not in style
    assert re.findall(r"url\((?!#)", source) == []


def test_links_lead_to_web_addresses_or_within_the_page(page: Page) -> None:
    targets = {element.attributes["href"] for element in page.all("a")}
    ids = {element.attributes["id"] for element in page.elements if "id" in element.attributes}
    assert all(re.match("https?://", target, re.IGNORECASE) or target[1:] in ids for target in targets)
    assert "https://www.example.org/news/2026/10/7/us-sets-new-demands?a=1&b=2" in targets


def test_ids_are_unique_and_references_resolve(page: Page, source: str) -> None:
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', source))
    for left, right in re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', source):
        assert (left or right) in ids


def test_every_chart_has_a_sentence_with_numbers(page: Page) -> None:
    charts = [element for element in page.elements if element.attributes.get("role") == "img"]
    assert len(charts) == 8
    assert all(re.search(r"\d+ (%|steps)", _same(chart.attributes["aria-label"])) for chart in charts)


def test_markup_in_the_document_is_text(page: Page, source: str) -> None:
    assert "<b>or else" not in source
    assert SCRIPT not in source
    assert _same(HOSTILE_NOTE) in page.all("section", kind=None)[ORDER.index("state")].text
    assert SCRIPT in next(item.text for item in page.all("li", section="limits") if "misperception" in item.text)


def test_every_headline_number_is_the_documents(page: Page) -> None:
    cards = page.all("article", section="headlines")
    numbers = page.all("p", section="headlines", kind="number")
    for card, number, row in zip(cards, numbers, sample_document()["headlines"], strict=True):
        assert number.text == _same(row["percent"])
        for part in ("label", "sentence", "fraction", "word", "word_range", "definition"):
            assert _same(row[part]) in card.text
        for bound in ("lower", "upper"):
            assert str(round(100 * row[bound])) in card.text or "< 1 %" in card.text


def test_every_cell_of_the_table_is_the_documents(page: Page) -> None:
    cells = [cell.text for cell in page.all("td", section="probabilities")]
    shown = [_same(row["display"]) for row in sample_document()["probabilities"]]
    assert len([cell for cell in cells if cell != "–"]) == len(shown)
    assert sorted(page_cell.text for page_cell in page.all("b", section="probabilities")) == sorted(shown)


def test_no_percentage_is_finer_than_whole_or_certain(page: Page) -> None:
    text = page.all("main")[0].text
    assert re.findall(r"\d[.,]\d+\s%", text) == []
    assert re.findall(r"(?<![\d<>.–])(?:0|100)\s%", text) == []


def test_every_step_and_source_is_listed(page: Page) -> None:
    text = next(table.text for table in page.all("table", section="history") if "Week to" in table.text)
    for step in sample_document()["history"]["steps"]:
        for event in step["events"]:
            assert _same(event["note"]) in text
    assert text.count("by rule, no event") == sum(not step["events"] for step in sample_document()["history"]["steps"])


def test_parts_without_content_leave_no_trace(document: dict[str, Any]) -> None:
    document |= {
        "occupancy": None,
        "drivers": None,
        "leverage": None,
        "assumptions": [],
        "limits": [],
        "first_passage": [],
    }
    document["issue"] |= {"next_run": None, "gate": "pass", "lead_weeks": 0.0}
    document["issue"]["staleness"]["status"] = "fresh"
    page = Page(render_html(document))
    found = [section.attributes["id"] for section in page.all("section")]
    assert found == [
        name for name in ORDER if name not in {"occupancy", "drivers", "leverage", "assumptions", "limits"}
    ]
    assert page.all("p", kind="banner") == []
    assert "Next run" not in page.all("header")[0].text


@pytest.mark.parametrize(
    ("status", "gate", "banners"), [("late", "pass", 1), ("stale", "fail", 2), ("fresh", "review", 1)]
)
def test_banners_warn_of_old_data_and_of_the_gate(
    document: dict[str, Any], status: str, gate: str, banners: int
) -> None:
    document["issue"]["gate"] = gate
    document["issue"]["staleness"]["status"] = status
    assert len(Page(render_html(document)).all("p", kind="banner")) == banners


@pytest.mark.parametrize(("days", "said"), [(1, "the 1 day between"), (10, "the 10 days between")])
def test_the_time_that_was_simulated_is_told_in_days(document: dict[str, Any], days: int, said: str) -> None:
    document["issue"] |= {"lead_weeks": days / 7}
    document["issue"]["staleness"]["days"] = days
    for text in (render_html(document), render_markdown(document)):
        assert said in text


@pytest.mark.parametrize(("lead", "said"), [(1 / 7, "on 8 October 2026"), (0.0, "now")])
def test_the_level_is_marked_with_its_day_where_todays_is_not_known(
    document: dict[str, Any], lead: float, said: str
) -> None:
    document["issue"] |= {"lead_weeks": lead, "coded_until": "2026-10-08" if lead else "2026-10-09"}
    page = Page(render_html(document))
    marked = [level.text for level in page.all("li", section="state") if "aria-current" in level.attributes]
    assert marked == [f"none ◂ {said}", f"coercion ◂ {said}"]
    assert "◂" not in page.all("style")[0].text


def test_no_line_can_end_between_a_number_and_its_per_cent_sign(source: str) -> None:
    assert "7\N{NO-BREAK SPACE}%" in source
    assert not re.search(r"\d %", source)


def test_a_document_read_back_from_json_renders_alike(source: str) -> None:
    assert render_html(json.loads(json.dumps(sample_document()))) == source


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 700, 1280])
def test_the_page_never_scrolls_sideways(source: str, tmp_path: Path, width: int) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "no Chromium: install one, or deselect with -m 'not browser'"
    opened = source.replace("<details", "<details open")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(opened)}"></iframe>'
        "<script>onload = () => { const page = document.getElementById('f').contentDocument.documentElement;"
        "document.title = page.clientWidth + ' ' + page.scrollWidth; };</script>"
    )
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    command = [chromium, *options, "--dump-dom", frame.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<title>(\d+) (\d+)</title>", dom)
    assert found, dom[:500]
    assert int(found[1]) > width - 40
    assert int(found[2]) <= int(found[1])
