"""What a ledger holds: forecasts of questions, and resolutions of them, as canonical JSON."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

Outcome = Literal["yes", "no", "void"]
DATA = "data"  # who settles what the coded ladders decide

# When something was issued, and so whether it counts as published, does not make it another forecast.
_NOT_IDENTITY = frozenset({"issued_at", "label"})


def instant_text(instant: datetime) -> str:
    """Write an instant in UTC, to the second: ``2026-04-14T23:59:59Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)


Instant = Annotated[AwareDatetime, AfterValidator(_utc), PlainSerializer(instant_text)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Instance(NamedTuple):
    """One question as asked at one origin by one deadline: what a resolution settles and a score counts once."""

    case: str
    question: str
    wording: str
    by: date
    origin: datetime


class Forecast(BaseModel):
    """The probability of a question, as issued.

    Attributes
    ----------
    case, question, event
        Ids of case and question, and the event over the ladders that the question asks about.
    wording
        Digest of definition, event, source, void rule and time zone (:meth:`forecast.case.Case.wording`).
    horizon_weeks
        Weeks from the as-of day to ``by``, if it is one of the case's horizons.
    by, deadline
        Last day that counts, and its end in the case's time zone, as an instant.
    origin
        As-of time: nothing later was known to the forecast.
    issued_at
        When the run was made.
    model_version, rung
        Version of this package, and which of its models.
    probability, mcse
        The probability and its Monte-Carlo standard error.
    quantiles
        Level to quantile of the probability's own posterior.
    data_digest, prior_digest
        Of every row and every prior that the model saw.
    label
        ``published`` at the time, or ``reconstructed`` later from what was known then.
    manifest
        Seed, settings, versions and the digest of the draws.
    """

    model_config = _STRICT
    case: Text
    question: Text
    event: Text
    wording: Text
    horizon_weeks: int | None = Field(gt=0)
    by: date
    deadline: Instant
    origin: Instant
    issued_at: Instant
    model_version: Text
    rung: Text
    probability: Probability
    mcse: float = Field(ge=0, allow_inf_nan=False)
    quantiles: dict[str, Probability]
    data_digest: Text
    prior_digest: Text
    label: Literal["published", "reconstructed"]
    manifest: dict[str, Any]

    @model_validator(mode="after")
    def _sound(self) -> "Forecast":
        if self.origin >= self.deadline:
            message = f"the deadline {instant_text(self.deadline)} is not after the origin {instant_text(self.origin)}"
            raise ValueError(message)
        levels = [_level(text) for text in self.quantiles]
        if not all(0 < level < 1 for level in levels):
            message = f"quantiles {sorted(self.quantiles)}: levels must be numbers between 0 and 1"
            raise ValueError(message)
        ordered = [q for _, q in sorted(zip(levels, self.quantiles.values(), strict=True))]
        if ordered != sorted(ordered):
            message = f"quantiles {self.quantiles} must not fall as their levels rise"
            raise ValueError(message)
        return self

    @property
    def instance(self) -> Instance:
        """What this forecast is of."""
        return Instance(self.case, self.question, self.wording, self.by, self.origin)


class Resolution(BaseModel):
    """How a question turned out.

    Attributes
    ----------
    case, question, wording, by, origin
        The instance that is settled, as its forecasts have it.
    outcome
        ``yes``, ``no`` or ``void``.
    decided_on
        Day of the fact that decides.
    public_at
        When that fact was public.
    who
        ``data``, or the person who settled it.
    reason
        Why, in a sentence.
    settled_by
        Ids of the observations that decide: what comparisons cluster by.
    """

    model_config = _STRICT
    case: Text
    question: Text
    wording: Text
    by: date
    origin: Instant
    outcome: Outcome
    decided_on: date
    public_at: Instant
    who: Text
    reason: Text
    settled_by: tuple[str, ...] = ()

    @property
    def instance(self) -> Instance:
        """What this resolution settles."""
        return Instance(self.case, self.question, self.wording, self.by, self.origin)


Record = Forecast | Resolution
KINDS: Mapping[str, type[Forecast] | type[Resolution]] = {"forecast": Forecast, "resolution": Resolution}


def kind_of(record: Record) -> str:
    """Return the word that the ledger has for a record's kind."""
    return "forecast" if isinstance(record, Forecast) else "resolution"


def canonical(data: Any) -> str:
    """Write JSON of which there is only one version: sorted keys, no spaces, ASCII, no NaN."""
    return _ENCODER.encode(data)


def payload_of(record: Record) -> str:
    """Write a record as the ledger stores it."""
    return canonical(record.model_dump(mode="json"))


def key_of(kind: str, payload: str) -> str:
    """SHA-256 of what makes a record the record that it is: two with the same key are one, entered once."""
    content = json.loads(payload)
    identity = {name: value for name, value in content.items() if name not in _NOT_IDENTITY}
    return hashlib.sha256(f"{kind}\n{canonical(identity)}\n".encode()).hexdigest()


def _level(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
