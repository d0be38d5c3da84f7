"""Two outlooks of one case side by side: what came between them, what moved, and what the model thinks behind it.

A pure function of two documents (``forecast-outlook/1``), so that what was published can be compared long afterwards.
Horizons count from each as-of time, so the same horizon ends on another day in the later document.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from forecast.errors import DataError
from forecast.files import read_json
from forecast.observations.ladders import FRIDAY
from forecast.outlook.document import rounded

SCHEMA = "forecast-difference/1"
CLEAR = 2.0  # Monte-Carlo standard errors that a change must exceed to be told from the simulation's own noise
_LATENT = ("median", "lower", "upper", "p_positive", "from_drivers")


type _Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    """Part of an outlook document, whose numbers are finite; what is not compared is passed over."""

    model_config = ConfigDict(allow_inf_nan=False)


class _Case(_Part):
    id: str
    title: str


class _Issue(_Part):
    as_of: AwareDatetime
    rung: str
    gate: str
    model_version: str


class _Level(_Part):
    level: str


class _Mark(_Part):
    mark: str
    label: str
    on: bool


class _State(_Part):
    diplomacy: _Level
    force: _Level
    marks: list[_Mark]


class _Probability(_Part):
    event: str
    label: str
    horizon_weeks: int | None
    by: str
    mean: _Share
    lower: _Share
    upper: _Share
    mcse: float


class _Event(_Part):
    id: str
    date: str
    note: str


class _Step(_Part):
    week: date
    ladder: str
    origin: str = Field(alias="from")
    to: str
    events: list[_Event]


class _History(_Part):
    steps: list[_Step]


class _Latent(_Part):
    latent: str
    label: str
    side: str | None
    side_label: str | None
    median: float
    lower: float
    upper: float
    p_positive: _Share
    from_drivers: float | None = None  # outlooks of earlier days do not say


class _Now(_Part):
    week: str
    interval: _Share
    rows: list[_Latent]


class _Leverage(_Part):
    now: _Now


class _Manifest(_Part):
    prior_digest: str


class Issued(_Part):
    """The parts of an outlook document that are compared."""

    kind: Literal["forecast-outlook/1"] = Field(alias="schema")
    case: _Case
    issue: _Issue
    state: _State
    probabilities: list[_Probability]
    history: _History
    leverage: _Leverage | None = None
    manifest: _Manifest


def read_issued(path: Path) -> Issued:
    """Read an ``outlook.json``, or that of a folder.

    Raises
    ------
    DataError
        It cannot be read, or is no outlook document; the field is named.
    """
    file = path / "outlook.json" if path.is_dir() else path
    document = read_json(file, DataError, mend="give an outlook.json of `forecast run`, or its folder")
    try:
        return Issued.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{file}, field {where!r}: {first['msg']}; give an outlook.json of `forecast run`"
        raise DataError(message) from None


def difference(one: Issued, other: Issued) -> dict[str, Any]:
    """Put two outlooks side by side, the earlier first.

    Parameters
    ----------
    one, other
        Of the same case and of different as-of times.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-difference/1``: ``before`` and ``after`` (as-of time, rung, gate, levels),
        ``warnings``, ``steps`` of the ladders in between, ``marks`` that changed, ``probabilities`` and ``leverage``.
        Rows are of one horizon, which ends on another day in the later outlook, or of one date that both were asked
        for (``horizon_weeks`` is null). A change is after less before; that of a probability is ``clear`` where it is
        more than two Monte-Carlo standard errors. Changes of leverage have no interval of their own: the two posteriors
        are of different runs.

    Raises
    ------
    DataError
        They are of different cases or of the same as-of time.
    """
    if one.case.id != other.case.id:
        message = f"outlooks of different cases, {one.case.id!r} and {other.case.id!r}; give two of one case"
        raise DataError(message)
    if one.issue.as_of == other.issue.as_of:
        message = f"both outlooks are as of {_stamp(one.issue.as_of)}; give two of different days"
        raise DataError(message)
    before, after = sorted((one, other), key=lambda issued: issued.issue.as_of)
    found = {
        "schema": SCHEMA,
        "case": before.case.model_dump(),
        "before": _issue(before),
        "after": _issue(after),
        "warnings": _warnings(before, after),
        "marks": _marks(before, after),
        "steps": _steps(before, after),
        "probabilities": _probabilities(before, after),
        "leverage": _leverage(before, after),
    }
    return rounded(found)


def _issue(issued: Issued) -> dict[str, Any]:
    issue, state = issued.issue, issued.state
    levels = {"diplomacy": state.diplomacy.level, "force": state.force.level}
    return {"as_of": _stamp(issue.as_of), "rung": issue.rung, "gate": issue.gate, **levels}


def _warnings(before: Issued, after: Issued) -> list[str]:
    """Say what else than the world differs."""
    pairs = {
        "model": (before.issue.rung, after.issue.rung),
        "version": (before.issue.model_version, after.issue.model_version),
        "priors": (before.manifest.prior_digest, after.manifest.prior_digest),
    }
    told = [
        f"the {what} changed as well ({a[:19]} to {b[:19]}), so not all that moved was moved by events"
        for what, (a, b) in pairs.items()
        if a != b
    ]
    gates = [i for i in (before, after) if i.issue.gate != "pass"]
    return told + [f"the outlook as of {_stamp(i.issue.as_of)} has the gate {i.issue.gate!r}" for i in gates]


def _marks(before: Issued, after: Issued) -> list[dict[str, Any]]:
    on = {m.mark: m.on for m in before.state.marks}
    changed = [m for m in after.state.marks if m.on != on.get(m.mark, False)]
    return [{"mark": m.mark, "label": m.label, "on": m.on} for m in changed]


def _steps(before: Issued, after: Issued) -> list[dict[str, Any]]:
    """Steps that the later outlook knows of and the earlier did not; a step may have come to light only afterwards."""
    known = {_key(s) for s in before.history.steps}
    return [s.model_dump(mode="json", by_alias=True) for s in after.history.steps if _key(s) not in known]


def _key(step: _Step) -> tuple[date, str, str]:
    """What a step is known by: its week is named by its Friday, though the last one of an outlook ends on its own."""
    return step.week + timedelta(days=(FRIDAY - step.week.weekday()) % 7), step.ladder, step.to


def _probabilities(before: Issued, after: Issued) -> list[dict[str, Any]]:
    earlier = {_asked(p): p for p in before.probabilities}
    rows = []
    for p in after.probabilities:
        if _asked(p) not in earlier:
            continue
        was = earlier[_asked(p)]
        change = p.mean - was.mean
        ends = {"before": was, "after": p}
        kept = ("by", "mean", "lower", "upper")
        rows.append(
            {
                "event": p.event,
                "label": p.label,
                "horizon_weeks": p.horizon_weeks,
                **{name: {k: getattr(end, k) for k in kept} for name, end in ends.items()},
                "change": change,
                "clear": bool(abs(change) > CLEAR * float(np.hypot(p.mcse, was.mcse))),
            }
        )
    return rows


def _asked(row: _Probability) -> tuple[str, int | str]:
    """What a probability is asked for: so many weeks ahead, or by a date of its own."""
    return row.event, row.by if row.horizon_weeks is None else row.horizon_weeks


def _leverage(before: Issued, after: Issued) -> dict[str, Any] | None:
    """Latents that both outlooks have; None where either is of a rung without any."""
    if before.leverage is None or after.leverage is None:
        return None
    earlier = {(x.side, x.latent): x for x in before.leverage.now.rows}
    rows = [
        {
            "side": x.side,
            "side_label": x.side_label,
            "latent": x.latent,
            "label": x.label,
            "before": earlier[x.side, x.latent].model_dump(include=set(_LATENT)),
            "after": x.model_dump(include=set(_LATENT)),
            "change": x.median - earlier[x.side, x.latent].median,
            "change_from_drivers": _less(x.from_drivers, earlier[x.side, x.latent].from_drivers),
        }
        for x in after.leverage.now.rows
        if (x.side, x.latent) in earlier
    ]
    return {"interval": after.leverage.now.interval, "rows": rows}


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
