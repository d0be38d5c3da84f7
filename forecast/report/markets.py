"""The ladders of the markets as a chart: what the contracts are priced at beside what they are worth to the model."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.outlook.words import percent
from forecast.report.drawing import BLUE, VERMILLION, annotate, date_axis, day_number, day_numbers
from forecast.report.formats import MISSING, percent_range, short_day
from forecast.report.svg import Around, Layout, Picture, grid, picture


def market_pictures(section: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw the ladders of a comparison (``forecast-markets/1``): ``ladders``, if there are any."""
    shown = [mapping for mapping in section["mappings"] if mapping["curve"]]
    if not shown:
        return {}
    return {"ladders": picture("ladders", lambda layout: _ladders(shown, layout), _text(shown))}


def share(found: Mapping[str, float] | None) -> str:
    """Write a probability; a dash if there is none."""
    return MISSING if found is None else percent(found["value"])


def span(found: Mapping[str, float] | None) -> str:
    """Write the interval of a probability; a dash if there is none."""
    return MISSING if found is None else percent_range(found["lower"], found["upper"])


def points_apart(gap: Mapping[str, float] | None) -> str:
    """Write a gap in percentage points with its interval; a dash if there is none."""
    if gap is None:
        return MISSING
    low, value, high = (f"{100 * gap[key]:+.0f}".replace("-", "−") for key in ("lower", "value", "upper"))
    return f"{value} ({low} to {high})"


def fine(price: float | None) -> str:
    """Write a price to a tenth of a per cent, as venues quote it."""
    return MISSING if price is None else f"{100 * price:.1f} %"


def fine_span(band: Mapping[str, float]) -> str:
    """Write a band of prices to a tenth of a per cent."""
    return f"{100 * band['lower']:.1f}–{100 * band['upper']:.1f} %"


def verdict_counts(mapping: Mapping[str, Any]) -> str:
    """Say on how many legs the model stands outside the band."""
    told = [leg["verdict"] for leg in mapping["legs"] if leg["verdict"] in {"inside", "above", "below"}]
    if not told:
        return "No leg has both a book and a model, so no band to stand in or out of."
    return f"The model stands outside the band on {len(told) - told.count('inside')} of {len(told)} legs."


def on_curve(mapping: Mapping[str, Any], leg: Mapping[str, Any]) -> float | None:
    """Return where a leg stands on the ladder made monotone; None if it is on none."""
    curve = mapping["curve"]
    return dict(zip(curve["dates"], curve["cumulative"], strict=True)).get(leg["by"]) if curve else None


FILTERS = {"fine": fine, "fine_span": fine_span, "points_apart": points_apart, "share": share, "span": span}
"""Filters of the section, in both reports."""


def _ladders(shown: Sequence[Mapping[str, Any]], layout: Layout) -> Figure:
    around = Around(left=28, right=44, title=52, foot=34)
    height = 180 if layout.narrow else 210
    figure, places = grid(layout, len(shown), columns=min(len(shown), 3), height=height, around=around)
    for axes, mapping in zip(places, shown, strict=True):
        _ladder(axes, mapping, layout)
    return figure


def _ladder(axes: Axes, mapping: Mapping[str, Any], layout: Layout) -> None:
    curve, grid = mapping["curve"], mapping["curve"]["grid"]
    small = layout.font - 1
    days, legs = day_numbers(grid["dates"]), day_numbers(curve["dates"])
    worth = np.array([math.nan if x is None else x for x in grid["worth"]])
    known = np.flatnonzero(~np.isnan(worth))
    top = _round_up(max([*curve["upper"], *worth[known]]))
    axes.plot(days, grid["market"], color=VERMILLION, linewidth=1.6)
    axes.vlines(legs, curve["lower"], curve["upper"], color=VERMILLION, linewidth=5, alpha=0.35)
    axes.plot(legs, curve["cumulative"], "o", color=VERMILLION, markersize=5, clip_on=False, zorder=3)
    axes.plot(days, worth, color=BLUE, linewidth=2.2, linestyle=(0, (4, 1.5)))
    ticks = np.arange(0, top + 0.001, top / 4)
    axes.set(ylim=(0, top), yticks=ticks, yticklabels=[f"{100 * tick:.3g}" for tick in ticks])
    axes.tick_params(axis="y", labelsize=layout.font - 1.5)
    axes.grid(visible=False, axis="x")
    date_axis(axes, day_number(grid["dates"][0]), float(days[-1]), ticks=4)
    annotate(
        axes, textwrap.fill(mapping["label"], 40 if layout.narrow else 34), (0, 1), (-20, 12), size=small, weight="bold"
    )
    if known.size:
        _line_end(axes, "model", (float(days[known[-1]]), float(worth[known[-1]])), BLUE, small)
    _line_end(axes, "market", (float(days[-1]), float(grid["market"][-1])), VERMILLION, small)


def _line_end(axes: Axes, word: str, place: tuple[float, float], colour: str, size: float) -> None:
    axes.annotate(word, place, (5, 0), textcoords="offset points", color=colour, size=size, va="center")


def _round_up(highest: float) -> float:
    """Return the next height of an axis that four ticks divide into round numbers."""
    return next((h for h in (0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8) if highest <= h), 1.0)


def _text(shown: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for mapping in shown:
        curve = mapping["curve"]
        legs = ", ".join(
            f"{short_day(day)} {percent(value)}" for day, value in zip(curve["dates"], curve["cumulative"], strict=True)
        )
        worth = [leg["worth"] for leg in mapping["legs"] if leg["worth"] is not None]
        own = [1 - w["value"] if curve["of"] == "no" else w["value"] for w in worth]
        parts.append(f"{mapping['label']} {legs}; worth to the model {', '.join(map(percent, own)) or 'not known'}.")
    return "Ladders of contracts as priced, made monotone, and as the model would value them. " + " ".join(parts)
