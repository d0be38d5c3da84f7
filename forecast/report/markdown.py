r"""The report as Markdown: the same content as the HTML page, with tables in place of the pictures.

Every value that the template prints passes through `escape`, the way HTML is escaped automatically: a note cannot start
a table cell, a link, emphasis or an HTML tag of its own.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forecast.report.formats import FILTERS, between, number, percent_range, skill_text
from forecast.report.markets import FILTERS as MARKET_FILTERS
from forecast.report.markets import on_curve, verdict_counts
from forecast.report.sources import Part, split_sources
from forecast.report.tables import (
    checkpoints,
    correction_text,
    evidence_text,
    levels_of,
    mark_spells,
    probability_grid,
    rug_label,
    side_label,
    weekly_medians,
)

# An underscore or an ampersand inside a word is literal in Markdown already; escaping it would only hurt the eye.
_SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_OPENING = re.compile(r"^(?:[#>]|[-+=](?=\s|$)|\d+(?=[.)]\s))")
_BLANKS = re.compile(r"\s+")


def render_markdown(document: Mapping[str, Any]) -> str:
    """Render an outlook document as GitHub-flavoured Markdown.

    Parameters
    ----------
    document : Mapping
        An outlook document of schema ``forecast-outlook/1``. Its shape is trusted; its strings are escaped.

    Returns
    -------
    str
        The text. The same document gives the same text.
    """
    page = environment()
    case = document["case"]
    page.filters |= MARKET_FILTERS
    page.filters["side"] = lambda side: side_label(case, side)
    text = page.get_template("report.md.jinja").render(
        document=document,
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
        weekly_medians=weekly_medians,
    )
    return text.rstrip() + "\n"


def environment() -> Environment:
    """Return the environment of a Markdown text: every value is escaped, and what is missing is an error."""
    page = Environment(
        loader=PackageLoader("forecast.report"),
        autoescape=False,  # noqa: S701 -- `finalize` escapes, for Markdown
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {**FILTERS, "linked": _linked}
    return page


def escape(value: object) -> str:
    """Write a value so that Markdown shows it as it is, on one line; text already safe passes through."""
    if isinstance(value, Markup):
        return str(value)
    text = _SPECIAL.sub(r"\\\g<0>", _BLANKS.sub(" ", str(value)))
    return _OPENING.sub(_escape_opening, text)


def _escape_opening(found: re.Match[str]) -> str:
    opening = found.group()
    return f"{opening}\\" if opening.isdigit() else f"\\{opening}"


def _linked(source: str) -> Markup:
    sources = ("".join(_part(part) for part in item) for item in split_sources(source))
    return Markup("; ".join(sources))  # noqa: S704 -- each piece is escaped below


def _part(part: Part) -> str:
    if part.address is None:
        return escape(part.text)
    # Per cent signs stay: the address is encoded already.
    return f"[{escape(part.text)}](<{quote(part.address, safe=':/?#@!$&()*+,;=~%-._')}>)"
