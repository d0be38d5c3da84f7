"""What the charts share: colours, words at places, axes of dates."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

DARK, QUIET = "#1a1a1a", "#5c5c5c"
BLUE, GREEN, VERMILLION, PURPLE, GREY = "#0072b2", "#009e73", "#d55e00", "#7a3a78", "#767676"


def annotate(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    *,
    size: float,
    weight: str = "normal",
    color: str = DARK,
    va: str = "baseline",
) -> None:
    """Write at a place given as fractions of the axes, moved by an offset in pixels."""
    axes.annotate(
        text,
        place,
        offset,
        xycoords="axes fraction",
        textcoords="offset points",
        size=size,
        weight=weight,
        color=color,
        va=va,
    )


def spread_apart(places: Sequence[float] | np.ndarray, distance: float) -> list[float]:
    """Move ordered places apart so that neighbours are at least a distance from each other, within 0 and 1."""
    moved: list[float] = []
    for place in places:
        moved.append(max(float(place), moved[-1] + distance if moved else 0.0))
    limit = 1.0
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - distance
    return moved


def day_number(stamp: str) -> float:
    """Place of the day of an ISO date or time on an axis of dates."""
    return float(date2num(date.fromisoformat(stamp[:10])))


def day_numbers(stamps: Sequence[str]) -> np.ndarray:
    """Places of several days."""
    return np.array([day_number(stamp) for stamp in stamps])


def date_axis(axes: Axes, first: float, last: float, *, ticks: int, labels: bool = True) -> None:
    """Make the horizontal axis one of dates from the first day to the last."""
    locator = AutoDateLocator(minticks=2, maxticks=ticks)
    axes.set_xlim(first, last)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.tick_params(axis="x", labelbottom=labels)
