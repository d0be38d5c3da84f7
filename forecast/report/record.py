"""The track record as a page and as Markdown: pure functions of a document of schema ``forecast-record/1``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.outlook.outlook import OUTCOME_LABELS
from forecast.outlook.words import percent
from forecast.report.drawing import BLUE, DARK, GREY, annotate
from forecast.report.formats import between, number, plain, quantity, skill_text
from forecast.report.html import environment as page_environment
from forecast.report.html import unbroken
from forecast.report.markdown import environment as text_environment
from forecast.report.svg import Layout, Picture, blank, panel, picture

PARTS = ("published", "reconstructed")


def render_record_html(document: Mapping[str, Any]) -> str:
    """Render a track record as one self-contained HTML page; its strings are escaped.

    Parameters
    ----------
    document : Mapping
        Of schema ``forecast-record/1``, with numbers unrounded beyond its six decimals.

    Returns
    -------
    str
        The page. The same document gives the same text.
    """
    pictures = {
        label: _calibration_picture(label, part["calibration"])
        for label in PARTS
        if (part := document[label]) and part["calibration"]
    }
    page = page_environment()
    return unbroken(page.get_template("record.html.jinja").render(pictures=pictures, **_context(document)))


def render_record_markdown(document: Mapping[str, Any]) -> str:
    """Render a track record as GitHub-flavoured Markdown, with a table in place of the diagram."""
    text = text_environment().get_template("record.md.jinja").render(**_context(document))
    return text.rstrip() + "\n"


def _context(document: Mapping[str, Any]) -> dict[str, Any]:
    labels = document["case"].get("questions", {})
    return {
        "document": document,
        "parts": [(label, document[label]) for label in PARTS],
        "name": lambda question: labels.get(question, plain(question)),
        "outcome_label": lambda key: OUTCOME_LABELS.get(key, labels.get(key, plain(key))),
        "number": number,
        "between": between,
        "skill_text": skill_text,
        "said": percent,
        "thinned": thinned,
    }


def thinned(curve: Sequence[Mapping[str, Any]], most: int = 9) -> list[Mapping[str, Any]]:
    """Take a few rows of a curve, evenly by place, both ends with them."""
    if len(curve) <= most:
        return list(curve)
    return [curve[round(k * (len(curve) - 1) / (most - 1))] for k in range(most)]


def _calibration_picture(label: str, rows: Sequence[Mapping[str, Any]]) -> Picture:
    return picture(f"calibration-{label}", lambda layout: _diagrams(rows, layout), _calibration_text(rows))


def _calibration_text(rows: Sequence[Mapping[str, Any]]) -> str:
    texts = "; ".join(
        f"{row['forecaster']}: "
        + ", ".join(
            f"{percent(p['probability'])} said, {percent(p['recalibrated'])} came" for p in thinned(row["curve"], 5)
        )
        for row in rows
    )
    return f"How often it came for what was said. {texts}."


def _diagrams(rows: Sequence[Mapping[str, Any]], layout: Layout) -> Figure:
    columns = 1 if layout.narrow else min(3, len(rows))
    left, gap, title, foot = 44, 52, 34, 48
    side = min((layout.width - left - 10 - gap * (columns - 1)) / columns, 300)
    down = math.ceil(len(rows) / columns)
    figure = blank(layout, down * (title + side + foot))
    for place, row in enumerate(rows):
        line, across = divmod(place, columns)
        corner = (left + across * (side + gap), title + line * (title + side + foot))
        axes = panel(figure, left=corner[0], top=corner[1], width=side, height=side)
        _diagram(axes, row, layout)
    return figure


def _diagram(axes: Axes, row: Mapping[str, Any], layout: Layout) -> None:
    curve = row["curve"]
    x, y, low, high = ([100 * p[k] for p in curve] for k in ("probability", "recalibrated", "lower", "upper"))
    single = len(curve) == 1
    if single:
        axes.vlines(x, low, high, color=BLUE, alpha=0.3, linewidth=6)
    else:
        axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1)
    axes.plot(x, y, color=DARK, linewidth=2, marker="o" if len(curve) < 12 else None, markersize=4)
    axes.vlines(x, 0, 3, color=DARK, linewidth=0.8, alpha=0.5)
    ticks = range(0, 101, 25)
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=ticks, yticks=ticks)
    axes.set_xlabel("said, %", size=layout.font - 1)
    axes.set_ylabel("came, %", size=layout.font - 1)
    text = f"{row['forecaster']}: {row['n']} forecasts, {quantity(row['clusters'])} events"
    annotate(axes, text, (0, 1), (0, 10), size=layout.font, weight="bold")
