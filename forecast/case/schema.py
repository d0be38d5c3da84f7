"""What a case may say: the schema of its TOML files.

Unknown keys fail, so a typo never passes as a default. The two ladders are fixed (they are what the workbench is
about); everything else is the case's own: its sides, its signals, which events hold a ladder up and for how long,
what composites of signals may drive the hazards, and which questions are asked.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Literal

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

_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Side(BaseModel):
    """One principal."""

    model_config = _STRICT
    id: str
    label: str
    role: Literal["coercer", "target"]


class Signal(BaseModel):
    """A typed observable.

    ``kind`` is ``level`` (a measured quantity), ``event`` (something that happened; its value is 1 or a magnitude) or
    ``scheduled`` (a dated appointment that may lie after its publication). ``loads_on`` names the latent that the
    leverage rungs tie it to: ``true`` or ``believed`` leverage, ``cost``, ``pressure``, or ``none``.
    """

    model_config = _STRICT
    id: str
    label: str
    kind: Literal["level", "event", "scheduled"]
    unit: str
    sides: tuple[str, ...] = ()
    minimum: float
    maximum: float
    late_after_days: int | None = Field(default=None, gt=0)
    loads_on: Literal["true", "believed", "cost", "pressure", "none"] = "none"
    sign: Literal[-1, 0, 1] = 0
    likelihood: Literal["student_t", "log_student_t", "count", "binary", "ordinal", "none"] = "none"
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
    opened_by: tuple[str, ...]
    by_sides: tuple[str, ...] = ()
    for_days: int | None = Field(default=None, gt=0)
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
    signals: tuple[str, ...]
    sides: tuple[str, ...] = ()
    transform: Literal["log_change", "log_gap", "decayed_count"]
    weeks: float = Field(gt=0)
    sign: Literal[-1, 1] = 1
    stale_after_days: int | None = Field(default=None, gt=0)


class Composite(BaseModel):
    """A weekly composite of raw signals: the mean of its standardised components that are known."""

    model_config = _STRICT
    id: str
    label: str
    reason: str
    components: tuple[Component, ...] = Field(min_length=1)


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
    lasting_weeks: int | None = Field(default=None, gt=0)
    headline: bool = False

    @model_validator(mode="after")
    def _duration(self) -> "Question":
        if (self.event == "deal_lasting") != (self.lasting_weeks is not None):
            message = f"question {self.id!r}: lasting_weeks goes with the event deal_lasting, and only with it"
            raise ValueError(message)
        return self


class Term(BaseModel):
    """A term of office of the coercer's executive: what a promise can be worth before the next one."""

    model_config = _STRICT
    starts: date
    ends: date


class Case(BaseModel):
    """A whole case, with the folder that its tables stand in."""

    model_config = _STRICT
    id: str
    title: str
    summary: str
    dyads: tuple[str, ...] = Field(min_length=1)
    grid_start: date
    coded_until: date
    media_weeks: float = Field(gt=0)
    limits: tuple[str, ...] = ()
    observations: tuple[str, ...] = Field(min_length=1)
    episodes: str | None = None
    breakdowns: str | None = None
    sides: tuple[Side, ...] = Field(min_length=2, max_length=2)
    default_reference_weight: float = Field(default=0.25, gt=0, le=1)
    reference_weights: dict[str, float] = {}
    other_actors: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    signals: tuple[Signal, ...] = Field(min_length=1)
    holds: tuple[Hold, ...] = Field(min_length=1)
    composites: tuple[Composite, ...] = ()
    questions: tuple[Question, ...] = Field(min_length=1)
    horizons: tuple[int, ...] = (4, 13, 26, 52)
    folder: Path

    def signal(self, signal_id: str) -> Signal:
        """Return the declared signal of that id; KeyError if there is none."""
        return {s.id: s for s in self.signals}[signal_id]

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
        problems = [*_duplicates(self), *_unknown_signals(self), *_unknown_sides(self)]
        if {s.role for s in self.sides} != {"coercer", "target"}:
            problems.append("sides: one must be the coercer and the other the target")
        if self.grid_start.weekday() != _SATURDAY:
            problems.append(f"grid_start {self.grid_start} must be a Saturday: weeks run from Saturday to Friday")
        if self.coded_until < self.grid_start + _LEAST_HISTORY:
            problems.append(f"coded_until {self.coded_until} must lie half a year after grid_start {self.grid_start}")
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
        ("question", [q.id for q in case.questions]),
    ):
        problems += [f"{what} {i!r} is declared twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    return problems


def _unknown_signals(case: Case) -> list[str]:
    known = {s.id for s in case.signals}
    used = {(f"hold on {h.level or h.mark}", i) for h in case.holds for i in (*h.opened_by, *h.closed_by)}
    used |= {(f"composite {c.id}", i) for c in case.composites for k in c.components for i in k.signals}
    return [f"{where} uses the undeclared signal {i!r}" for where, i in sorted(used) if i not in known]


def _unknown_sides(case: Case) -> list[str]:
    used = {(f"signal {s.id}", i) for s in case.signals for i in s.sides}
    used |= {(f"hold on {h.level or h.mark}", i) for h in case.holds for i in (*h.by_sides, *h.closed_by_sides)}
    used |= {(f"composite {c.id}", i) for c in case.composites for k in c.components for i in k.sides}
    return [f"{where} names the unknown side {i!r}" for where, i in sorted(used) if i not in case.actors]
