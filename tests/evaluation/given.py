"""Small scored tables whose answers can be worked out by hand."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecast.evaluation.table import check_table

START = pd.Timestamp("2024-01-05T23:59:59Z")


def table(
    probabilities: Mapping[str, Sequence[float]],
    outcomes: Sequence[float | None],
    *,
    clusters: list[str] | None = None,
    question: str = "deal",
    weeks: int = 13,
    every: int = 4,
    label: str = "reconstructed",
) -> pd.DataFrame:
    """One question asked at each origin, some weeks ahead; a cluster of its own for each unless given."""
    rows = []
    for forecaster, ps in probabilities.items():
        for k, (p, y) in enumerate(zip(ps, outcomes, strict=True)):
            origin = START + pd.Timedelta(weeks=every * k)
            by = origin.date() + timedelta(weeks=weeks)
            rows.append(
                {
                    "label": label,
                    "forecaster": forecaster,
                    "case": "tiny",
                    "question": question,
                    "origin": origin,
                    "by": by,
                    "probability": p,
                    "outcome": y,
                    "decided_on": None if y is None else by,
                    "cluster": None if y is None else (clusters[k] if clusters else f"event:{k}"),
                }
            )
    return pd.DataFrame(rows)


def stream(
    beliefs: list[float],
    outcome: float | None,
    *,
    name: str = "deal",
    cluster: str = "event:a",
    forecaster: str = "R1",
    settled: date | None = None,
    every_days: int = 7,
) -> pd.DataFrame:
    """One question with a fixed deadline a year ahead, forecast again and again."""
    by = START.date() + timedelta(days=364)
    n = len(beliefs)
    return pd.DataFrame(
        {
            "label": "published",
            "forecaster": forecaster,
            "case": "tiny",
            "question": name,
            "origin": [START + pd.Timedelta(days=every_days * k) for k in range(n)],
            "by": [by] * n,
            "probability": beliefs,
            "outcome": [outcome] * n,
            "decided_on": [None if outcome is None else settled or by] * n,
            "cluster": [None if outcome is None else cluster] * n,
        }
    )


def dependent(rng: np.random.Generator, *, groups: int, size: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of which a share of the variance belongs to their group: the design effect is 1 + (size - 1) share."""
    common = np.sqrt(share) * rng.standard_normal((groups, 1))
    values = common + np.sqrt(1 - share) * rng.standard_normal((groups, size))
    ids = np.repeat([f"event:{g}" for g in range(groups)], size)
    return values.ravel(), ids


def checked(*parts: pd.DataFrame) -> pd.DataFrame:
    return check_table(pd.concat(parts, ignore_index=True))
