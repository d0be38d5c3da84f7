"""Forecasts to record, and an empty ledger in a file."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from forecast.ledger import Forecast, Ledger, Resolution, open_ledger

NOW = datetime(2026, 4, 15, 8, tzinfo=UTC)
ORIGIN = datetime(2026, 4, 14, 23, 59, 59, tzinfo=UTC)
BY = date(2026, 7, 14)


def forecast(**changes: Any) -> Forecast:
    """A forecast, published the morning after its as-of day."""
    values: Mapping[str, Any] = {
        "case": "freedonia-sylvania",
        "question": "pact",
        "event": "deal",
        "wording": "sha256:abc",
        "horizon_weeks": 13,
        "by": BY,
        "deadline": datetime(2026, 7, 14, 23, 59, 59, tzinfo=UTC),
        "origin": ORIGIN,
        "issued_at": NOW,
        "model_version": "0.1.0",
        "rung": "R3",
        "probability": 0.25,
        "mcse": 0.004,
        "quantiles": {"0.05": 0.1, "0.95": 0.5},
        "data_digest": "sha256:d",
        "prior_digest": "sha256:p",
        "label": "published",
        "manifest": {"seed": 1, "draws": 1000, "versions": {"numpy": "2.5.1"}},
    }
    return Forecast(**{**values, **changes})


def forecasts(n: int, start: int = 0) -> list[Forecast]:
    """So many different forecasts."""
    return [forecast(probability=0.1 + (start + k) / 1_000_000) for k in range(n)]


def resolution(**changes: Any) -> Resolution:
    """A resolution of the forecast above."""
    values: Mapping[str, Any] = {
        "case": "freedonia-sylvania",
        "question": "pact",
        "wording": "sha256:abc",
        "by": BY,
        "origin": ORIGIN,
        "outcome": "yes",
        "decided_on": date(2026, 6, 17),
        "public_at": datetime(2026, 6, 17, 23, 59, 59, tzinfo=UTC),
        "who": "Ada",
        "reason": "Both sides signed.",
    }
    return Resolution(**{**values, **changes})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger in a file, not made yet."""
    return open_ledger(f"sqlite:///{tmp_path}/ledger/workspace.db")


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change a ledger behind its back, as somebody would who can write to the database: first the triggers go."""
    with ledger.engine.begin() as connection:
        if ledger.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER ledger_no_update")
            connection.exec_driver_sql("DROP TRIGGER ledger_no_delete")
        else:
            connection.exec_driver_sql("DROP TRIGGER ledger_append_only ON ledger")
        for statement in statements:
            connection.exec_driver_sql(statement)
