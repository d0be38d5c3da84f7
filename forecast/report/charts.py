"""The charts: outcomes as dots, timing, occupancy, and the ladders as coded.

Colours are Okabe and Ito's where kinds differ and run from light to dark where levels are ordered; markers, line
styles, hatches and direct labels say the same again, so that nothing depends on colour. Every chart is drawn twice, for
wide and for narrow pages.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.outlook.words import percent
from forecast.report.alternatives import history_text, occupancy_text, outcomes_text, recent_text, timing_text
from forecast.report.drawing import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    QUIET,
    VERMILLION,
    annotate,
    date_axis,
    day_number,
    day_numbers,
    spread_apart,
)
from forecast.report.formats import percent_range, plain, short_day
from forecast.report.leverage import leverage_pictures
from forecast.report.markets import market_pictures
from forecast.report.svg import Layout, Picture, blank, panel, picture
from forecast.report.tables import rug_label, spells_of

RECENT_WEEKS = 52


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one outcome or event looks: colour, marker of its dots, style of its line."""

    colour: str
    marker: str = "o"
    line: str = "-"
    hollow: bool = False


_KINDS = {
    "escalation_first": _Kind(VERMILLION),
    "neither": _Kind(GREY, hollow=True),
    "limited_first": _Kind(BLUE, marker="s"),
    "comprehensive_first": _Kind(GREEN, marker="D"),
    "deal": _Kind(DARK),
    "deal_limited": _Kind(BLUE, line="--"),
    "deal_comprehensive": _Kind(GREEN, line="-."),
    "escalation": _Kind(VERMILLION, line=":"),
}
_OTHER = _Kind(GREY)

# From light to dark as the ladder rises; the hatches tell neighbours apart in print.
_SHADES = {
    "diplomacy": ("#ececec", "#b9d9ee", "#56a0d3", "#0b4f8a"),
    "force": ("#ececec", "#f6c08a", "#c8500a"),
}
_HATCHES = ("", "///", "", "\\\\\\")
_SIDE_COLOURS = {"us": BLUE, "iran": VERMILLION}

_LABEL_GAP = 8  # pixels between a row's label and the plot
_LABEL_LENGTH = 40  # characters that fit beside a row; the tables give labels in full


def pictures(document: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw every chart for which the document has content.

    Parameters
    ----------
    document : Mapping
        An outlook document of schema ``forecast-outlook/1``.

    Returns
    -------
    dict of str to Picture
        Keys among ``outcomes``, ``timing``, ``occupancy``, ``leverage``, ``misperception``, ``gap``, ``ladders``,
        ``history``, ``recent``.
    """
    drawn: dict[str, Picture] = {}
    if outcomes := document["outcomes"]:
        drawn["outcomes"] = picture("outcomes", lambda layout: _dots(outcomes, layout), outcomes_text(outcomes))
    if timing := document["timing"]:
        drawn["timing"] = picture("timing", lambda layout: _timing(timing, layout), timing_text(timing))
    if occupancy := document["occupancy"]:
        areas = occupancy_text(occupancy)
        drawn["occupancy"] = picture("occupancy", lambda layout: _occupancy(occupancy, layout), areas)
    if leverage := document.get("leverage"):
        drawn |= leverage_pictures(leverage)
    if markets := document.get("markets"):
        drawn |= market_pictures(markets)
    if history := document["history"]:
        drawn |= _history_pictures(history, document["case"])
    return drawn


def _history_pictures(history: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Picture]:
    weeks = history["weeks"]
    drawn = {
        "history": picture("history", lambda layout: _ladders(history, case, weeks[0], layout), history_text(history))
    }
    if len(weeks) > RECENT_WEEKS:
        first = weeks[-RECENT_WEEKS - 1]
        text = recent_text(history, first)
        drawn["recent"] = picture("recent", lambda layout: _ladders(history, case, first, layout), text)
    return drawn


# --- outcomes as dots -----------------------------------------------------------------------------------------------


def _dots(outcomes: Mapping[str, Any], layout: Layout) -> Figure:
    rows = outcomes["categories"]
    pitch, label_width = (13.5, 0.0) if layout.narrow else (22.0, 330.0)
    title, gap = (24.0, 16.0) if layout.narrow else (0.0, 24.0)
    step = title + 2 * pitch + gap
    figure = blank(layout, step * len(rows))
    axes = panel(figure, left=0, top=0, width=layout.width, height=step * len(rows))
    axes.set(xlim=(0, layout.width), ylim=(step * len(rows), 0))
    axes.set_axis_off()
    for number, row in enumerate(rows):
        top = number * step
        _strip(axes, row, left=label_width, top=top + title + gap / 2, pitch=pitch)
        middle = top + (title if layout.narrow else step) / 2
        axes.text(0, middle, percent(row["probability"]), weight="bold", size=layout.font + 3, va="center")
        label = textwrap.fill(row["label"], 38 if layout.narrow else 32)
        axes.text(62, middle, label, size=layout.font + 1, va="center")
    return figure


def _strip(axes: Axes, row: Mapping[str, Any], *, left: float, top: float, pitch: float) -> None:
    kind = _KINDS.get(row["key"], _OTHER)
    place = np.arange(row["dots"])
    size = (0.72 * pitch * (0.86 if kind.marker in "sD" else 1)) ** 2
    axes.scatter(
        left + (place // 2 + 0.5) * pitch,
        top + (place % 2 + 0.5) * pitch,
        s=size * (0.8 if kind.marker == "D" else 1),
        marker=kind.marker,
        facecolors="white" if kind.hollow else kind.colour,
        edgecolors=kind.colour,
        linewidths=1.4,
    )


# --- timing ---------------------------------------------------------------------------------------------------------


def _timing(timing: Mapping[str, Any], layout: Layout) -> Figure:
    curves = timing["curves"]
    columns = 2 if layout.narrow else max(len(curves), 1)
    rows = -(-len(curves) // columns)
    left, gap, title, height = (24, 14, 74, 130) if layout.narrow else (26, 24, 78, 210)
    width = (layout.width - left - 6 - gap * (columns - 1)) / columns
    figure = blank(layout, rows * (title + height + 26))
    top = _round_up(max(max(curve["upper"]) for curve in curves))
    for number, curve in enumerate(curves):
        down, across = divmod(number, columns)
        place = (left + across * (width + gap), title + down * (title + height + 26))
        axes = panel(figure, left=place[0], top=place[1], width=width, height=height)
        _curve(axes, timing, curve, layout=layout)
        _percent_axis(axes, top, labels=across == 0)
    return figure


def _curve(axes: Axes, timing: Mapping[str, Any], curve: Mapping[str, Any], *, layout: Layout) -> None:
    kind = _KINDS.get(curve["event"], _OTHER)
    days = day_numbers(timing["dates"])
    axes.fill_between(days, curve["lower"], curve["upper"], color=kind.colour, alpha=0.2, linewidth=0)
    axes.plot(days, curve["mean"], color=kind.colour, linestyle=kind.line, linewidth=2.4)
    axes.plot(days[-1:], curve["mean"][-1:], "o", color=kind.colour, clip_on=False, zorder=3)
    date_axis(axes, days[0], days[-1], ticks=3 if layout.narrow else 4)
    _curve_title(axes, timing, curve, layout)


def _curve_title(axes: Axes, timing: Mapping[str, Any], curve: Mapping[str, Any], layout: Layout) -> None:
    small = layout.font - 1
    name = textwrap.fill(curve["label"], 22 if layout.narrow else 27)
    number = f"{percent(curve['mean'][-1])} ({percent_range(curve['lower'][-1], curve['upper'][-1])})"
    by = f"by {short_day(timing['dates'][-1])}"
    annotate(axes, f"{number}\n{by}", (0, 1), (0, 7), size=small, color=QUIET)
    annotate(axes, name, (0, 1), (0, 38), size=small, weight="bold")


def _round_up(highest: float) -> float:
    return min(1.0, max(0.2, np.ceil(highest * 10) / 10))


def _percent_axis(axes: Axes, top: float, *, labels: bool) -> None:
    ticks = np.arange(0, top + 0.01, 0.1 if top <= 0.4 else 0.2 if top <= 0.8 else 0.25)
    axes.set(ylim=(0, top), yticks=ticks, yticklabels=[f"{100 * tick:.0f}" if labels else "" for tick in ticks])
    axes.grid(visible=False, axis="x")


# --- occupancy ------------------------------------------------------------------------------------------------------


def _occupancy(occupancy: Mapping[str, Any], layout: Layout) -> Figure:
    ladders = occupancy["ladders"]
    title, foot = 30, 32
    columns = 1 if layout.narrow else len(ladders)
    margin, height = (118, 170) if layout.narrow else (150, 230)
    left, width = 28, layout.width / columns - margin - 28
    rows = -(-len(ladders) // columns)
    figure = blank(layout, rows * (title + height + foot))
    for number, ladder in enumerate(ladders):
        down, across = divmod(number, columns)
        axes = panel(
            figure,
            left=left + across * layout.width / columns,
            top=title + down * (title + height + foot),
            width=width,
            height=height,
        )
        _areas(axes, occupancy["dates"], ladder, layout=layout)
    return figure


def _areas(axes: Axes, dates: Sequence[str], ladder: Mapping[str, Any], *, layout: Layout) -> None:
    days = day_numbers(dates)
    shares = np.asarray(ladder["mean"], dtype=float)
    edges = np.concatenate([np.zeros((len(shares), 1)), shares.cumsum(axis=1)], axis=1)
    shades = _SHADES[ladder["ladder"]]
    for level in range(shares.shape[1]):
        axes.fill_between(
            days,
            edges[:, level],
            edges[:, level + 1],
            facecolor=shades[level],
            edgecolor="white",
            hatch=_HATCHES[level],
            linewidth=0.8,
        )
    axes.set_title(f"{ladder['ladder'].capitalize()} ladder", loc="left", weight="bold", size=layout.font, pad=10)
    _percent_axis(axes, 1.0, labels=True)
    date_axis(axes, days[0], days[-1], ticks=4)
    _area_labels(axes, ladder["levels"], shares[-1], layout)


def _area_labels(axes: Axes, levels: Sequence[str], shares: np.ndarray, layout: Layout) -> None:
    middles = shares.cumsum() - shares / 2
    for level, share, place in zip(levels, shares, spread_apart(middles, 0.2 if layout.narrow else 0.15), strict=True):
        name = textwrap.fill(plain(level), 15)
        annotate(axes, f"{name} {percent(share)}", (1, place), (8, 0), size=layout.font - 1, va="center")


# --- the ladders as coded -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """One labelled row under the ladders: bars of (start, width) or ticks at days."""

    label: str
    colour: str
    bars: tuple[tuple[float, float], ...] = ()
    ticks: tuple[float, ...] = ()


def _ladders(history: Mapping[str, Any], case: Mapping[str, Any], first: str, layout: Layout) -> Figure:
    left, right = (96, 8) if layout.narrow else (236, 16)
    rows = [row for row in _rows(history, case, first) if row.bars or row.ticks]
    heights = [30 + 26 * len(ladder["levels"]) for ladder in history["ladders"]]
    pitch = 29 if layout.narrow else 20
    total = sum(heights) + pitch * len(rows) + 60
    figure = blank(layout, total)
    span = (day_number(first), day_number(history["weeks"][-1]))
    top = 0.0
    for ladder, height in zip(history["ladders"], heights, strict=True):
        axes = panel(figure, left=left, top=top + 30, width=layout.width - left - right, height=height - 30)
        _steps(axes, _corners(history["weeks"], ladder["level_index"]), ladder, layout=layout, left=left)
        date_axis(axes, *span, ticks=5 if layout.narrow else 9, labels=False)
        top += height
    axes = panel(figure, left=left, top=top + 20, width=layout.width - left - right, height=pitch * len(rows) + 8)
    _draw_rows(axes, rows, layout)
    date_axis(axes, *span, ticks=5 if layout.narrow else 9)
    return figure


def _corners(weeks: Sequence[str], path: Sequence[int]) -> tuple[list[float], list[int]]:
    """Keep the first week and the last one of every run at the same level: all that a step line needs."""
    ends = [0, *(week for week in range(len(path)) if week + 1 == len(path) or path[week] != path[week + 1])]
    return [day_number(weeks[week]) for week in ends], [path[week] for week in ends]


def _steps(
    axes: Axes, corners: tuple[list[float], list[int]], ladder: Mapping[str, Any], *, layout: Layout, left: float
) -> None:
    days, path = corners
    levels = ladder["levels"]
    colour = _SHADES[ladder["ladder"]][-1]
    # A week's level holds for the seven days that end on its date.
    axes.step(days, path, where="pre", color=colour, linewidth=1.6)
    axes.fill_between(days, path, -0.4, step="pre", color=colour, alpha=0.16, linewidth=0)
    names = [textwrap.fill(plain(level), 14 if layout.narrow else 40) for level in levels]
    axes.set(ylim=(-0.4, len(levels) - 0.6), yticks=range(len(levels)), yticklabels=names)
    axes.tick_params(axis="y", labelsize=layout.font - 1.5, pad=_LABEL_GAP)
    annotate(axes, f"{ladder['ladder'].capitalize()} ladder", (0, 1), (-left, 10), size=layout.font, weight="bold")


def _rows(history: Mapping[str, Any], case: Mapping[str, Any], first: str) -> list[_Row]:
    start = day_number(first)
    marks = [_Row(mark["label"], DARK, bars=_bars(mark, history["weeks"], start)) for mark in history["marks"]]
    rugs = [
        _Row(
            rug_label(case, rug),
            _SIDE_COLOURS.get(rug["side"] or "", QUIET),
            ticks=tuple(day for day in map(day_number, rug["dates"]) if day >= start),
        )
        for rug in history["rugs"]
    ]
    return marks + rugs


def _bars(mark: Mapping[str, Any], weeks: Sequence[str], start: float) -> tuple[tuple[float, float], ...]:
    runs = ((_beginning(spell.first, weeks), day_number(spell.last or weeks[-1])) for spell in spells_of(mark, weeks))
    return tuple((first, last - first) for first, last in runs if last > start)


def _beginning(week: str, weeks: Sequence[str]) -> float:
    """Where a week begins, named by its last day: at the end of the week before, as the last may be a part of one."""
    place = weeks.index(week)
    return day_number(weeks[place - 1]) if place else day_number(week) - 7


def _draw_rows(axes: Axes, rows: Sequence[_Row], layout: Layout) -> None:
    axes.set(ylim=(len(rows) - 0.4, -0.6), yticks=[])
    axes.grid(visible=False, axis="y")
    for place, row in enumerate(rows):
        middle, half = (place + 0.22, 0.16) if layout.narrow else (place, 0.32)
        if row.bars:
            axes.broken_barh(row.bars, (middle - half / 2, half), color=row.colour, linewidth=0)
        if row.ticks:
            axes.plot(*_tick_path(row.ticks, middle - half, middle + half), color=row.colour, linewidth=1.1)
        _row_label(axes, row.label, place, layout)


def _tick_path(days: Sequence[float], low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw all ticks of a row as one broken line: a fifth of the bytes of a path for each."""
    gaps = np.full(len(days), np.nan)
    across = np.column_stack([days, days, gaps])
    return across.ravel(), np.tile([low, high, np.nan], len(days))


def _row_label(axes: Axes, label: str, place: int, layout: Layout) -> None:
    axes.annotate(
        textwrap.shorten(label, _LABEL_LENGTH, placeholder=" …"),
        (0, place - 0.22 if layout.narrow else place),
        (2 if layout.narrow else -_LABEL_GAP, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="left" if layout.narrow else "right",
        va="center",
        size=layout.font - 1.5,
        annotation_clip=False,
    )
