"""Issued forecasts and how their questions turned out, in a record that can only grow and shows any tampering."""

from forecast.ledger.chain import Entry, Head, Problem, Verification
from forecast.ledger.database import Ledger
from forecast.ledger.ledger import (
    Appended,
    append,
    damaged_ledger,
    existing_ledger,
    head_of,
    open_ledger,
    read_entries,
    verify,
)
from forecast.ledger.records import Forecast, Instance, Resolution

__all__ = [
    "Appended",
    "Entry",
    "Forecast",
    "Head",
    "Instance",
    "Ledger",
    "Problem",
    "Resolution",
    "Verification",
    "append",
    "damaged_ledger",
    "existing_ledger",
    "head_of",
    "open_ledger",
    "read_entries",
    "verify",
]
