import re
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from forecast.report import render_html, render_markdown
from forecast.report.alternatives import latents_text
from forecast.report.html import unbroken
from forecast.report.leverage import leverage_pictures
from forecast.report.svg import Picture
from forecast.report.tables import bands_text, correction_text, evidence_text
from tests.report.pages import Page
from tests.report.sample import sample_document
from tests.report.sample_leverage import sample_leverage

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"(?<![\w.])[+−]?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def section() -> dict[str, Any]:
    return sample_leverage()


@pytest.fixture(scope="module")
def drawn(section: dict[str, Any]) -> dict[str, Picture]:
    return leverage_pictures(section)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_html(sample_document()))


@pytest.fixture(scope="module")
def text() -> str:
    whole = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", render_markdown(sample_document()))
    return whole[whole.index("## Leverage") : whole.index("## The ladders as coded")]


def without(section: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """The section of a rung that has none of some latents."""
    kept = [{**s, "latents": [x for x in s["latents"] if x["latent"] not in kinds]} for s in section["sides"]]
    rows = [row for row in section["now"]["rows"] if row["latent"] not in kinds]
    return {
        **section,
        "sides": [side for side in kept if side["latents"]],
        "now": {**section["now"], "rows": rows},
        "misperception_scales": [],
    }


def written(value: Any) -> set[str]:
    """Every way in which a number of the document may be printed; of text, the numbers in it."""
    if isinstance(value, dict):
        return set().union(*(written(inner) for inner in value.values()), *(written(key) for key in value))
    if isinstance(value, list):
        return set().union(*(written(inner) for inner in value))
    if isinstance(value, str):
        date = {str(int(part)) for part in value.split("-")} if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else set()
        return date | set(NUMBER.findall(value))
    if not isinstance(value, int | float):
        return set()
    printed = {f"{value:.2f}", f"{value:+.2f}", f"{100 * value:.0f}", str(value)}
    return {form.replace("-", "−") for form in printed}


def words(source: str) -> str:
    root = ET.fromstring(source)  # noqa: S314 -- our own
    return " ".join(" ".join("".join(text.itertext()).split()) for text in root.iter(f"{SVG}text"))


# --- pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_for_what_the_rung_has(section: dict[str, Any], drawn: dict[str, Picture]) -> None:
    assert list(drawn) == ["leverage", "misperception", "gap"]
    assert list(leverage_pictures(without(section, "believed", "misperception"))) == ["leverage", "gap"]
    assert list(leverage_pictures(without(section, "true", "believed", "misperception"))) == ["gap"]


@pytest.mark.parametrize("name", ["misperception", "gap"])
def test_sample_paths_stay_within_the_frame(section: dict[str, Any], name: str) -> None:
    far = sample_leverage()
    for series in (*(x for side in far["sides"] for x in side["latents"]), far["gap"]):
        series["samples"][0][50], series["samples"][1][60] = 9.0, -9.0
    drawn = leverage_pictures(far)
    frame = heights(drawn[name].wide, "fill: #ffffff")[1]  # the first is the figure's
    thin = heights(drawn[name].wide, 'fill: none; [^"]*stroke-width: 0.6[^"]*')
    assert len(thin) == (6 if name == "misperception" else 3)
    assert all(min(frame) < min(path) and max(path) < max(frame) for path in thin)
    assert drawn["leverage"] == leverage_pictures(section)["leverage"]  # which shows no sample paths


def heights(source: str, style: str) -> list[list[float]]:
    """Vertical places of the points of every path of a style; style is a regular expression."""
    paths = re.findall(f'<path d="([^"]*)"[^>]* style="{style}"', source)
    return [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in paths]


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_panels_name_sides_and_lines_and_what_zero_means(drawn: dict[str, Picture], layout: str) -> None:
    for side in ("United States", "Iran"):
        assert side in words(getattr(drawn["leverage"], layout))
    assert words(getattr(drawn["leverage"], layout)).count("believed") == 2
    assert "above 0: less room for a deal than usual" in words(getattr(drawn["gap"], layout))
    assert "above 0: surer of itself than usual" in words(getattr(drawn["misperception"], layout))


def test_true_is_blue_and_solid_and_believed_vermillion_and_dashed(drawn: dict[str, Picture]) -> None:
    strokes = re.findall(r'style="([^"]*stroke: #(?:0072b2|d55e00); stroke-width: 2[^"]*)"', drawn["leverage"].wide)
    assert len(strokes) == 4
    assert all(("dasharray" in style) == ("#d55e00" in style) for style in strokes)


def test_alternatives_give_the_latest_week_of_every_line(section: dict[str, Any], drawn: dict[str, Picture]) -> None:
    for name, kinds in (("leverage", ("true", "believed")), ("misperception", ("misperception",)), ("gap", ("gap",))):
        said = drawn[name].alternative
        assert said == latents_text(section, kinds)
        rows = [row for row in section["now"]["rows"] if row["latent"] in kinds]
        assert said.count(" to ") == len(rows)
        for row in rows:
            assert f"{row['median']:+.2f}".replace("-", "−") in said
            assert f"{row['upper']:+.2f}".replace("-", "−") in said
    assert "United States, true leverage: +0.00, then " in drawn["leverage"].alternative
    assert "on 18 October 2024, then on 9 October 2026 with its 90 % interval" in drawn["gap"].alternative


# --- page and text ---------------------------------------------------------------------------------------------------


def test_every_number_shown_is_the_documents(section: dict[str, Any], page: Page, text: str) -> None:
    # "0" is the name of the line that latents are measured from, "3" the number of paths drawn.
    known = written(section) | {str(len(section["gap"]["samples"])), "0"}
    charts = [e for e in page.elements if e.attributes.get("role") == "img" and e.section == "leverage"]
    assert len(NUMBER.findall(" ".join(cell.text for cell in _shown(page)))) > 100
    for said in (*(cell.text for cell in _shown(page)), *(c.attributes["aria-label"] for c in charts), text):
        assert set(NUMBER.findall(said)) <= known, set(NUMBER.findall(said)) - known


def _shown(page: Page) -> list[Any]:
    """Everything in the section but the pictures' own labels, which are ticks of axes."""
    tags = ("p", "h3", "figcaption", "summary", "th", "td", "li")
    return [cell for tag in tags for cell in page.all(tag, section="leverage")]


def test_page_and_text_show_every_row(section: dict[str, Any], page: Page, text: str) -> None:
    rows = [
        *section["now"]["rows"],
        *section["gap_effects"],
        *section["loadings"],
        *section["driver_effects"],
        *section["misperception_scales"],
    ]
    bodies = [row for row in page.all("tr", section="leverage") if row.text]
    assert len(bodies) == len(rows) + 5
    plain = " ".join(text.split())
    for row in rows:
        label = row.get("label", row.get("side_label"))
        assert any(label.lower() in body.text.lower() for body in bodies)
        assert label.lower() in plain.lower()
    for line in (*section["summary"], *section["notes"], evidence_text(section["evidence"])):
        assert line in " ".join(item.text for item in _shown(page))
        assert line in plain


def test_the_latest_median_is_printed_alike_in_both_tables(document: dict[str, Any]) -> None:
    section = document["leverage"]
    latents = [*(x for side in section["sides"] for x in side["latents"]), section["gap"]]
    for number, (row, series) in enumerate(zip(section["now"]["rows"], latents, strict=True)):
        # +0.61 and so on, but +0.60 by way of the three decimals that medians by week have.
        row["median"], series["median"][-1] = number + 0.605066, number + 0.605
    text = render_markdown(document)
    lines = text[text.index("Medians by week:") : text.index("Factor on the weekly odds")].splitlines()[4:]
    ends = [line.split("|")[-2].strip() for line in lines if line]
    assert ends == [f"+{number}.61" for number in range(len(latents))]


def test_what_an_item_says_now_is_shown_or_said_to_be_unknown(page: Page, text: str) -> None:
    told = {row.text for row in page.all("tr", section="leverage")}
    for label, shown in (("Oil price over its year", "−0.20"), ("Relief & restraint", "not on record")):
        assert any(label in row and row.endswith(shown) for row in told)
        assert any(label in line and line.endswith(f"| {shown} |") for line in text.splitlines())


def test_where_the_prior_speaks_the_page_says_so(section: dict[str, Any], page: Page, text: str) -> None:
    parts = ("gap_effects", "loadings", "driver_effects", "misperception_scales")
    rows = [*section["now"]["rows"], *(row for part in parts for row in section[part])]
    told = Counter(row["speaking"] for row in rows)
    assert told.keys() == {"prior speaking", "mostly prior", "moved, not narrowed", "data speaking"}
    shown = [cell.text for cell in page.all("small", section="leverage")]
    for word in told.keys() - {"data speaking"}:
        assert shown.count(word) == text.count(f", {word} |") == told[word]


def test_charts_have_text_alternatives(page: Page, drawn: dict[str, Picture]) -> None:
    charts = [e for e in page.elements if e.attributes.get("role") == "img" and e.section == "leverage"]
    alternatives = [unbroken(picture.alternative) for picture in drawn.values()]
    assert [c.attributes["aria-label"] for c in charts] == alternatives


@pytest.mark.parametrize("kinds", [("believed", "misperception"), ("true", "believed", "misperception")])
def test_rungs_with_fewer_latents_have_a_section_too(document: dict[str, Any], kinds: tuple[str, ...]) -> None:
    document["leverage"] = without(document["leverage"], *kinds) | {"correction": None, "driver_effects": []}
    found = Page(render_html(document))
    headings = [heading.text for heading in found.all("h3", section="leverage")]
    assert "Misperception" not in headings
    assert "The gap" in headings
    assert len(found.all("table", section="leverage")) == 3
    assert "k-hat" not in render_markdown(document)


@pytest.mark.parametrize("absent", ["none", "missing"])
def test_a_document_without_latents_has_no_section(document: dict[str, Any], absent: str) -> None:
    document["leverage"] = None
    if absent == "missing":
        del document["leverage"]
    assert "leverage" not in [s.attributes["id"] for s in Page(render_html(document)).all("section")]
    assert "## Leverage" not in render_markdown(document)


# --- words -----------------------------------------------------------------------------------------------------------


def test_bands_are_named_by_their_probabilities() -> None:
    assert bands_text([0.5, 0.8, 0.95]) == "50, 80 and 95 %"
    assert bands_text([0.9]) == "90 %"


def test_evidence_is_counted(section: dict[str, Any]) -> None:
    said = evidence_text(section["evidence"])
    assert "United States: 1 structural item, 4 behavioural items, 2 drivers" in said
    assert "Iran: 5 structural items, 6 behavioural items, 1 driver." in said


def test_the_correction_says_whether_it_worked(section: dict[str, Any]) -> None:
    worked = section["correction"]
    assert "leave 83 % of the draws; k-hat 0.31, usable below 0.70" in correction_text(worked)
    refused = correction_text({**worked, "khat": None, "applied": False})
    assert "refused" in refused
    assert "k-hat not finite" in refused
    idle = correction_text({**worked, "khat": 0.91, "applied": False, "efficiency": 0.9998, "distance": 0.007})
    assert "all but equal: no probability is off by more than 0.7 %; k-hat 0.91" in idle
