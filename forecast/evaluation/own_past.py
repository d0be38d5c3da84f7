"""The case's own past as a forecaster: how often each event came in past windows as long as the horizon.

A model that beats a base rate of other negotiations may have learned no more than this dyad's own tempo. This is what
that tempo alone would have said: the share of all windows of so many weeks in the coded past up to the origin, wherever
they started, in which the event came, found by the functions that find it on simulated paths. Windows overlap, so the
share is worth about k = weeks / horizon windows of evidence, and is drawn to ignorance by one more: (k share + 1/2) /
(k + 1) (Jeffreys' prior; among c categories 1/c each, Perks, 1947).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.case import Case, Question
from forecast.evaluation.reconstructed import Tables
from forecast.models import build_history
from forecast.observations import as_of
from forecast.outlook.outlook import OUTCOMES, classify
from forecast.outlook.paths import Paths, first_passages

OWN_PAST = "own past"
_NO_FIT: dict[str, Any] = {
    "mcse": np.nan,
    "lower": np.nan,
    "upper": np.nan,
    "seed": 0,
    "prior_digest": "",
    "draw_digest": "",
}


def with_own_past(tables: Tables, case: Case) -> Tables:
    """Add the forecasts of the own past to the tables of a backtest, of the same questions at the same origins.

    Parameters
    ----------
    tables
        Of a backtest of the case.
    case
        Its tables are read as of each origin, so nothing later is seen.

    Returns
    -------
    Tables
        With rows of the forecaster ``own past``, but for the curves: shares of windows of unlike lengths need not rise
        week by week. A horizon longer than the past has none, nor a question that the case no longer asks.
    """
    days = sorted({pd.Timestamp(o) for o in tables.forecasts["origin"].unique()})
    pasts = {day: Past.of(case, day) for day in days}
    questions = {q.id: q for q in case.questions}

    def of_question(row: pd.Series) -> float:
        question = questions.get(row["question"])
        return pasts[row["origin"]].share(question, int(row["horizon_weeks"])) if question is not None else np.nan

    def of_category(row: pd.Series) -> float:
        return pasts[row["origin"]].first(row["category"], int(row["horizon_weeks"]))

    return replace(
        tables,
        forecasts=_extended(tables.forecasts, of_question),
        categories=_extended(tables.categories, of_category),
    )


def _extended(table: pd.DataFrame, said: Callable[[pd.Series], float]) -> pd.DataFrame:
    """Add a row for everything that any forecaster of a table answered."""
    if table.empty:
        return table
    asked = table.drop_duplicates([c for c in ("question", "category", "origin", "by") if c in table.columns])
    blank = {name: value for name, value in _NO_FIT.items() if name in table.columns}
    own = asked.assign(forecaster=OWN_PAST, gate="pass", probability=asked.apply(said, axis=1), **blank)
    return pd.concat([table, own[own["probability"].notna()]], ignore_index=True)


@dataclass(frozen=True, slots=True)
class Past:
    """Levels of the two ladders in every coded week up to an origin."""

    diplomacy: np.ndarray
    force: np.ndarray

    @classmethod
    def of(cls, case: Case, day: pd.Timestamp) -> "Past":
        """Code the weeks that were public at an instant."""
        levels = build_history(as_of(case, day.to_pydatetime()), plan_weeks=1).weeks.levels
        return cls(np.asarray(levels["diplomacy"]), np.asarray(levels["force"]))

    def share(self, question: Question, weeks: int) -> float:
        """Probability of a question within so many weeks; NaN if no window is as long."""
        paths = self._windows(weeks + (question.lasting_weeks or 0))
        if paths is None:
            return np.nan
        came = first_passages(paths, question)[0] <= weeks
        return self._drawn_in(float((came == (question.event != "neither")).mean()), weeks, 0.5)

    def first(self, category: str, weeks: int) -> float:
        """Probability that a category of ``OUTCOMES`` is what comes first within so many weeks; NaN likewise."""
        paths = self._windows(weeks)
        if paths is None:
            return np.nan
        found = classify(paths, weeks)[0] == OUTCOMES.index(category)
        return self._drawn_in(float(found.mean()), weeks, 1 / len(OUTCOMES))

    def _windows(self, weeks: int) -> Paths | None:
        """Every run of so many weeks as one path."""
        if len(self.diplomacy) <= weeks:
            return None
        diplomacy, force = (
            np.lib.stride_tricks.sliding_window_view(level, weeks + 1).T[:, None, :]
            for level in (self.diplomacy, self.force)
        )
        return Paths(diplomacy, force, chains=1, draws=1)

    def _drawn_in(self, share: float, weeks: int, ignorance: float) -> float:
        worth = len(self.diplomacy) / weeks
        return (worth * share + ignorance) / (worth + 1)
