"""Two issues of one case side by side as lines for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from forecast.cli.shared import aligned
from forecast.outlook.words import percent


def difference_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Write a document of schema ``forecast-difference/1`` as lines."""
    ends = found["before"], found["after"]
    yield f"{found['case']['title']}: {ends[0]['as_of']} and {ends[1]['as_of']}"
    for name in ("rung", "gate", "diplomacy", "force"):
        yield f"{name}: {_plain(ends[0][name])} -> {_plain(ends[1][name])}"
    yield from (f"note: {warning}" for warning in found["warnings"])
    yield from (f"mark {'on' if m['on'] else 'off'}: {m['label']}" for m in found["marks"])
    for step in found["steps"]:
        yield f"week to {step['week']}, {step['ladder']}: {_plain(step['from'])} -> {_plain(step['to'])}"
        yield from (f"  {e['date']} {e['id']}: {e['note']}" for e in step["events"])
    yield ""
    yield from aligned([("question", "by", "before", "after", "points"), *map(_probability, found["probabilities"])])
    yield "by: weeks after each as-of time, with the two days that they end on, or one date for both"
    yield "in brackets 90 % intervals of the probability; ~ is a change no larger than the simulation's own noise"
    if found["leverage"] is None:
        return
    yield ""
    head = ("leverage", "before", "after", "change", "of it drivers", "above zero before", "after")
    yield from aligned([head, *map(_latent, found["leverage"]["rows"])])
    interval = percent(found["leverage"]["interval"])
    yield f"medians with {interval} intervals; 1 is the usual spread of true leverage, 0 what is usual for the side"


def _probability(row: Mapping[str, Any]) -> tuple[str, ...]:
    spans = [f"{percent(e['mean'])} ({percent(e['lower'])} to {percent(e['upper'])})" for e in _ends(row)]
    change = f"{'' if row['clear'] else '~'}{100 * row['change']:+.1f}"
    first, last = (end["by"] for end in _ends(row))
    by = last if row["horizon_weeks"] is None else f"{row['horizon_weeks']} weeks: {first}, {last}"
    return (row["label"], by, *spans, change)


def _latent(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['side_label']}: {row['label'].lower()}" if row["side_label"] else row["label"]
    spans = [f"{e['median']:+.2f} ({e['lower']:+.2f} to {e['upper']:+.2f})" for e in _ends(row)]
    changes = ("unknown" if row[k] is None else f"{row[k]:+.2f}" for k in ("change", "change_from_drivers"))
    return (name, *spans, *changes, *(percent(e["p_positive"]) for e in _ends(row)))


def _ends(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return row["before"], row["after"]


def _plain(level: str) -> str:
    return level.replace("_", " ")
