"""The past and the evidence as the report shows them: state, steps, rugs, data ages."""

from typing import Any

import numpy as np
import pandas as pd

from forecast.case import LADDERS, LEVELS
from forecast.models import History
from forecast.models.reference import usable_episodes
from forecast.observations import Interval, levels_on
from forecast.outlook.words import counted

DAY = np.timedelta64(1, "D")
_LATE_DAYS, _STALE_DAYS = 7, 21


def event(row: pd.Series) -> dict[str, Any]:
    """One event as the document writes it."""
    return {
        "id": row["id"],
        "date": f"{row['event_time']:%Y-%m-%d}",
        "published": f"{row['published_at']:%Y-%m-%d}",
        "signal": row["signal"],
        "side": row["side"],
        "note": row["note"],
        "source": row["source"],
    }


def state(history: History) -> dict[str, Any]:
    """Levels and marks at the end of the coding, with the events that hold them there, or that left a ladder at rest.

    ``since`` is the day, and ``weeks`` the time from it to the end of the coding; the model counts from the end of the
    week before.
    """
    weeks = history.weeks
    today = weeks.ends[-1]
    shown: dict[str, Any] = {}
    for ladder in LADDERS:
        level = int(weeks.levels[ladder][-1])
        holding = [i for i in weeks.intervals if _holds(i, ladder, level) and i.holds_at(today)]
        since = _since(history, ladder)
        shown[ladder] = {
            "level": LEVELS[ladder][level],
            "level_index": level,
            "since": str(since),
            "weeks": round(float((today - since) / (7 * DAY)), 1),
            "because": _events(history, [i.event_id for i in holding[-3:]] or _left_at_rest(history, ladder)),
        }
    shown["marks"] = [_mark(history, mark, label) for mark, label in history.case.marks.items()]
    return shown


def coded_history(history: History) -> dict[str, Any]:
    """The ladders as coded, every step with its events, and the rug of signals."""
    weeks = history.weeks
    rugs = [s for s in history.case.signals if s.rug]
    observations = history.vintage.observations
    return {
        "weeks": [str(day) for day in weeks.ends],
        "ladders": [{"ladder": n, "levels": list(LEVELS[n]), "level_index": weeks.levels[n].tolist()} for n in LADDERS],
        "marks": [
            {"mark": m, "label": label, "on": weeks.marks[m].tolist()} for m, label in history.case.marks.items()
        ],
        "steps": steps(history),
        "counts": [_counts(n, weeks.levels[n]) for n in LADDERS],
        "rugs": [
            {
                "signal": s.id,
                "label": s.label,
                "side": None,
                "dates": [
                    f"{t:%Y-%m-%d}"
                    for t in observations.loc[observations["signal"].eq(s.id), "event_time"]
                    if t.date() >= history.case.grid_start
                ],
            }
            for s in rugs
        ],
    }


def steps(history: History) -> list[dict[str, Any]]:
    """Every step of both ladders with the events that opened or closed a hold in its week."""
    weeks = history.weeks
    found = []
    for ladder in LADDERS:
        level = weeks.levels[ladder]
        for t in np.flatnonzero(np.diff(level)) + 1:
            begin, end = weeks.ends[t - 1], weeks.ends[t]
            found.append(
                {
                    "week": str(end),
                    "ladder": ladder,
                    "from": LEVELS[ladder][level[t - 1]],
                    "to": LEVELS[ladder][level[t]],
                    "events": _events(history, _causes(history, ladder, begin, end, up=level[t] > level[t - 1])),
                }
            )
    return sorted(found, key=lambda s: (s["week"], s["ladder"]))


def signal_ages(history: History) -> list[dict[str, Any]]:
    """How old the newest value of each measured signal is, and the newest event of all."""
    observations, today = history.vintage.observations, pd.Timestamp(history.vintage.instant)
    rows = []
    for signal in history.case.signals:
        mine = observations[observations["signal"].eq(signal.id)]
        if signal.kind != "level" or signal.late_after_days is None or mine.empty:
            continue
        newest = mine.iloc[-1]
        age = (today - newest["event_time"]).days
        rows.append(
            _age_row(signal.id, signal.label, newest, age, signal.late_after_days)
            | {"value": float(newest["value"]), "unit": signal.unit, "note": signal.note}
        )
    kinds = {s.id: s.kind for s in history.case.signals}
    events = observations[observations["signal"].map(kinds).eq("event")]
    if events.empty:
        return rows
    age = (today - events.iloc[-1]["event_time"]).days
    row = _age_row("events", "Events (all kinds)", events.iloc[-1], age, _LATE_DAYS)
    return [row | {"value": float(len(events)), "unit": "events", "note": "Newest event in the table."}, *rows]


def staleness(history: History) -> dict[str, Any]:
    """How far the as-of time lies beyond the end of the data."""
    days = (history.origin.as_of - history.origin.day).days
    until = f"{history.origin.day:%-d %B %Y}"
    if days == 0:
        whole = history.vintage.instant.date() == history.origin.day
        what = "the as-of day" if whole else "the last day that was over at the as-of time"
        return {"status": "fresh", "days": 0, "text": f"Data are coded up to {what}, {until}."}
    status = "late" if days <= _STALE_DAYS else "stale"
    text = (
        f"The data end on {until}, {counted(days, 'day')} before the as-of day. What happened since is simulated, not "
        "known: where the ladders stand is itself uncertain, and the forecast is blind to any news since."
    )
    return {"status": "fresh" if days <= _LATE_DAYS else status, "days": days, "text": text}


def evidence(history: History) -> str:
    """One sentence or two on how much there is to learn from."""
    weeks = history.weeks
    ups = {n: int((np.diff(weeks.levels[n]) > 0).sum()) for n in LADDERS}
    diplomacy = weeks.levels["diplomacy"]
    stepped = np.diff(diplomacy) > 0
    deals = {k: int((stepped & (diplomacy[1:] == k)).sum()) for k in (2, 3)}
    episodes = usable_episodes(history.vintage)
    return (
        f"{weeks.n_weeks} coded weeks since {history.case.grid_start:%B %Y}, with "
        f"{counted(ups['diplomacy'], 'step')} up in diplomacy ({deals[2]} to a limited, {deals[3]} to a "
        f"comprehensive deal) and {ups['force']} in force; "
        f"{len(episodes)} reference episodes of {episodes['dyad'].nunique()} dyads, at reduced weight. "
        "Few events: wide intervals."
    )


def _holds(interval: Interval, ladder: str, level: int) -> bool:
    return interval.hold.ladder == ladder and interval.hold.level == LEVELS[ladder][level]


def _mark(history: History, mark: str, label: str) -> dict[str, Any]:
    mine = [i for i in history.weeks.intervals if i.hold.mark == mark]
    since = today = history.weeks.ends[-1]
    on = any(i.holds_at(today) for i in mine)
    while since > history.weeks.ends[0] and any(i.holds_at(since - DAY) for i in mine) == on:
        since -= DAY
    changed = since > history.weeks.ends[0]  # before the first week nothing is coded, so nothing is said of it
    return {"mark": mark, "label": label, "on": on, "since": str(since) if changed else None}


def _events(history: History, ids: list[str]) -> list[dict[str, Any]]:
    table = history.vintage.observations
    rows = table[table["id"].isin(ids)]
    return [event(row) for _, row in rows.iterrows()]


def _run(history: History, ladder: str) -> tuple[np.datetime64, np.datetime64]:
    """Bounds of the week in which a ladder came to the level where it stands: the day before it, and its last day."""
    level, ends = history.weeks.levels[ladder], history.weeks.ends
    elsewhere = np.flatnonzero(level != level[-1])
    first = int(elsewhere[-1]) + 1 if elsewhere.size else 0
    return (ends[first - 1] if first else np.datetime64(history.case.grid_start, "D") - DAY), ends[first]


def _since(history: History, ladder: str) -> np.datetime64:
    """Return the day of that week from which on a ladder is held where it stands."""
    before, end = _run(history, ladder)
    days = np.arange(before + DAY, end + DAY)
    levels = levels_on(history.weeks.intervals, ladder, days)
    elsewhere = np.flatnonzero(levels != levels[-1])
    since: np.datetime64 = days[elsewhere[-1] + 1 if elsewhere.size else 0]
    return since


def _left_at_rest(history: History, ladder: str) -> list[str]:
    """Events that ended the last hold of a ladder; none where it ran out by rule, or where there was none."""
    return _causes(history, ladder, *_run(history, ladder), up=False)


def _causes(history: History, ladder: str, begin: np.datetime64, end: np.datetime64, *, up: bool) -> list[str]:
    mine = [i for i in history.weeks.intervals if i.hold.ladder == ladder]
    if up:
        return [i.event_id for i in mine if begin < i.start <= end]
    return [str(i.closed_by_id) for i in mine if i.closed_by_id is not None and begin < i.stop <= end]


def _counts(ladder: str, level: np.ndarray) -> dict[str, Any]:
    change = np.diff(level)
    return {"ladder": ladder, "up": int((change > 0).sum()), "down": int((change < 0).sum())}


def _age_row(signal: str, label: str, newest: pd.Series, age: int, late_after: int) -> dict[str, Any]:
    status = "fresh" if age <= late_after else ("late" if age <= 3 * late_after else "stale")
    return {
        "signal": signal,
        "label": label,
        "last_event": f"{newest['event_time']:%Y-%m-%d}",
        "last_published": f"{newest['published_at']:%Y-%m-%d}",
        "age_days": age,
        "late_after_days": late_after,
        "status": status,
    }
