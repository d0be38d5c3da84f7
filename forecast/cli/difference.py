"""``forecast diff``: two issues of one case side by side."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forecast.cli.shared import add_json, aligned, show
from forecast.outlook.words import percent


def add_difference(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("diff", help="two issues side by side: what came between them and what moved")
    for name in ("before", "after"):
        parser.add_argument(name, type=Path, help="an outlook.json of `forecast run`, or its folder")
    add_json(parser)
    parser.set_defaults(action=_difference)


def _difference(arguments: argparse.Namespace) -> int:
    from forecast.outlook.difference import difference, read_issued

    found = difference(read_issued(arguments.before), read_issued(arguments.after))
    show(found, list(difference_lines(found)), arguments.json)
    return 0


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
    yield from aligned([("question", "weeks", "before", "after", "points"), *map(_probability, found["probabilities"])])
    yield "in brackets 90 % intervals of the probability; ~ is a change no larger than the simulation's own noise"
    if found["leverage"] is None:
        return
    yield ""
    head = ("leverage", "before", "after", "change", "above zero before", "after")
    yield from aligned([head, *map(_latent, found["leverage"]["rows"])])
    interval = percent(found["leverage"]["interval"])
    yield f"medians with {interval} intervals; 1 is the usual spread of true leverage, 0 what is usual for the side"


def _probability(row: Mapping[str, Any]) -> tuple[str, ...]:
    spans = [f"{percent(e['mean'])} ({percent(e['lower'])} to {percent(e['upper'])})" for e in _ends(row)]
    change = f"{'' if row['clear'] else '~'}{100 * row['change']:+.0f}"
    return (row["label"], str(row["horizon_weeks"]), *spans, change)


def _latent(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['side_label']}: {row['label'].lower()}" if row["side_label"] else row["label"]
    spans = [f"{e['median']:+.2f} ({e['lower']:+.2f} to {e['upper']:+.2f})" for e in _ends(row)]
    return (name, *spans, f"{row['change']:+.2f}", *(percent(e["p_positive"]) for e in _ends(row)))


def _ends(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return row["before"], row["after"]


def _plain(level: str) -> str:
    return level.replace("_", " ")
