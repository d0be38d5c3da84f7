"""The report as one HTML file that works offline: inline pictures, inline styles, no script, nothing to fetch."""

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from forecast.report.charts import RECENT_WEEKS, pictures
from forecast.report.formats import FILTERS, between, number, percent_range, skill_text
from forecast.report.markets import FILTERS as MARKET_FILTERS
from forecast.report.markets import on_curve, verdict_counts
from forecast.report.sources import split_sources
from forecast.report.tables import (
    bands_text,
    checkpoints,
    correction_text,
    evidence_text,
    levels_of,
    mark_spells,
    probability_grid,
    rug_label,
    side_label,
)


def render_html(document: Mapping[str, Any]) -> str:
    """Render an outlook document as one self-contained HTML page.

    Parameters
    ----------
    document : Mapping
        An outlook document of schema ``forecast-outlook/1``. Its shape is trusted; its strings are escaped.

    Returns
    -------
    str
        The page. The same document gives the same text.
    """
    page = environment()
    case = document["case"]
    page.filters |= MARKET_FILTERS
    page.filters["side"] = lambda side: side_label(case, side)
    html = page.get_template("report.html.jinja").render(
        document=document,
        pictures=pictures(document),
        recent_weeks=RECENT_WEEKS,
        bands_text=bands_text,
        between=between,
        checkpoints=checkpoints,
        correction_text=correction_text,
        evidence_text=evidence_text,
        levels_of=levels_of,
        mark_spells=mark_spells,
        number=number,
        on_curve=on_curve,
        percent_range=percent_range,
        probability_grid=probability_grid,
        rug_label=rug_label,
        skill_text=skill_text,
        verdict_counts=verdict_counts,
    )
    return unbroken(html)


def unbroken(html: str) -> str:
    """Return a page in which no line ends between a number and its per cent sign."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", html)


def environment() -> Environment:
    """Return the environment of a page: everything is escaped, and what is missing is an error."""
    page = Environment(
        loader=PackageLoader("forecast.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {**FILTERS, "sources": split_sources}
    return page
