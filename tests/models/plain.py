"""The hazard model once more, in plain NumPy and written out by hand: it shares nothing with the package but names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Parameters = Mapping[str, float]
"""Base rates and terms by name, with ``dyad_deal`` and ``dyad_collapse`` for the case's own dyad."""
LogOdds = dict[str, np.ndarray]
"""Log-odds against staying, by move."""

# Every step that a ladder can be seen to make in a week, and the move that it counts as.
STEPS: dict[str, dict[tuple[int, int], str]] = {
    "diplomacy": {
        (0, 1): "open",
        (0, 2): "limited",
        (0, 3): "comprehensive",
        (1, 2): "limited",
        (1, 3): "comprehensive",
        (1, 0): "collapse",
        (2, 3): "comprehensive",
        (2, 1): "lapse",
        (2, 0): "lapse",
        (3, 2): "lapse",
        (3, 1): "lapse",
        (3, 0): "lapse",
    },
    "force": {
        (0, 1): "coerce",
        (0, 2): "conflict",
        (1, 2): "conflict",
        (1, 0): "ease",
        (2, 1): "deescalate",
        (2, 0): "deescalate",
    },
}
GROUPS = {
    "deal": ("limited", "comprehensive"),
    "open": ("open",),
    "collapse": ("collapse",),
    "up": ("coerce", "conflict"),
    "down": ("ease", "deescalate"),
}


@dataclass(frozen=True, slots=True)
class Week:
    """What is known at the start of one week, or of many [week]."""

    diplomacy: np.ndarray
    force: np.ndarray
    diplomacy_weeks: np.ndarray
    force_weeks: np.ndarray
    mediation: np.ndarray
    deadline: np.ndarray
    hard_deadline: np.ndarray
    log_term_left: np.ndarray


def open_moves(ladder: str, level: int) -> tuple[str, ...]:
    """Return the moves that a level allows, in the order of ``STEPS``."""
    return tuple(dict.fromkeys(move for (before, _), move in STEPS[ladder].items() if before == level))


def log_odds(week: Week, p: Parameters, drive: Mapping[str, np.ndarray] | None = None) -> LogOdds:
    """Return the log-odds of all nine moves; ``drive`` adds a number to every move of a group."""
    added = {move: 0.0 if drive is None else drive[group] for group, moves in GROUPS.items() for move in moves}
    eta = {**_diplomacy(week, p), **_force(week, p)}
    return {move: np.asarray(value + added.get(move, 0.0), dtype=float) for move, value in eta.items()}


def _diplomacy(week: Week, p: Parameters) -> LogOdds:
    coercion, conflict, mediated = week.force == 1, week.force == 2, week.mediation
    long = np.log(1 + week.diplomacy_weeks / 13)
    on_deal = p["coercion_on_deal"] * coercion + p["conflict_on_deal"] * conflict + p["mediation_deal"] * mediated
    due = p["deadline_soft"] * week.deadline + p["deadline_hard"] * week.hard_deadline
    deal = p["dyad_deal"] + on_deal + due
    return {
        "open": p["open"]
        + p["duration_open"] * long
        + p["mediation_open"] * mediated
        + p["coercion_on_open"] * coercion
        + p["conflict_on_open"] * conflict,
        "limited": p["limited"] + deal + p["duration_limited"] * long + p["limited_from_none"] * (week.diplomacy == 0),
        "comprehensive": p["comprehensive"]
        + deal
        + p["duration_comprehensive"] * long
        + p["comprehensive_from_none"] * (week.diplomacy == 0)
        + p["comprehensive_from_limited"] * (week.diplomacy == 2)
        + p["permanence"] * week.log_term_left,
        "collapse": p["collapse"]
        + p["dyad_collapse"]
        + p["duration_collapse"] * long
        + p["mediation_collapse"] * mediated
        + p["coercion_on_collapse"] * coercion
        + p["conflict_on_collapse"] * conflict,
        "lapse": p["lapse"]
        + p["duration_lapse"] * long
        + p["lapse_from_comprehensive"] * (week.diplomacy == 3)
        + p["coercion_on_lapse"] * coercion
        + p["conflict_on_lapse"] * conflict,
    }


def _force(week: Week, p: Parameters) -> LogOdds:
    talks, agreement = week.diplomacy == 1, week.diplomacy >= 2
    up = p["talks_on_up"] * talks + p["agreement_on_up"] * agreement
    down = p["talks_on_down"] * talks + p["agreement_on_down"] * agreement
    long = np.log(1 + week.force_weeks / 13)
    return {
        "coerce": p["coerce"] + up + p["duration_coerce"] * long,
        "conflict": p["conflict"]
        + up
        + p["duration_conflict"] * long
        + p["conflict_from_calm"] * (week.force == 0)
        + p["deadline_conflict"] * week.deadline,
        "ease": p["ease"] + down + p["duration_ease"] * long,
        "deescalate": p["deescalate"] + down + p["duration_deescalate"] * long,
    }


def chances(ladder: str, level: int, eta: LogOdds, exposure: float = 1.0) -> dict[str, float]:
    """Return the probability of each move out of a level in one week; staying has the rest."""
    odds = {move: exposure * float(np.exp(eta[move])) for move in open_moves(ladder, level)}
    total = 1 + sum(odds.values())
    return {move: value / total for move, value in odds.items()}


def log_likelihood(ladder: str, level: np.ndarray, eta: LogOdds, exposure: np.ndarray) -> float:
    """Log-probability of the moves that a ladder made; ``eta`` and ``exposure`` of each week that has a predecessor."""
    total = 0.0
    for t, (before, after) in enumerate(zip(level[:-1].tolist(), level[1:].tolist(), strict=True)):
        of = chances(ladder, before, {move: value[t] for move, value in eta.items()}, float(exposure[t]))
        total += float(np.log(1 - sum(of.values()) if before == after else of[STEPS[ladder][before, after]]))
    return total


def weeks_spent(level: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Weeks since the level was entered, at the end of each entry [week]."""
    entered = [
        max((s for s in range(t + 1) if s == 0 or level[s] != level[s - 1]), default=0) for t in range(len(level))
    ]
    return np.array([exposure[s : t + 1].sum() for t, s in enumerate(entered)])
