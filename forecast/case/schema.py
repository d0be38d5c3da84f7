"""What a case may say: the schema of its TOML files.

Unknown keys fail, so a typo never passes as a default. The two ladders are fixed (they are what the workbench is
about); everything else is the case's own: its sides, its signals, which events hold a ladder up and for how long,
what composites of signals may drive the hazards, and which questions are asked.
"""

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

LADDERS = ("diplomacy", "force")
LEVELS: dict[str, tuple[str, ...]] = {
    "diplomacy": ("none", "talks", "limited_deal", "comprehensive_deal"),
    "force": ("calm", "coercion", "conflict"),
}
EVENTS = (
    "deal",
    "deal_limited",
    "deal_comprehensive",
    "deal_lasting",
    "escalation",
    "deal_before_escalation",
    "escalation_before_deal",
    "neither",
)

_SATURDAY = 5
_LEAST_HISTORY = timedelta(weeks=26)
_MOST_WEEKS = 5_200  # a hundred years: beyond it a number is a slip, and dates and memory run out
_MOST_HISTORY = timedelta(weeks=_MOST_WEEKS)
_MOST_DAYS = 36_500
LONGEST_WEEKS = 104  # that can be asked about: every path is simulated, and kept, week by week

_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)

type _Days = Annotated[int, Field(gt=0, le=_MOST_DAYS)]
type _Weeks = Annotated[float, Field(gt=0, le=_MOST_WEEKS)]
type _Day = Annotated[date, Field(ge=date(1800, 1, 1), le=date(2199, 12, 31))]


class Side(BaseModel):
    """One principal."""

    model_config = _STRICT
    id: str
    label: str
    role: Literal["coercer", "target"]


class Signal(BaseModel):
    """A typed observable.

    ``kind`` is ``level`` (a measured quantity), ``event`` (something that happened; its value is 1 or a magnitude) or
    ``scheduled`` (a dated appointment that may lie after its publication).
    """

    model_config = _STRICT
    id: str
    label: str
    kind: Literal["level", "event", "scheduled"]
    unit: str
    sides: tuple[str, ...] = ()
    minimum: float
    maximum: float
    late_after_days: _Days | None = None
    rug: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _range(self) -> "Signal":
        if self.minimum > self.maximum:
            message = f"signal {self.id!r}: minimum {self.minimum} is above maximum {self.maximum}"
            raise ValueError(message)
        return self


class Hold(BaseModel):
    """A rule of the coding: some events hold a ladder up at a level (or a mark on) until a time or a closing event."""

    model_config = _STRICT
    ladder: Literal["diplomacy", "force"] | None = None
    level: str | None = None
    mark: str | None = None
    label: str = ""
    opened_by: tuple[str, ...] = Field(min_length=1)
    by_sides: tuple[str, ...] = ()
    for_days: _Days | None = None
    closed_by: tuple[str, ...] = ()
    closed_by_sides: tuple[str, ...] = ()
    reason: str

    @model_validator(mode="after")
    def _target(self) -> "Hold":
        if (self.mark is None) == (self.ladder is None):
            message = "a hold raises either a ladder (with a level) or a mark"
            raise ValueError(message)
        if (self.ladder is None) != (self.level is None):
            message = "a level goes with a ladder, and only with it"
            raise ValueError(message)
        if self.ladder is not None and self.level not in LEVELS[self.ladder]:
            message = f"level {self.level!r} is not on the {self.ladder} ladder {LEVELS[self.ladder]}"
            raise ValueError(message)
        if self.for_days is None and not self.closed_by:
            message = "a hold needs for_days, closed_by, or both: otherwise it would never end"
            raise ValueError(message)
        return self


class Component(BaseModel):
    """One ingredient of a composite.

    ``transform`` is ``log_change`` (of a level over ``weeks``), ``log_gap`` (log of a level over its own mean of the
    last ``weeks``), or ``decayed_count`` (events, each fading with half-life ``weeks``, per unit of media coverage).
    """

    model_config = _STRICT
    signals: tuple[str, ...] = Field(min_length=1)
    sides: tuple[str, ...] = ()
    transform: Literal["log_change", "log_gap", "decayed_count"]
    weeks: _Weeks
    sign: Literal[-1, 1] = 1
    stale_after_days: _Days | None = None


class Composite(BaseModel):
    """A weekly composite of raw signals: the mean of its standardised components that are known."""

    model_config = _STRICT
    id: str
    label: str
    reason: str
    components: tuple[Component, ...] = Field(min_length=1)


class Item(BaseModel):
    """One measurement of a side's leverage: which signals, what they reveal, and the likelihood that fits their values.

    ``normal`` items are logs of a level, week by week: the level itself, or (``weeks``) its gap to its own mean of the
    last ``weeks``; ``lasting`` gives the item deviations of its own that persist, because a price has moods that are
    not leverage. ``count`` items are weekly numbers of events. ``binary`` items are 1 when one of ``signals`` is
    observed, and 0 when one of ``otherwise`` is.

    ``left_to_ladder`` names levels: in a week that begins at one of them the item is passed over, because there the
    same events make the ladder's own move, and one fact must not count twice.
    """

    model_config = _STRICT
    id: str
    label: str
    side: str
    reveals: Literal["true", "believed"]
    likelihood: Literal["normal", "count", "binary"]
    sign: Literal[-1, 1] = 1
    signals: tuple[str, ...] = Field(min_length=1)
    sides: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    weeks: int | None = Field(default=None, gt=1, le=_MOST_WEEKS)
    floor: float | None = Field(default=None, gt=0)
    lasting: bool = False
    left_to_ladder: tuple[str, ...] = ()
    reason: str

    @model_validator(mode="after")
    def _fitting(self) -> "Item":
        normal, binary = self.likelihood == "normal", self.likelihood == "binary"
        if not normal and (self.weeks is not None or self.floor is not None or self.lasting):
            message = f"item {self.id!r}: weeks, floor and lasting go with the likelihood normal, and only with it"
            raise ValueError(message)
        if binary != bool(self.otherwise):
            message = f"item {self.id!r}: otherwise (what a 0 is) goes with the likelihood binary, and only with it"
            raise ValueError(message)
        levels = {level for ladder in LADDERS for level in LEVELS[ladder]}
        if not set(self.left_to_ladder) <= levels:
            message = f"item {self.id!r}: left_to_ladder {self.left_to_ladder} must name levels of the ladders"
            raise ValueError(message)
        return self


class Driver(BaseModel):
    """Something seen that moves a side's true leverage by itself.

    ``mark`` is on or off; ``events`` is the log of a decayed count; ``pressure`` is a decayed count of ``signals`` less
    that of ``relief``, net of what the target has adapted to, with diminishing returns.
    """

    model_config = _STRICT
    id: str
    label: str
    side: str
    kind: Literal["mark", "events", "pressure"]
    sign: Literal[-1, 1]
    mark: str | None = None
    signals: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    relief: tuple[str, ...] = ()
    weeks: _Weeks | None = None
    adapts_weeks: _Weeks | None = None
    reason: str

    @model_validator(mode="after")
    def _fitting(self) -> "Driver":
        wanted = {
            "mark": {"mark"},
            "events": {"signals", "weeks"},
            "pressure": {"signals", "relief", "weeks", "adapts_weeks"},
        }[self.kind]
        given = {name for name in ("mark", "signals", "relief", "weeks", "adapts_weeks") if getattr(self, name)}
        if given != wanted:
            message = f"driver {self.id!r}: of kind {self.kind} has {sorted(wanted)}, not {sorted(given)}"
            raise ValueError(message)
        return self


class Question(BaseModel):
    """A question over the two ladders, asked at every horizon."""

    model_config = _STRICT
    id: str
    event: Literal[
        "deal",
        "deal_limited",
        "deal_comprehensive",
        "deal_lasting",
        "escalation",
        "deal_before_escalation",
        "escalation_before_deal",
        "neither",
    ]
    label: str
    definition: str
    lasting_weeks: int | None = Field(default=None, gt=0, le=LONGEST_WEEKS)
    headline: bool = False

    @model_validator(mode="after")
    def _duration(self) -> "Question":
        if (self.event == "deal_lasting") != (self.lasting_weeks is not None):
            message = f"question {self.id!r}: lasting_weeks goes with the event deal_lasting, and only with it"
            raise ValueError(message)
        return self


class ResolutionRules(BaseModel):
    """How the questions of a case are settled: by what source, when they are void, and in whose time a day ends."""

    model_config = _STRICT
    source: str = "The observations of this case, coded by its rules."
    void: str = "Never: the coded ladders decide every question."
    time_zone: str = "UTC"

    @model_validator(mode="after")
    def _zone(self) -> "ResolutionRules":
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            message = f"time_zone {self.time_zone!r}: not a time zone; write one like UTC or Asia/Tehran"
            raise ValueError(message) from None
        return self


def deadline(day: date, time_zone: str) -> datetime:
    """Return the instant at which a day ends in a time zone (23:59:59 there), in UTC."""
    return datetime.combine(day, time(23, 59, 59), ZoneInfo(time_zone)).astimezone(UTC)


def last_whole_day(instant: datetime) -> date:
    """Return the last day (UTC) that is over at an instant: what is dated by day alone is known at that day's end."""
    return (instant.astimezone(UTC) + timedelta(seconds=1)).date() - timedelta(days=1)


class Term(BaseModel):
    """A term of office of the coercer's executive: what a promise can be worth before the next one."""

    model_config = _STRICT
    starts: date
    ends: date

    @model_validator(mode="after")
    def _forwards(self) -> "Term":
        if self.ends <= self.starts:
            message = f"the term from {self.starts} ends on {self.ends}: it must end after it starts"
            raise ValueError(message)
        return self


class Case(BaseModel):
    """A whole case, with the folder that its tables stand in."""

    model_config = _STRICT
    id: str
    title: str
    summary: str
    dyads: tuple[str, ...] = Field(min_length=1)
    grid_start: _Day
    coded_until: _Day
    media_weeks: _Weeks
    limits: tuple[str, ...] = ()
    observations: tuple[str, ...] = Field(min_length=1)
    episodes: str | None = None
    breakdowns: str | None = None
    sides: tuple[Side, ...] = Field(min_length=2, max_length=2)
    default_reference_weight: float = Field(default=0.25, gt=0, le=1)
    reference_weights: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    other_actors: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    signals: tuple[Signal, ...] = Field(min_length=1)
    holds: tuple[Hold, ...] = Field(min_length=1)
    composites: tuple[Composite, ...] = ()
    items: tuple[Item, ...] = ()
    drivers: tuple[Driver, ...] = ()
    questions: tuple[Question, ...] = Field(min_length=1)
    horizons: tuple[Annotated[int, Field(le=LONGEST_WEEKS)], ...] = Field(default=(4, 13, 26, 52), min_length=1)
    resolution: ResolutionRules = ResolutionRules()
    folder: Path

    def signal(self, signal_id: str) -> Signal:
        """Return the declared signal of that id; KeyError if there is none."""
        return {s.id: s for s in self.signals}[signal_id]

    def wording(self, question: Question) -> str:
        """SHA-256 of all that decides a question: a change of any of it makes it another question."""
        decides = question.model_dump(include={"event", "definition", "lasting_weeks"}) | self.resolution.model_dump()
        return f"sha256:{hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()}"

    @property
    def actors(self) -> frozenset[str]:
        """Ids that the column ``side`` may hold: the two sides, both, and the declared others."""
        return frozenset((*(s.id for s in self.sides), "both", *self.other_actors))

    @property
    def marks(self) -> dict[str, str]:
        """Mark id to label, in the order of declaration."""
        return {h.mark: h.label or h.mark for h in self.holds if h.mark is not None}

    @model_validator(mode="after")
    def _references(self) -> "Case":
        problems = [*_duplicates(self), *_unknown_signals(self), *_unfit_signals(self), *_unknown_sides(self)]
        if {s.role for s in self.sides} != {"coercer", "target"}:
            problems.append("sides: one must be the coercer and the other the target")
        if self.grid_start.weekday() != _SATURDAY:
            problems.append(f"grid_start {self.grid_start} must be a Saturday: weeks run from Saturday to Friday")
        if self.coded_until < self.grid_start + _LEAST_HISTORY:
            problems.append(f"coded_until {self.coded_until} must lie half a year after grid_start {self.grid_start}")
        if self.coded_until > self.grid_start + _MOST_HISTORY:
            problems.append(f"coded_until {self.coded_until} lies over {_MOST_WEEKS} weeks after {self.grid_start}")
        if sorted(set(self.horizons)) != list(self.horizons) or min(self.horizons) < 1:
            problems.append(f"horizons {self.horizons} must be positive and increasing")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _duplicates(case: Case) -> list[str]:
    problems = []
    for what, ids in (
        ("side", [s.id for s in case.sides]),
        ("signal", [s.id for s in case.signals]),
        ("composite", [c.id for c in case.composites]),
        ("item", [i.id for i in case.items]),
        ("driver", [d.id for d in case.drivers]),
        ("question", [q.id for q in case.questions]),
    ):
        problems += [f"{what} {i!r} is declared twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    return problems


def _unknown_signals(case: Case) -> list[str]:
    known = {s.id for s in case.signals}
    used = {(f"hold on {h.level or h.mark}", i) for h in case.holds for i in (*h.opened_by, *h.closed_by)}
    used |= {(f"composite {c.id}", i) for c in case.composites for k in c.components for i in k.signals}
    used |= {(f"item {m.id}", i) for m in case.items for i in (*m.signals, *m.otherwise)}
    used |= {(f"driver {d.id}", i) for d in case.drivers for i in (*d.signals, *d.relief)}
    return [f"{where} uses the undeclared signal {i!r}" for where, i in sorted(used) if i not in known]


def _unfit_signals(case: Case) -> list[str]:
    """Signals of a kind that says nothing where they are used; drivers of unknown marks."""
    used = [(f"hold on {h.level or h.mark}", "event", (*h.opened_by, *h.closed_by)) for h in case.holds]
    for composite in case.composites:
        for part in composite.components:
            wanted = "event" if part.transform == "decayed_count" else "level"
            used.append((f"composite {composite.id}: the transform {part.transform}", wanted, part.signals))
    for item in case.items:  # what the zero of a binary item is may be of any kind
        wanted = "level" if item.likelihood == "normal" else "event"
        used.append((f"item {item.id}: the likelihood {item.likelihood}", wanted, item.signals))
    used += [(f"driver {d.id}", "event", (*d.signals, *d.relief)) for d in case.drivers]
    used.append(("what the model reads as deadlines", "scheduled", ("deadline",)))
    kinds = {s.id: s.kind for s in case.signals}
    problems = [
        f"{where} does not fit signal {i!r}: it needs one of kind {wanted}, not {kinds[i]}"
        for where, wanted, signals in used
        for i in signals
        if kinds.get(i, wanted) != wanted
    ]
    marks = case.marks
    problems += [
        f"driver {d.id}: no mark {d.mark!r}; declare it with a hold"
        for d in case.drivers
        if d.mark and d.mark not in marks
    ]
    return problems


def _unknown_sides(case: Case) -> list[str]:
    used = {(f"signal {s.id}", i) for s in case.signals for i in s.sides}
    used |= {(f"hold on {h.level or h.mark}", i) for h in case.holds for i in (*h.by_sides, *h.closed_by_sides)}
    used |= {(f"composite {c.id}", i) for c in case.composites for k in c.components for i in k.sides}
    used |= {(f"item {m.id}", i) for m in case.items for i in m.sides}
    used |= {(f"driver {d.id}", i) for d in case.drivers for i in d.sides}
    problems = [f"{where} names the unknown side {i!r}" for where, i in sorted(used) if i not in case.actors]
    principals = {s.id for s in case.sides}
    owners = [(f"item {m.id}", m.side) for m in case.items] + [(f"driver {d.id}", d.side) for d in case.drivers]
    return problems + [f"{where}: {i!r} is not one of the two sides" for where, i in owners if i not in principals]
