"""The moves of the two ladders and the terms of their hazards: the model's structure as data.

A *move* is a step of one ladder out of some levels to another. A *feature* is a number known at the start of a week. A
*term* is one coefficient: it multiplies one feature in the log-odds of one or several moves. History and simulation use
the same tables, so they cannot drift apart.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

NONE, TALKS, LIMITED, COMPREHENSIVE = range(4)
CALM, COERCION, CONFLICT = range(3)


@dataclass(frozen=True, slots=True)
class Move:
    """A step of one ladder: its base log-odds parameter has the same name."""

    name: str
    ladder: str
    origins: tuple[int, ...]
    target: int


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient: the feature that it multiplies and the moves whose log-odds it enters."""

    name: str
    feature: str
    moves: tuple[str, ...]


MOVES: Final = (
    Move("open", "diplomacy", (NONE,), TALKS),
    Move("limited", "diplomacy", (NONE, TALKS), LIMITED),
    Move("comprehensive", "diplomacy", (NONE, TALKS, LIMITED), COMPREHENSIVE),
    Move("collapse", "diplomacy", (TALKS,), NONE),
    Move("lapse", "diplomacy", (LIMITED, COMPREHENSIVE), NONE),
    Move("coerce", "force", (CALM,), COERCION),
    Move("conflict", "force", (CALM, COERCION), CONFLICT),
    Move("ease", "force", (COERCION,), CALM),
    Move("deescalate", "force", (CONFLICT,), COERCION),
)
MOVE_NAMES: Final = tuple(m.name for m in MOVES)

FEATURES: Final = (
    "from_none",
    "from_limited",
    "from_comprehensive",
    "from_calm",
    "diplomacy_duration",
    "force_duration",
    "deadline",
    "hard_deadline",
    "mediation",
    "coercion",
    "conflict",
    "talks",
    "agreement",
    "log_term_left",
)

_DEALS = ("limited", "comprehensive")
_UP, _DOWN = ("coerce", "conflict"), ("ease", "deescalate")
TERMS: Final = (
    Term("limited_from_none", "from_none", ("limited",)),
    Term("comprehensive_from_none", "from_none", ("comprehensive",)),
    Term("comprehensive_from_limited", "from_limited", ("comprehensive",)),
    Term("lapse_from_comprehensive", "from_comprehensive", ("lapse",)),
    Term("conflict_from_calm", "from_calm", ("conflict",)),
    *(Term(f"duration_{m.name}", f"{m.ladder}_duration", (m.name,)) for m in MOVES),
    Term("deadline_soft", "deadline", _DEALS),
    Term("deadline_hard", "hard_deadline", _DEALS),
    Term("deadline_conflict", "deadline", ("conflict",)),
    Term("mediation_open", "mediation", ("open",)),
    Term("mediation_deal", "mediation", _DEALS),
    Term("mediation_collapse", "mediation", ("collapse",)),
    Term("permanence", "log_term_left", ("comprehensive",)),
    *(
        Term(f"{level}_on_{name}", level, moves)
        for level in ("coercion", "conflict")
        for name, moves in (("open", ("open",)), ("deal", _DEALS), ("collapse", ("collapse",)), ("lapse", ("lapse",)))
    ),
    *(
        Term(f"{level}_on_{name}", level, moves)
        for level in ("talks", "agreement")
        for name, moves in (("up", _UP), ("down", _DOWN))
    ),
)
TERM_NAMES: Final = tuple(t.name for t in TERMS)

# The composites of rung R3 act on groups of moves: 35 effects instead of 63.
DRIVEN: Final = {
    "deal": _DEALS,
    "open": ("open",),
    "collapse": ("collapse",),
    "up": _UP,
    "down": _DOWN,
}

# The gap of rungs R4 to R6 acts on seven groups: limited and comprehensive deals apart, because theory parts them.
GAP_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "limited": ("limited",),
    "comprehensive": ("comprehensive",),
    "open": ("open",),
    "collapse": ("collapse",),
    "lapse": ("lapse",),
    "up": _UP,
    "down": _DOWN,
}
GAP_EFFECTS: Final = tuple(f"gap_on_{group}" for group in GAP_GROUPS)

EPISODE_MOVES: Final = ("limited", "comprehensive", "collapse")

DURATION_UNIT_WEEKS: Final = 13.0
DEADLINE_WINDOW_DAYS: Final = 14
LEAST_TERM_LEFT: Final = 0.05


def ladder_moves(ladder: str) -> tuple[int, ...]:
    """Indices into :data:`MOVES` of the moves of one ladder, in order."""
    return tuple(i for i, m in enumerate(MOVES) if m.ladder == ladder)


def placement() -> np.ndarray:
    """Return the 0/1 array [feature, move, term] that puts every coefficient in its place."""
    place = np.zeros((len(FEATURES), len(MOVES), len(TERMS)))
    for k, term in enumerate(TERMS):
        for move in term.moves:
            place[FEATURES.index(term.feature), MOVE_NAMES.index(move), k] = 1.0
    return place


def driver_placement() -> np.ndarray:
    """Return the 0/1 array [group, move] that says which moves a composite's effect on a group enters."""
    place = np.zeros((len(DRIVEN), len(MOVES)))
    for g, moves in enumerate(DRIVEN.values()):
        for move in moves:
            place[g, MOVE_NAMES.index(move)] = 1.0
    return place


def gap_placement() -> np.ndarray:
    """Return the 0/1 array [gap effect, move] of the moves that an effect of the gap enters."""
    return np.array([[float(move in moves) for move in MOVE_NAMES] for moves in GAP_GROUPS.values()])


def gap_weight(state: str) -> float:
    """Weight of a latent state in the gap: both sides' beliefs over the square root of two, or the tension itself."""
    kind = state.split(":", maxsplit=1)[0]
    return {"tension": 1.0, "true": np.sqrt(0.5), "misperception": np.sqrt(0.5)}.get(kind, 0.0)


def allowed(ladder: str, level: np.ndarray) -> np.ndarray:
    """Return which moves of a ladder are possible out of the given levels, bool [..., move of the ladder]."""
    table = np.zeros((4, len(ladder_moves(ladder))), dtype=bool)
    for j, i in enumerate(ladder_moves(ladder)):
        table[list(MOVES[i].origins), j] = True
    return table[np.asarray(level, dtype=int)]


def duration_scale(weeks: np.ndarray) -> np.ndarray:
    """Log(1 + weeks in the level / 13): 0 on entry, 0.7 after a quarter, 1.6 after a year."""
    return np.log1p(np.asarray(weeks, dtype=float) / DURATION_UNIT_WEEKS)
