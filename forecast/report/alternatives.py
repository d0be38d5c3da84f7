"""Text alternatives of the charts: sentences that say in numbers what the picture shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from forecast.outlook.words import counted, percent
from forecast.report.formats import confidence, day, percent_range, plain, signed, weeks
from forecast.report.tables import checkpoints, mark_spells


def outcomes_text(outcomes: Mapping[str, Any]) -> str:
    """Say how the dots divide among the exclusive outcomes."""
    shares = "; ".join(
        f"{row['label']}: {counted(row['dots'], 'dot')}, {percent(row['probability'])}"
        for row in outcomes["categories"]
    )
    return f"Fifty dots, each for 2 % of probability, by {day(outcomes['by'])}. {shares}."


def timing_text(timing: Mapping[str, Any]) -> str:
    """Say each curve's height half-way and at the end, the end with its interval."""
    last = len(timing["weeks"]) - 1
    half = checkpoints(last + 1)[1] if last >= 2 else last
    curves = "; ".join(
        f"{curve['label']}: {percent(curve['mean'][half])}, then {percent(curve['mean'][last])} "
        f"({percent_range(curve['lower'][last], curve['upper'][last])})"
        for curve in timing["curves"]
    )
    return (
        f"Probability that each event has happened by {day(timing['dates'][half])}, then by "
        f"{day(timing['dates'][last])} with its {confidence(timing['interval'])}. {curves}."
    )


def occupancy_text(occupancy: Mapping[str, Any]) -> str:
    """Say the probability of every level at the last date."""
    ladders = " ".join(_shares_text(ladder) for ladder in occupancy["ladders"])
    return f"Probability of each level on {day(occupancy['dates'][-1])}. {ladders}"


def history_text(history: Mapping[str, Any]) -> str:
    """Say how often each ladder stepped, where it stood in the end, and how long each mark was on."""
    counts = {row["ladder"]: row for row in history["counts"]}
    ladders = " ".join(_ladder_text(ladder, counts.get(ladder["ladder"])) for ladder in history["ladders"])
    span = f"From {day(history['weeks'][0])} to {day(history['weeks'][-1])}, {weeks(len(history['weeks']))}."
    return " ".join([span, ladders, *_mark_texts(history)])


def latents_text(section: Mapping[str, Any], kinds: Sequence[str]) -> str:
    """Say where some latents stood in the first week shown and where they stand in the last, with its interval."""
    now = section["now"]
    rows = [row for row in now["rows"] if row["latent"] in kinds]
    drawn = {(side["side"], series["latent"]): series for side in section["sides"] for series in side["latents"]}
    drawn[None, "gap"] = section["gap"]
    texts = "; ".join(
        f"{'' if row['side'] is None else row['side_label'] + ', '}{row['label'].lower()}: "
        f"{signed(drawn[row['side'], row['latent']]['median'][0])}, then {signed(row['median'])} "
        f"({signed(row['lower'])} to {signed(row['upper'])})"
        for row in rows
    )
    span = f"on {day(section['weeks'][0])}, then on {day(now['week'])} with its {confidence(now['interval'])}"
    return f"Median {span}. {texts}."


def recent_text(history: Mapping[str, Any], first: str) -> str:
    """Say where each ladder stood at the start and at the end of the recent weeks, and its steps between."""
    ladders = " ".join(_recent_ladder_text(history, ladder, first) for ladder in history["ladders"])
    return f"From {day(first)} to {day(history['weeks'][-1])}. {ladders}"


def _shares_text(ladder: Mapping[str, Any]) -> str:
    shares = zip(ladder["levels"], ladder["mean"][-1], strict=True)
    return (
        f"{ladder['ladder'].capitalize()} ladder: {', '.join(f'{plain(level)} {percent(p)}' for level, p in shares)}."
    )


def _ladder_text(ladder: Mapping[str, Any], count: Mapping[str, Any] | None) -> str:
    end = plain(ladder["levels"][ladder["level_index"][-1]])
    steps = "" if count is None else f"{counted(count['up'], 'step')} up and {count['down']} down, "
    return f"{ladder['ladder'].capitalize()} ladder: {steps}in the end at {end}."


def _recent_ladder_text(history: Mapping[str, Any], ladder: Mapping[str, Any], first: str) -> str:
    name, levels, path = ladder["ladder"], ladder["levels"], ladder["level_index"]
    steps = sum(step["ladder"] == name and step["week"] > first for step in history["steps"])
    start = plain(levels[path[history["weeks"].index(first)]])
    return f"{name.capitalize()} ladder: {counted(steps, 'step')}, from {start} to {plain(levels[path[-1]])}."


def _mark_texts(history: Mapping[str, Any]) -> list[str]:
    total: dict[str, int] = {}
    for spell in mark_spells(history):
        total[spell.label] = total.get(spell.label, 0) + spell.weeks
    return [f"{label} in {weeks(count)}." for label, count in total.items()]
