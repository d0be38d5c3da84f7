"""What became of the questions: outcomes that the data decide, by the same rules as the simulation.

The realised path is one path of the simulation's kind: the level at the as-of day, then at the end of every coded week
(Saturday to Friday) after it. First passages on it are found by the functions that find them on simulated paths, so a
step that is taken back within its week counts for neither. Week ends stay where they are whatever the weekday of the
as-of: the same facts settle a question the same way for all who asked it. A forecast from a Friday steps on the same
days; one from another weekday steps on its own, and is held to the coded weeks all the same.

A step is dated to the day: that of the first event whose hold carries the new level to the end of the week. *By* a date
means after the as-of day and up to the end of the date, UTC. So an event of before the origin that came out only after
it counts for neither: it is in the level that the path starts from. When a deal and an escalation fall into one week,
what comes first is escalation, dated to the earlier of the two, as both share one moment of the week in the simulation;
it is public once the escalation is.

Nothing is decided before the week that holds the date has been coded whole (it may take a step back), nor, for a deal
that must last, before it has lasted or ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np

from forecast.case import LADDERS, LEVELS, Question
from forecast.errors import AsOfError
from forecast.models.moves import LIMITED
from forecast.observations import Vintage, intervals_of, levels_on, week_ends
from forecast.outlook.outlook import OUTCOMES, classify
from forecast.outlook.paths import NEVER, Paths, first_passages

FIRST = "first"
"""Question id of what comes first, whose categories are ``OUTCOMES``."""
_DAY = np.timedelta64(1, "D")
_RACES = ("deal_before_escalation", "escalation_before_deal", "neither")
_NEITHER = Question(id=FIRST, event="neither", label="", definition="")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question by one date.

    Attributes
    ----------
    question
        Id of the question, or ``FIRST``.
    category
        For ``FIRST`` one of ``OUTCOMES``; empty for a question of yes or no.
    by
        The deadline.
    outcome
        1 if it came, 0 if it did not, None while the coding does not reach far enough to say.
    decided_on
        Day of the deciding fact; the deadline if what decides is that nothing came.
    public_at
        When that was first public: the first publication of the deciding event, or the end of the last day that had
        to be coded.
    settled_by
        Ids of the events that decided it, the earliest first; empty if nothing came.
    """

    question: str
    category: str
    by: date
    outcome: int | None
    decided_on: date | None = None
    public_at: datetime | None = None
    settled_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstPassage:
    """When a question's event first came, in weeks after the as-of day, and how many weeks are coded.

    ``weeks`` is infinite if it has not come. Of an event that must last, the passage is the day it began; what began so
    late that it cannot have lasted yet is not seen, so watching ends as many weeks before the end of the coding.
    """

    question: str
    weeks: float
    watched: float


@dataclass(frozen=True, slots=True)
class _Opening:
    """An event that carried a ladder to its new level."""

    day: date
    public_at: datetime
    event_id: str


def realised(vintage: Vintage, *, as_of: date, by: Iterable[date]) -> tuple[Outcome, ...]:
    """Decide the case's questions, asked on a day, by each of some dates, from what is known in a vintage.

    Parameters
    ----------
    vintage
        What is known now.
    as_of
        The day on which the questions were asked.
    by
        Deadlines.

    Returns
    -------
    tuple of Outcome
        Every question by every date, then the categories of what comes first.

    Raises
    ------
    AsOfError
        The questions were asked after the vintage's time, or a date is not after the day on which they were.
    """
    path = _RealisedPath(vintage, as_of)
    deadlines = tuple(by)
    for day in deadlines:
        if day <= as_of:
            message = f"deadline {day}: must lie after {as_of}, the day on which the question was asked"
            raise AsOfError(message)
    asked = [path.answer(question, day) for question in vintage.case.questions for day in deadlines]
    return (*asked, *(found for day in deadlines for found in path.what_came_first(day)))


def first_passage_times(vintage: Vintage, *, as_of: date) -> tuple[FirstPassage, ...]:
    """Return when each of the case's questions was first met after a day; those on absence (``neither``) are left out.

    Raises
    ------
    AsOfError
        The day lies after the vintage's time.
    """
    path = _RealisedPath(vintage, as_of)
    return tuple(path.passage(q) for q in vintage.case.questions if q.event != "neither")


class _RealisedPath:
    """The coded weeks after an as-of day as one path, and the events behind its steps."""

    def __init__(self, vintage: Vintage, as_of: date) -> None:
        if as_of > vintage.day:
            message = f"outcomes of a forecast as of {as_of}: not to be had from what was known on {vintage.day}"
            raise AsOfError(message)
        ends, exposure = week_ends(vintage.case.grid_start, vintage.coded_until)
        start = np.datetime64(as_of, "D")
        self._as_of = as_of
        self._days = np.concatenate([[start], ends[(ends > start) & (exposure == 1.0)]])
        self._intervals = intervals_of(vintage)
        self._levels = {ladder: levels_on(self._intervals, ladder, self._days) for ladder in LADDERS}
        self._public = vintage.observations.set_index("id")["first_published_at"]
        # The last level is held on: that adds no step, and shows a deal that may yet turn out to last.
        ahead = max((q.lasting_weeks or 0 for q in vintage.case.questions), default=0)
        held = {n: np.pad(level, (0, ahead), mode="edge")[:, None, None] for n, level in self._levels.items()}
        self._paths = Paths(held["diplomacy"], held["force"], chains=1, draws=1)

    @property
    def _last(self) -> int:
        """Last coded week."""
        return len(self._days) - 1

    def answer(self, question: Question, by: date) -> Outcome:
        """Decide one question by one date."""
        week = self._week_of(question)
        race = question.event in _RACES
        settles = self._week_of(_NEITHER) if race else week
        came = [o for o in self._openings(question, settles) if o.day <= by]
        if not came:
            return self._nothing_came(question, by)
        lasting = question.lasting_weeks or 0
        if lasting:
            if settles + lasting > self._last:
                return Outcome(question.id, "", by, None)
            shown = self._day(settles + lasting)
            return Outcome(question.id, "", by, 1, shown, _end_of(shown), _ids(came))
        outcome = int((week < NEVER) != (question.event == "neither"))
        telling = self._telling(came, settles) if race else came
        return Outcome(question.id, "", by, outcome, came[0].day, min(o.public_at for o in telling), _ids(came))

    def _telling(self, came: list[_Opening], week: int) -> list[_Opening]:
        """Events that tell what came first: the deal alone would be first, so in a week of both the escalation."""
        escalated = self._step("force", week, deal=True)
        return [o for o in escalated if o in came] or escalated or came

    def what_came_first(self, by: date) -> list[Outcome]:
        """Decide which of ``OUTCOMES`` it was, by one date."""
        neither = self.answer(_NEITHER, by)
        if neither.outcome is None:
            return [Outcome(FIRST, name, by, None) for name in OUTCOMES]
        week = self._week_of(_NEITHER)
        found = "neither" if neither.outcome else OUTCOMES[int(classify(self._paths, week)[0, 0])]
        return [
            Outcome(FIRST, name, by, int(name == found), neither.decided_on, neither.public_at, neither.settled_by)
            for name in OUTCOMES
        ]

    def passage(self, question: Question) -> FirstPassage:
        """Say when a question's event came, among those weeks that an event which must last can have begun in."""
        week = self._week_of(question)
        last = max(self._last - (question.lasting_weeks or 0), 0)
        watched = (self._day(last) - self._as_of).days / 7
        if week > last:  # so is one that never came
            return FirstPassage(question.id, np.inf, watched)
        return FirstPassage(question.id, (self._openings(question, week)[0].day - self._as_of).days / 7, watched)

    def _week_of(self, question: Question) -> int:
        return int(first_passages(self._paths, question)[0, 0])

    def _day(self, week: int) -> date:
        day: date = self._days[week].astype(object)
        return day

    def _openings(self, question: Question, week: int) -> list[_Opening]:
        """Events that carried the steps of a week which bear on a question, by day and publication."""
        if week == NEVER:
            return []
        ladders = LADDERS if question.event in _RACES else _ladder_of(question)
        found = [o for ladder in ladders for o in self._step(ladder, week, deal=question.event != "escalation")]
        return sorted(found, key=lambda o: (o.day, o.public_at, o.event_id))

    def _step(self, ladder: str, week: int, *, deal: bool) -> list[_Opening]:
        """Events whose holds carry a step up to the end of its week; none if there is no step (or it is no deal)."""
        level, before = self._levels[ladder][week], self._levels[ladder][week - 1]
        if level <= before or (ladder == "diplomacy" and deal and level < LIMITED):
            return []
        name = LEVELS[ladder][level]
        return [
            _Opening(i.start.astype(object), self._public[i.event_id].to_pydatetime(), i.event_id)
            for i in self._intervals
            if i.hold.ladder == ladder and i.hold.level == name and i.holds_at(self._days[week])
        ]

    def _nothing_came(self, question: Question, by: date) -> Outcome:
        """Decide a question whose event has not been seen by a date, if the coding reaches far enough."""
        reaches = np.flatnonzero(self._days >= np.datetime64(by, "D"))
        if not len(reaches):
            return Outcome(question.id, "", by, None)
        needed = self._day(max(int(reaches[0]), self._last_end_of_a_deal(question, int(reaches[0]), by)))
        return Outcome(question.id, "", by, int(question.event == "neither"), by, _end_of(needed))

    def _last_end_of_a_deal(self, question: Question, until: int, by: date) -> int:
        """Week in which the last deal of before a date was seen to have ended too soon; 0 if none had to last."""
        if not question.lasting_weeks:
            return 0
        in_force = self._levels["diplomacy"] >= LIMITED
        begun = [
            week for week in range(1, until + 1) if any(o.day <= by for o in self._step("diplomacy", week, deal=True))
        ]
        return max((week + int(np.argmin(in_force[week:])) for week in begun), default=0)


def _ladder_of(question: Question) -> tuple[str, ...]:
    return ("force",) if question.event == "escalation" else ("diplomacy",)


def _ids(openings: list[_Opening]) -> tuple[str, ...]:
    return tuple(o.event_id for o in openings)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
