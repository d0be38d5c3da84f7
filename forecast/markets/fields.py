"""Kinds of fields that venues' answers share, checked where they come in."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

SHAPE = ConfigDict(extra="allow", frozen=True)  # a new field is no error; a renamed one is, because the old is missing

_FIRST_YEAR = 2000  # a count of seconds taken for milliseconds would land in 1970


def instant(seconds: float | Decimal | str) -> datetime:
    """Turn seconds since 1970 into a time.

    Raises
    ------
    ValueError
        It is no such count. Milliseconds taken for seconds lie tens of thousands of years ahead, seconds taken for
        milliseconds in 1970: neither passes.
    """
    try:
        at = datetime.fromtimestamp(float(seconds), UTC)
    except (OverflowError, OSError, ValueError, TypeError):
        message = f"{seconds!r} is no count of seconds since 1970 (milliseconds?)"
        raise ValueError(message) from None
    if at.year < _FIRST_YEAR:
        message = f"{seconds!r} is {at:%Y-%m-%d}: seconds taken for milliseconds?"
        raise ValueError(message)
    return at


def _unpacked(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _of_milliseconds(value: object) -> datetime:
    try:
        return instant(float(value) / 1000)  # type: ignore[arg-type] # whatever came: float() judges it
    except TypeError:
        message = f"{value!r} is no count of milliseconds since 1970"
        raise ValueError(message) from None


def _iso(value: object) -> object:
    """Read ``2026-10-01 06:10:26+00`` as well as what pydantic reads."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


Price = Annotated[Decimal, Field(ge=0, le=1)]
Packed = BeforeValidator(_unpacked)  # JSON inside a string of JSON
Seconds = Annotated[datetime, BeforeValidator(instant)]
Milliseconds = Annotated[datetime, BeforeValidator(_of_milliseconds)]
Stamp = Annotated[AwareDatetime, BeforeValidator(_iso), AfterValidator(lambda at: at.astimezone(UTC))]
