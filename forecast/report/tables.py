"""Rows of the tables that both reports show, reshaped from the document without a new number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from forecast.outlook.words import counted, percent

_CHECKPOINTS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """One horizon of the probability table: its last day and, where it is a round one, its weeks."""

    by: str
    horizon_weeks: float | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the probability table; a cell is None where that horizon was not asked."""

    label: str
    definition: str
    cells: list[Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Grid:
    """The probability table: events by horizons, in order of date."""

    columns: list[Column]
    rows: list[EventRow]


@dataclass(frozen=True, slots=True)
class Spell:
    """A run of weeks during which a mark was on; `last` is None while it still is."""

    label: str
    first: str
    last: str | None
    weeks: int


@dataclass(frozen=True, slots=True)
class MedianRow:
    """One latent of the table of medians by week."""

    label: str
    medians: list[float]


def probability_grid(probabilities: Sequence[Mapping[str, Any]]) -> Grid:
    """Arrange the probabilities as events by horizons, keeping the document's order of events."""
    columns = sorted(
        {Column(row["by"], row["horizon_weeks"]) for row in probabilities},
        key=lambda column: (column.by, column.horizon_weeks is None, column.horizon_weeks or 0),
    )
    by_event: dict[str, list[Mapping[str, Any]]] = {}
    for row in probabilities:
        by_event.setdefault(row["event"], []).append(row)
    return Grid(columns, [_event_row(rows, columns) for rows in by_event.values()])


def _event_row(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> EventRow:
    cells = {Column(row["by"], row["horizon_weeks"]): row for row in rows}
    return EventRow(rows[0]["label"], rows[0]["definition"], [cells.get(column) for column in columns])


def checkpoints(length: int) -> list[int]:
    """Positions at the quarters of a series, its end included, its known start left out.

    Parameters
    ----------
    length : int
        Number of weeks in the series, the start counted.
    """
    last = length - 1
    return sorted({round(last * step / _CHECKPOINTS) for step in range(1, _CHECKPOINTS + 1)} - {0})


def weekly_medians(leverage: Mapping[str, Any], places: Sequence[int]) -> list[MedianRow]:
    """Medians of every latent in some weeks, that of the latest as its own table has it: by week they are coarser.

    Parameters
    ----------
    leverage : Mapping
        The document's ``leverage``.
    places : sequence of int
        Places of the weeks in ``leverage["weeks"]``.
    """
    latest = {(row["side"], row["latent"]): row["median"] for row in leverage["now"]["rows"]}
    latents = [
        (f"{side['label']}: {series['label'].lower()}", side["side"], series)
        for side in leverage["sides"]
        for series in side["latents"]
    ]
    rows = []
    for label, side, series in [*latents, (leverage["gap"]["label"], None, leverage["gap"])]:
        medians = [*series["median"][:-1], latest[side, series["latent"]]]
        rows.append(MedianRow(label, [medians[place] for place in places]))
    return rows


def mark_spells(history: Mapping[str, Any]) -> list[Spell]:
    """List the runs of weeks during which each mark was on, oldest first within a mark."""
    return [spell for mark in history["marks"] for spell in spells_of(mark, history["weeks"])]


def spells_of(mark: Mapping[str, Any], weeks: Sequence[str]) -> list[Spell]:
    """List the runs of weeks during which one mark was on, oldest first."""
    spells = []
    start = 0
    for on, run in groupby(mark["on"]):
        end = start + len(list(run))
        if on:
            last = weeks[end - 1] if end < len(weeks) else None
            spells.append(Spell(mark["label"], weeks[start], last, end - start))
        start = end
    return spells


def levels_of(history: Mapping[str, Any], ladder: str) -> list[str]:
    """Levels of one ladder from the lowest to the highest."""
    found: list[str] = next(row["levels"] for row in history["ladders"] if row["ladder"] == ladder)
    return found


def side_label(case: Mapping[str, Any], side: str | None) -> str | None:
    """Label of a side of the case; a party that is no side of it keeps its own word."""
    labels = {row["id"]: row["label"] for row in case["sides"]}
    return side if side is None else labels.get(side, side)


def rug_label(case: Mapping[str, Any], rug: Mapping[str, Any]) -> str:
    """Label of a signal's row, with the side where the signal has one: ``Walkouts, Iran``."""
    side = side_label(case, rug["side"])
    return rug["label"] if side is None else f"{rug['label']}, {side}"


def bands_text(bands: Sequence[float]) -> str:
    """Name bands by their probabilities: ``50, 80 and 95 %``."""
    *most, last = (f"{100 * p:.0f}" for p in bands)
    return f"{', '.join(most)} and {last} %" if most else f"{last} %"


def evidence_text(evidence: Sequence[Mapping[str, Any]]) -> str:
    """Count what speaks of each side's leverage."""
    told = "; ".join(
        f"{row['side_label']}: {counted(row['structural'], 'structural item')}, "
        f"{counted(row['behavioural'], 'behavioural item')}, {counted(row['drivers'], 'driver')}"
        for row in evidence
    )
    return f"What speaks of leverage: {told}. Structural items show what is true, behavioural ones what is believed."


def correction_text(correction: Mapping[str, Any]) -> str:
    """Say how far the draws of the latents had to be corrected, and whether they could be."""
    khat = "not finite" if correction["khat"] is None else f"{correction['khat']:.2f}"
    if correction["applied"]:
        done = f"which worked: the weights leave {percent(correction['efficiency'])} of the draws"
    elif correction["distance"] < correction["negligible"]:
        done = f"which are all but equal: no probability is off by more than {100 * correction['distance']:.1f} %"
    else:
        done = "which was refused, so that these numbers are those of Laplace's approximation"
    return (
        "Latent paths come from Laplace's approximation and are corrected to the exact posterior by importance "
        f"weights, {done}; k-hat {khat}, usable below {correction['limit']:.2f}."
    )
