"""The outlook: every question at every horizon from one set of simulated paths."""

import time
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from forecast.case import LEVELS, LONGEST_WEEKS, Question
from forecast.errors import AsOfError
from forecast.inference import Check, Fit, check_fit, check_probabilities, gate
from forecast.models import Origin, horizon_day
from forecast.models.moves import COMPREHENSIVE, LIMITED
from forecast.outlook.paths import NEVER, Paths, first_passages, first_step_up, occurred_by, simulate
from forecast.outlook.probabilities import Probability, spread, summarise

PATHS_PER_DRAW = 16
OUTCOMES = ("escalation_first", "neither", "limited_first", "comprehensive_first")
OUTCOME_LABELS = {
    "escalation_first": "Escalation before any deal",
    "neither": "Neither deal nor escalation",
    "limited_first": "A limited deal first",
    "comprehensive_first": "A comprehensive deal first",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A question at a horizon, with its probability."""

    question: Question
    horizon_weeks: int | None
    weeks: float
    by: date
    probability: Probability


@dataclass(frozen=True, slots=True)
class Outlook:
    """A posterior turned into answers.

    Attributes
    ----------
    fit
        The posterior.
    paths
        Simulated levels [week, draw, path].
    passages
        Question id to first passage, in weeks [draw, path].
    answers
        Every question at every horizon, then at every given date.
    checks
        Diagnostics of the parameters and of the answers.
    seconds
        Time that the simulation took.
    """

    fit: Fit
    paths: Paths
    passages: dict[str, np.ndarray]
    answers: tuple[Answer, ...]
    checks: tuple[Check, ...]
    seconds: float

    @property
    def gate(self) -> str:
        """``pass``, ``review`` or ``fail``: the worst of the checks."""
        return gate(list(self.checks))

    @property
    def origin(self) -> Origin:
        """Where the forecast starts."""
        return self.fit.history.origin

    def table(self) -> pd.DataFrame:
        """Answers as a table: one row a question and horizon, probabilities between 0 and 1."""
        return pd.DataFrame(
            {
                "question": a.question.id,
                "weeks": a.weeks,
                "by": a.by,
                "probability": a.probability.mean,
                "mcse": a.probability.mcse,
                "lower": a.probability.lower,
                "upper": a.probability.upper,
            }
            for a in self.answers
        )

    def answer(self, question_id: str, horizon_weeks: int) -> Answer:
        """Return one question at one of the case's horizons; KeyError if there is none such."""
        for a in self.answers:
            if a.question.id == question_id and a.horizon_weeks == horizon_weeks:
                return a
        raise KeyError((question_id, horizon_weeks))

    def curve(self, question_id: str, weeks: int) -> dict[str, np.ndarray]:
        """Probability of a question by each week from 0 to ``weeks``: ``mean``, ``lower`` and ``upper`` [week]."""
        question = next(q for q in self.fit.history.case.questions if q.id == question_id)
        passage = self.passages[question_id]
        came = [occurred_by(question, passage, week) for week in range(weeks + 1)]
        bounds = np.array([spread(c) for c in came])
        return {"mean": np.array([c.mean() for c in came]), "lower": bounds[:, 0], "upper": bounds[:, 1]}

    def outcomes(self, weeks: int) -> dict[str, Probability]:
        """What comes first within ``weeks``: exclusive outcomes, worst to best, that sum to one."""
        found = classify(self.paths, weeks)
        return {name: summarise(self.paths, found == k) for k, name in enumerate(OUTCOMES)}

    def occupancy(self, ladder: str) -> np.ndarray:
        """Share of paths at each level of a ladder [week, level]."""
        levels = getattr(self.paths, ladder)
        return np.stack([(levels == k).mean(axis=(1, 2)) for k in range(len(LEVELS[ladder]))], axis=1)


def build_outlook(fit: Fit, *, by: tuple[date, ...] = ()) -> Outlook:
    """Simulate from a posterior and answer the case's questions.

    Parameters
    ----------
    fit
        The posterior; its history must have been built with :func:`plan_weeks_for` weeks of plan.
    by
        Further dates to answer the questions for; one that is a horizon's day is answered as that horizon alone.

    Raises
    ------
    AsOfError
        A date is not after the as-of day, or too far beyond it.
    """
    started = time.perf_counter()
    history = fit.history
    case, origin = history.case, history.origin
    longest = _longest(case.horizons, origin.as_of, by)
    lasting = max((q.lasting_weeks or 0 for q in case.questions), default=0)
    paths = simulate(
        fit.rung, fit.posterior, origin, weeks=longest + lasting, paths=PATHS_PER_DRAW, seed=fit.settings.seed
    )
    passages = {q.id: first_passages(paths, q) for q in case.questions}
    horizons: list[tuple[int | None, float, date]] = [(w, float(w), horizon_day(origin, w)) for w in case.horizons]
    known = {day for _, _, day in horizons}
    horizons += [(None, (day - origin.as_of).days / 7, day) for day in dict.fromkeys(by) if day not in known]
    answers = tuple(
        Answer(q, whole, weeks, day, summarise(paths, occurred_by(q, passages[q.id], weeks)))
        for q in case.questions
        for whole, weeks, day in horizons
    )
    checks = (*check_fit(fit), *_check_answers(answers))
    return Outlook(fit, paths, passages, answers, checks, time.perf_counter() - started)


def plan_weeks_for(horizons: tuple[int, ...], lasting: int, as_of: date, by: tuple[date, ...] = ()) -> int:
    """Weeks of plan that a history needs so that the outlook can be simulated to its last date."""
    return _longest(horizons, as_of, by) + lasting


def classify(paths: Paths, weeks: int) -> np.ndarray:
    """Index into ``OUTCOMES`` of what comes first within ``weeks`` [draw, path]; a tie counts as escalation."""
    deal = first_step_up(paths.diplomacy, LIMITED)
    escalation = first_step_up(paths.force, 0)
    reached = np.where(deal < NEVER, np.minimum(deal, paths.weeks), 0)
    level = np.take_along_axis(paths.diplomacy, reached[None].astype(np.intp), axis=0)[0]
    deal_first = (deal <= weeks) & (deal < escalation)
    escalation_first = (escalation <= weeks) & (escalation <= deal)
    found = np.full(deal.shape, OUTCOMES.index("neither"))
    found[escalation_first] = OUTCOMES.index("escalation_first")
    found[deal_first] = OUTCOMES.index("limited_first")
    found[deal_first & (level == COMPREHENSIVE)] = OUTCOMES.index("comprehensive_first")
    return found


def _longest(horizons: tuple[int, ...], as_of: date, by: tuple[date, ...]) -> int:
    for day in by:
        if not 0 < (day - as_of).days <= 7 * LONGEST_WEEKS:
            message = f"--by {day}: must lie after the as-of day {as_of} and at most {LONGEST_WEEKS} weeks beyond it"
            raise AsOfError(message)
    return max([*horizons, *(-(-(day - as_of).days // 7) for day in by)])


def _check_answers(answers: tuple[Answer, ...]) -> list[Check]:
    named = {f"{a.question.id} by {a.by}": a.probability for a in answers}
    return check_probabilities({n: p.r_hat for n, p in named.items()}, {n: p.ess for n, p in named.items()})
