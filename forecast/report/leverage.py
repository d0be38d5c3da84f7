"""Charts of latent leverage: what each side holds and believes, its misperception, and the gap, over their priors.

True leverage is blue and solid, believed leverage vermillion and dashed, misperception green, the gap purple; grey is
the prior. Within a picture all panels
share one scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.report.alternatives import latents_text
from forecast.report.drawing import (
    BLUE,
    DARK,
    GREEN,
    PURPLE,
    QUIET,
    VERMILLION,
    annotate,
    date_axis,
    day_numbers,
    spread_apart,
)
from forecast.report.svg import Around, Layout, Picture, grid, picture

_PRIOR = ("#e8e8e8", "#eeeeee", "#f4f4f4")  # from the narrowest band to the widest
_PRIOR_EDGE = "#9a9a9a"
_ROOM, _ROOM_FOR_WORDS = 0.08, 0.15  # of the scale, above and below what is drawn


@dataclass(frozen=True, slots=True)
class _Look:
    """How a latent is drawn: colour, style of its median, shade of its bands, edge of the widest, word at its end."""

    colour: str
    line: str | tuple[int, tuple[float, float]]
    shade: float
    edge: float
    word: str


_LOOKS = {
    "true": _Look(BLUE, "-", 0.2, 0.0, "true"),
    "believed": _Look(VERMILLION, (0, (4, 1.5)), 0.06, 0.7, "believed"),
    "misperception": _Look(GREEN, "-", 0.17, 0.0, "median"),
    "gap": _Look(PURPLE, "-", 0.17, 0.0, "median"),
}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel: its title, the latents in it, and whether it shows sample paths."""

    title: str
    series: tuple[Mapping[str, Any], ...]
    paths: bool = False
    above: str = ""
    below: str = ""


def leverage_pictures(section: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw the leverage section of a document.

    Parameters
    ----------
    section : Mapping
        The document's ``leverage``.

    Returns
    -------
    dict of str to Picture
        ``leverage`` and ``misperception`` where the rung has them, and ``gap``.
    """
    held = [_Panel(side["label"], _those(side, ("true", "believed"))) for side in section["sides"]]
    errors = [
        _Panel(side["label"], shown, paths=True, above="surer of itself than usual", below="less sure than usual")
        for side in section["sides"]
        if (shown := _those(side, ("misperception",)))
    ]
    gap = [
        _Panel("", (section["gap"],), paths=True, above="less room for a deal than usual", below="more room than usual")
    ]
    kinds = {"leverage": ("true", "believed"), "misperception": ("misperception",), "gap": ("gap",)}
    drawn = {"leverage": held, "misperception": errors, "gap": gap}
    return {
        name: picture(
            name,
            lambda layout, panels=panels: _figure(section["weeks"], panels, layout),  # type: ignore[misc]
            latents_text(section, kinds[name]),
        )
        for name, panels in drawn.items()
        if panels
    }


def _those(side: Mapping[str, Any], kinds: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    return tuple(series for series in side["latents"] if series["latent"] in kinds)


def _figure(weeks: Sequence[str], panels: Sequence[_Panel], layout: Layout) -> Figure:
    """Panels side by side on a wide page, one below the other on a narrow one."""
    height, title = 170 if layout.narrow else 230, 30 if panels[0].title else 8
    around = Around(left=26, right=66, title=title, foot=32)
    figure, places = grid(layout, len(panels), columns=len(panels), height=height, around=around)
    limits = _limits(panels)
    for axes, shown in zip(places, panels, strict=True):
        _draw(axes, weeks, shown, limits, layout)
        wide = not layout.narrow and len(panels) == 1
        date_axis(axes, *day_numbers([weeks[0], weeks[-1]]), ticks=9 if wide else 5)
    return figure


def _limits(panels: Sequence[_Panel]) -> tuple[float, float]:
    """Lowest and highest value that any panel has to show, with some room."""
    series = [s for shown in panels for s in shown.series]
    paths = [path for shown in panels if shown.paths for s in shown.series for path in s["samples"]]
    edges = [[*s["bands"][-1][end], s["prior"][-1][end]] for s in series for end in ("lower", "upper")]
    low, high = min(map(min, [*edges, *paths])), max(map(max, [*edges, *paths]))
    room = (_ROOM_FOR_WORDS if any(shown.above for shown in panels) else _ROOM) * (high - low)
    return low - room, high + room


def _draw(axes: Axes, weeks: Sequence[str], shown: _Panel, limits: tuple[float, float], layout: Layout) -> None:
    days = day_numbers(weeks)
    # The prior of the first series alone, which the caption names: two greys on each other tell nothing apart.
    for band, shade in reversed(list(zip(shown.series[0]["prior"], _PRIOR, strict=True))):
        axes.axhspan(band["lower"], band["upper"], color=shade, linewidth=0, zorder=0.5)
    for edge in ("lower", "upper"):
        axes.axhline(shown.series[0]["prior"][-1][edge], color=_PRIOR_EDGE, linestyle=":", linewidth=0.9, zorder=1.5)
    axes.axhline(0, color=DARK, linewidth=0.9, zorder=1.5)
    for place, series in reversed(list(enumerate(shown.series))):  # belief lies under the truth, its line over it
        look = _LOOKS[series["latent"]]
        for band in series["bands"]:
            axes.fill_between(days, band["lower"], band["upper"], color=look.colour, alpha=look.shade, linewidth=0)
        widest = np.column_stack([series["bands"][-1]["lower"], series["bands"][-1]["upper"]])
        axes.plot(days, widest, color=look.colour, linestyle=look.line, linewidth=look.edge)
        for path in series["samples"] if shown.paths else ():
            axes.plot(days, path, color=look.colour, linewidth=0.6, alpha=0.5)
        axes.plot(days, series["median"], color=look.colour, linestyle=look.line, linewidth=2, zorder=3 + place)
    axes.set_ylim(limits)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="y", labelsize=layout.font - 1.5)
    _words(axes, shown, limits, layout)


def _words(axes: Axes, shown: _Panel, limits: tuple[float, float], layout: Layout) -> None:
    """Write the title, what lies above and below zero, and the name of each line at its end."""
    small = layout.font - 1
    if shown.title:
        axes.set_title(shown.title, loc="left", weight="bold", size=layout.font, pad=10)
    if shown.above:
        annotate(axes, f"above 0: {shown.above}", (0, 1), (6, -6), size=small, color=QUIET, va="top")
        annotate(axes, f"below 0: {shown.below}", (0, 0), (6, 7), size=small, color=QUIET)
    low, high = limits
    ends = sorted(((s["median"][-1] - low) / (high - low), s["latent"]) for s in shown.series)
    places = spread_apart([place for place, _ in ends], 0.1)
    for (_, latent), place in zip(ends, places, strict=True):
        look = _LOOKS[latent]
        annotate(axes, look.word, (1, place), (6, 0), size=small, color=look.colour, va="center")
