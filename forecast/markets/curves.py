"""What a model says of each event by time: curves from an outlook, or from its document, to be read at any deadline."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from forecast.case import last_whole_day
from forecast.errors import DataError
from forecast.files import read_json
from forecast.outlook import Outlook
from forecast.outlook.probabilities import INTERVAL

_WEEK = timedelta(weeks=1)
_DAY_END = time(23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ModelCurve:
    """One event: its probability by the end of week 0, 1, … after the as-of day, with the spread of that number.

    ``mean``, ``lower`` and ``upper`` are over [week]; the interval is that of the outlook.
    """

    label: str
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, slots=True)
class ModelCurves:
    """All curves of one model at one as-of time.

    Attributes
    ----------
    case
        Id of the case.
    as_of
        The as-of time, UTC.
    rung, gate
        Which model, and whether its checks hold.
    interval
        Probability of the interval between ``lower`` and ``upper``.
    curves
        By event (not by question id).
    """

    case: str
    as_of: datetime
    rung: str
    gate: str
    interval: float
    curves: Mapping[str, ModelCurve]

    def by(self, event: str, deadline: datetime) -> tuple[float, float, float] | None:
        """Return mean, lower and upper probability of an event by an instant; None past the model's last week.

        Within a week an event is spread evenly, as in :func:`forecast.outlook.paths.occurred_by`.
        """
        curve = self.curves.get(event)
        weeks = (deadline - datetime.combine(last_whole_day(self.as_of), _DAY_END)) / _WEEK
        if curve is None or weeks > len(curve.mean) - 1:
            return None
        asked, given = max(weeks, 0.0), np.arange(len(curve.mean))
        mean, lower, upper = (float(np.interp(asked, given, c)) for c in (curve.mean, curve.lower, curve.upper))
        return mean, lower, upper


def curves_of_outlook(outlook: Outlook) -> ModelCurves:
    """Return the curves of every question of an outlook, to the case's longest horizon."""
    history = outlook.fit.history
    weeks = max(history.case.horizons)
    curves: dict[str, ModelCurve] = {
        q.event: ModelCurve(q.label, **outlook.curve(q.id, weeks)) for q in history.case.questions
    }
    return ModelCurves(history.case.id, history.vintage.instant, outlook.fit.rung.name, outlook.gate, INTERVAL, curves)


def read_curves(path: Path) -> ModelCurves:
    """Read the curves of an ``outlook.json``.

    Raises
    ------
    DataError
        The file cannot be read, or is no outlook document; the field is named.
    """
    document = read_json(path, DataError, mend="give an outlook.json of `forecast run`")
    return curves_of_document(document, name=str(path))


def curves_of_document(document: Any, *, name: str = "outlook document") -> ModelCurves:
    """Return the curves of an outlook document.

    Raises
    ------
    DataError
        It is no outlook document, or holds no curves; the field is named.
    """
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{name}, field {where!r}: {first['msg']}; give an outlook.json of `forecast run`") from None
    events = {question.id: question.event for question in read.questions}
    curves = {}
    for curve in read.timing.curves:
        columns = [np.array(c) for c in (curve.mean, curve.lower, curve.upper)]
        if {len(c) for c in columns} != {len(read.timing.weeks)}:
            raise DataError(f"{name}, field 'timing.curves': {curve.event} has not one number for each week")
        curves[events.get(curve.event, curve.event)] = ModelCurve(curve.label, *columns)
    return ModelCurves(
        read.case.id, read.issue.as_of.astimezone(UTC), read.issue.rung, read.issue.gate, read.timing.interval, curves
    )


class _Case(BaseModel):
    id: str


class _Issue(BaseModel):
    as_of: AwareDatetime
    rung: str
    gate: str


class _Question(BaseModel):
    id: str
    event: str


class _Curve(BaseModel):
    event: str
    label: str
    mean: list[float]
    lower: list[float]
    upper: list[float]


class _Timing(BaseModel):
    weeks: list[int] = Field(min_length=2)
    dates: list[date]
    interval: float
    curves: list[_Curve]


class _Document(BaseModel):
    """The parts of an outlook document that a comparison reads."""

    kind: Literal["forecast-outlook/1"] = Field(alias="schema")
    case: _Case
    issue: _Issue
    questions: list[_Question]
    timing: _Timing
