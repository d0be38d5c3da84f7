"""The reference episodes as data for the hazards: what other negotiations say about how talks end.

An episode is talks from its start until a deal or a collapse. It enters week by week, from the week in which it could
first have been chosen (its start), failures and open ones included; its last week counts by its days. An open one is at
risk to the as-of day, or to the day that the case is coded to if that is earlier. Rounds are never counted beside their
episode, secret tracks enter once they are public (the vintage sees to that), and episodes of the case's own dyad inside
the weekly grid are left out because the coded weeks already hold them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from forecast.models.moves import EPISODE_MOVES
from forecast.observations import Vintage

OWN_DYAD = 0
_MOVE_OF = {
    "limited_deal": "limited",
    "comprehensive_deal": "comprehensive",
    "inconclusive": "collapse",
    "escalation": "collapse",
}


@dataclass(frozen=True, slots=True)
class EpisodeWeeks:
    """Weeks at risk of reference episodes, gathered into rows of the same dyad, mediation and duration.

    Attributes
    ----------
    dyads
        Names of the dyads; the first is the case's own.
    dyad
        Index of the dyad [row].
    mediated
        Whether a mediator was named [row].
    weeks
        Weeks since the start of the episode when the week begins [row].
    weight
        Weeks at risk, parts of one included, times the power-prior weight of their class [row].
    moves
        Moves made times the same weight, by move of ``EPISODE_MOVES`` [row, move].
    """

    dyads: tuple[str, ...]
    dyad: np.ndarray
    mediated: np.ndarray
    weeks: np.ndarray
    weight: np.ndarray
    moves: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.dyad)


def usable_episodes(vintage: Vintage) -> pd.DataFrame:
    """Episodes that may enter: no rounds, and none of the own dyad that reach into the weekly grid."""
    table = vintage.episodes
    grid_start = pd.Timestamp(vintage.case.grid_start)
    reaches_in = table["ended_on"].isna() | (table["ended_on"] > grid_start)
    own_and_inside = table["dyad"].isin(vintage.case.dyads) & reaches_in
    return table[table["level"].eq("episode") & ~own_and_inside]


def episode_weeks(vintage: Vintage) -> EpisodeWeeks:
    """Lay the usable episodes out by week at risk.

    After two months an episode's weeks are gathered into blocks of six, after half a year into blocks of thirteen,
    at their mean duration: the hazard hardly moves within a block (a test compares with single weeks).
    """
    table = usable_episodes(vintage)
    own = set(vintage.case.dyads)
    names = ("(own)", *sorted({d for d in table["dyad"] if d not in own}))
    index = {**dict.fromkeys(own, OWN_DYAD), **{n: i for i, n in enumerate(names) if i != OWN_DYAD}}
    weights = table["reference_class"].map(vintage.case.reference_weights).fillna(vintage.case.default_reference_weight)
    rows = pd.concat(
        [_weeks_of(e, weight, vintage.coded_until) for e, weight in zip(table.itertuples(), weights, strict=True)]
        or [_weeks_at([], 0.0)]
    )
    keys = [rows["dyad"].map(index), rows["mediated"], rows["weeks"].map(_block_middle)]
    gathered = rows[["weight", *EPISODE_MOVES]].groupby(keys, sort=True).sum()
    dyad, mediated, weeks = (gathered.index.get_level_values(k).to_numpy() for k in range(3))
    return EpisodeWeeks(
        dyads=names,
        dyad=dyad.astype(int),
        mediated=mediated.astype(float),
        weeks=weeks.astype(float),
        weight=gathered["weight"].to_numpy(dtype=float),
        moves=gathered[list(EPISODE_MOVES)].to_numpy(dtype=float),
    )


def _weeks_of(episode: Any, weight: float, until: date) -> pd.DataFrame:
    """One row a week at risk of an episode."""
    over = pd.notna(episode.ended_on)
    stop = episode.ended_on if over else pd.Timestamp(until)
    at_risk = max(1, (stop - episode.started_on).days) / 7
    rows = _weeks_at(range(math.ceil(at_risk)), weight)
    rows.loc[rows.index[-1], "weight"] = weight * (at_risk - (len(rows) - 1))
    rows["dyad"], rows["mediated"] = episode.dyad, episode.mediator != ""
    if over:
        rows.loc[rows.index[-1], _MOVE_OF[episode.outcome]] = weight
    return rows


def _weeks_at(weeks: Sequence[int], weight: float) -> pd.DataFrame:
    rows = pd.DataFrame({"dyad": "", "mediated": False, "weeks": np.array(weeks, dtype=float), "weight": weight})
    return rows.assign(**dict.fromkeys(EPISODE_MOVES, 0.0))


def _block_middle(week: float) -> float:
    """Mean start of the weeks that share a row with this one."""
    for start, width in ((26, 13), (8, 6)):
        if week >= start:
            return start + (week - start) // width * width + (width - 1) / 2
    return week
