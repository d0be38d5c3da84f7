"""Every error a user can meet, in one tree.

::

    ForecastError
    ├── CaseError(ValueError)          a case folder or one of its files is malformed or unknown
    ├── DataError(ValueError)          an observation, episode or breakdown breaks its table's rules
    ├── PriorError(ValueError)         a prior file breaks its schema or does not reproduce its statement
    ├── AsOfError(ValueError)          an as-of time is unusable: no zone, before the data, in the future
    ├── RungError(ValueError)          an unknown rung, or one that the data cannot carry
    ├── EngineError(RuntimeError)      a posterior that the engine cannot follow
    ├── PosteriorError(ValueError)     a posterior file is corrupt or of another schema
    ├── VenueError(RuntimeError)       a market venue is down, slow, limiting, or answers what it should not
    ├── LedgerError(ValueError)        a ledger, an export of one, or what would enter it breaks its rules
    ├── ScoreError(ValueError)         forecasts or outcomes that no score may be computed from
    ├── OutputError(OSError)           a place to write to is not usable
    ├── BusyError(RuntimeError)        another run holds the lock of this output folder or ledger
    └── SchedulerError(ConnectionError) a scheduler does not answer, went away, or its workers are not like this machine

A message says what is wrong, where (file, row, field) and what to do. The command line prints it as one line and
exits with the class's ``exit_code``; nothing else is ever caught there, so a traceback always means a defect of ours.
"""

from pathlib import Path


class ForecastError(Exception):
    """Base of every error that is the user's to mend."""

    exit_code = 2


class CaseError(ForecastError, ValueError):
    """A case folder or one of its files is malformed or unknown."""


class DataError(ForecastError, ValueError):
    """A row of a table breaks the table's rules."""


class PriorError(ForecastError, ValueError):
    """A prior file breaks its schema, or its family does not reproduce its statement."""


class AsOfError(ForecastError, ValueError):
    """An as-of time is unusable."""


class RungError(ForecastError, ValueError):
    """A rung is unknown, or the data cannot carry it."""


class EngineError(ForecastError, RuntimeError):
    """A posterior that the engine cannot follow: no mode found, or no starting point."""

    exit_code = 1


class PosteriorError(ForecastError, ValueError):
    """A posterior file is corrupt or follows another schema."""


class VenueError(ForecastError, RuntimeError):
    """A market venue did not answer, or did not answer what it promises to.

    Attributes
    ----------
    venue
        The venue's name.
    url
        What was asked.
    status
        HTTP status of the answer, if there was one.
    """

    exit_code = 1

    def __init__(self, venue: str, url: str, came: str, *, status: int | None = None) -> None:
        super().__init__(f"{venue}: {url}: {came}")
        self.venue, self.url, self.status = venue, url, status


class LedgerError(ForecastError, ValueError):
    """A ledger or an export of one is unusable, or what would enter it breaks its rules."""


class ScoreError(ForecastError, ValueError):
    """Forecasts or outcomes that no score may be computed from."""


class OutputError(ForecastError, OSError):
    """A place to write to is not usable."""

    exit_code = 3


class BusyError(ForecastError, RuntimeError):
    """Another run holds the lock."""

    exit_code = 4


class SchedulerError(ForecastError, ConnectionError):
    """A scheduler that does not answer or went away, or workers that are missing or see other data."""

    exit_code = 5


def at(path: Path | str, *, row: int | None = None, field: str | None = None) -> str:
    """Name a place in a file the same way in every message: ``events.csv, row 12, field 'side'``."""
    parts = [str(path)]
    if row is not None:
        parts.append(f"row {row}")
    if field is not None:
        parts.append(f"field {field!r}")
    return ", ".join(parts)
