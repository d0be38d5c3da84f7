"""The forecasts of an issue, taken from its document."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from forecast.case import deadline
from forecast.ledger.records import Forecast
from forecast.ledger.rules import is_published

_MANIFEST = ("seed", "draws", "tune", "chains", "paths_per_draw", "draw_digest", "versions", "flags")


def forecasts_of(document: Mapping[str, Any], *, now: datetime) -> list[Forecast]:
    """Take the question-level forecasts from an outlook document.

    Parameters
    ----------
    document
        Of schema ``forecast-outlook/1``.
    now
        When they will be recorded: it tells published forecasts from reconstructed ones.

    Returns
    -------
    list of Forecast
        One for each question and date; a date that is also a horizon's is taken once.
    """
    taken: dict[tuple[str, str], Forecast] = {}
    for row in document["probabilities"]:
        taken.setdefault((row["event"], row["by"]), _forecast(document, row, now))
    return list(taken.values())


def _forecast(document: Mapping[str, Any], row: Mapping[str, Any], now: datetime) -> Forecast:
    issue, manifest = document["issue"], document["manifest"]
    question = next(q for q in document["questions"] if q["id"] == row["event"])
    by = date.fromisoformat(row["by"])
    tail = (1 - row["interval"]) / 2
    draft = Forecast(
        case=document["case"]["id"],
        question=question["id"],
        event=question["event"],
        wording=question["wording"],
        horizon_weeks=row["horizon_weeks"],
        by=by,
        deadline=deadline(by, document["resolution"]["time_zone"]),
        origin=issue["as_of"],
        issued_at=issue["run_at"],
        model_version=issue["model_version"],
        rung=issue["rung"],
        probability=row["mean"],
        mcse=row["mcse"],
        quantiles={f"{tail:g}": row["lower"], f"{1 - tail:g}": row["upper"]},
        data_digest=manifest["data_digest"],
        prior_digest=manifest["prior_digest"],
        label="reconstructed",
        manifest={name: manifest[name] for name in _MANIFEST},
    )
    return draft.model_copy(update={"label": "published"}) if is_published(draft, now) else draft
