"""A small backtest and a small ledger whose scores can be worked out by hand."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.evaluation.reconstructed import CATEGORY_COLUMNS, CURVE_COLUMNS, FORECAST_COLUMNS, Tables
from forecast.ledger import Forecast, Ledger, Resolution, append
from forecast.outlook.outlook import OUTCOMES

CASE = {"id": "tiny", "title": "Tiny case", "questions": {"deal": "A deal"}}
MADE_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = datetime(2024, 1, 5, 23, 59, 59, tzinfo=UTC)
DECIDED = datetime(2041, 1, 4, 23, 59, 59, tzinfo=UTC)
WEEKS = 13
HOSTILE = "<script>alert(1)</script> & | *all*"


def backtest_tables(
    said: dict[str, list[float]], came: list[int | None], *, settled_by: list[str] | None = None
) -> Tables:
    """One question asked every twenty weeks, thirteen ahead; what comes first is a limited deal or neither."""
    forecasts, categories, curves = [], [], []
    for rung, ps in said.items():
        for k, (p, y) in enumerate(zip(ps, came, strict=True)):
            row = _row(rung, k, y, settled_by)
            forecasts.append({**row, "question": "deal", "probability": p, "outcome": y})
            shares = dict(zip(OUTCOMES, (0.1, 0.9 - 0.9 * p, 0.9 * p, 0.0), strict=True))
            hit = "limited_first" if y else "neither"
            categories += [
                {**row, "category": c, "probability": q, "outcome": None if y is None else int(c == hit)}
                for c, q in shares.items()
            ]
            curves += [
                {
                    **row,
                    "question": "deal",
                    "week": w,
                    "probability": p * w / WEEKS,
                    "came_after_weeks": 5.0 if y else np.inf,
                }
                | {"watched_weeks": 60.0}
                for w in range(WEEKS + 1)
            ]
    frames = [
        pd.DataFrame(rows, columns=list(columns))
        for rows, columns in ((forecasts, FORECAST_COLUMNS), (categories, CATEGORY_COLUMNS), (curves, CURVE_COLUMNS))
    ]
    return Tables(frames[0].astype({"outcome": "Int8"}), frames[1].astype({"outcome": "Int8"}), frames[2], DECIDED)


def _row(rung: str, k: int, y: int | None, settled_by: list[str] | None) -> dict[str, Any]:
    origin = START + timedelta(weeks=20 * k)
    by = origin.date() + timedelta(weeks=WEEKS)
    decided = None if y is None else origin.date() + timedelta(weeks=5) if y else by
    names = settled_by or [f"e{n}" for n in range(k + 1)]
    return {
        "label": "reconstructed",
        "forecaster": rung,
        "case": "tiny",
        "origin": origin,
        "by": by,
        "horizon_weeks": WEEKS,
        "gate": "pass",
        "decided_on": decided,
        "public_at": None if decided is None else datetime.combine(decided, datetime.min.time(), UTC),
        "settled_by": names[k] if y else "",
    }


def of_case(tables: Tables, case: str) -> Tables:
    """Make the tables those of another case."""
    own = {name: getattr(tables, name).assign(case=case) for name in ("forecasts", "categories", "curves")}
    return replace(tables, **own)


def write_tables(tables: Tables, folder: Path) -> Path:
    """Write tables as a backtest does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("forecasts", "categories", "curves"):
        getattr(tables, name).to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "summary.json").write_text(json.dumps({"decided_as_of": tables.decided_as_of.isoformat()}))
    return folder


def issued(k: int, probability: float, **changes: Any) -> Forecast:
    """A forecast published a day after its origin, the first Friday of a month of 2025."""
    origin = datetime(2025, 1, 3, 23, 59, 59, tzinfo=UTC) + timedelta(weeks=4 * k)
    by = origin.date() + timedelta(weeks=WEEKS)
    values = {
        "case": "tiny",
        "question": "deal",
        "event": "deal",
        "wording": "sha256:w",
        "horizon_weeks": WEEKS,
        "by": by,
        "deadline": datetime(by.year, by.month, by.day, 23, 59, 59, tzinfo=UTC),
        "origin": origin,
        "issued_at": origin + timedelta(hours=8),
        "model_version": "0.1.0",
        "rung": "R0",
        "probability": probability,
        "mcse": 0.001,
        "quantiles": {},
        "data_digest": "d",
        "prior_digest": "p",
        "label": "published",
        "manifest": {"seed": 1},
    }
    return Forecast(**{**values, **changes})


def settled(forecast: Forecast, outcome: str, **changes: Any) -> Resolution:
    """A resolution of a forecast: a deal three weeks on, or the passing of the deadline."""
    decided = forecast.origin.date() + timedelta(weeks=3) if outcome == "yes" else forecast.by
    values = {
        "case": forecast.case,
        "question": forecast.question,
        "wording": forecast.wording,
        "by": forecast.by,
        "origin": forecast.origin,
        "outcome": outcome,
        "decided_on": decided,
        "public_at": datetime(decided.year, decided.month, decided.day, 23, 59, 59, tzinfo=UTC),
        "who": "data",
        "reason": "As coded.",
        "settled_by": ("e1",) if outcome == "yes" else (),
    }
    return Resolution(**{**values, **changes})


def record(ledger: Ledger, *records: Forecast | Resolution) -> None:
    """Append each at its time: forecasts when issued, resolutions when their fact was public."""
    for r in records:
        now = r.issued_at if isinstance(r, Forecast) else r.public_at + timedelta(days=1)
        append(ledger, [r], now=now)
