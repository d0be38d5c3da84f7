"""The two files by which the tools of the Hubverse know a hub: what may be forecast, and how files are laid out."""

import hashlib
from collections.abc import Iterable
from typing import Any

from forecast.ledger.records import Forecast, instant_text
from forecast.ledger.rules import PUBLISHED_WITHIN

_SCHEMAS = "https://raw.githubusercontent.com/hubverse-org/schemas/main/v6.0.0"
_LONGEST_ID, _LONGEST_NAME = 30, 100  # characters that the schema allows
_PROBABILITY = {"type": "double", "minimum": 0, "maximum": 1}


def admin(fmt: str) -> dict[str, Any]:
    """Return the content of ``hub-config/admin.json``."""
    return {
        "schema_version": f"{_SCHEMAS}/admin-schema.json",
        "name": "Forecasts of the ledger",
        "maintainer": "leverage-gap",
        "contact": {"name": "whoever runs it", "email": "nobody@localhost"},
        "repository": {"host": "github", "owner": "nobody", "name": "export"},
        "file_format": [fmt],
        "timezone": "UTC",
    }


def tasks(forecasts: Iterable[Forecast]) -> dict[str, Any]:
    """Return the content of ``hub-config/tasks.json`` for the forecasts of an export."""
    records = list(forecasts)
    questions = sorted({f.question for f in records})
    levels = sorted({float(level) for f in records for level in f.quantiles})
    events = _task(records, questions, "pmf", ["yes", "no"], target_type="binary")
    spreads = _task(records, [f"probability of {q}" for q in questions], "quantile", levels, target_type="continuous")
    return {
        "schema_version": f"{_SCHEMAS}/tasks-schema.json",
        "rounds": [
            {
                "round_id_from_variable": True,
                "round_id": "origin_date",
                "model_tasks": [events, spreads],
                "submissions_due": {"relative_to": "origin_date", "start": 0, "end": PUBLISHED_WITHIN.days},
            }
        ],
        "output_type_id_datatype": "character",
    }


def _task(
    records: list[Forecast], targets: list[str], output_type: str, ids: list[Any], *, target_type: str
) -> dict[str, Any]:
    found: dict[str, Iterable[Any]] = {
        "case": {f.case for f in records},
        "origin_date": {str(f.origin.date()) for f in records},
        "origin": {instant_text(f.origin) for f in records},
        "issued_at": {instant_text(f.issued_at) for f in records},
        "label": {f.label for f in records},
        "target": targets,
        "horizon": {f.horizon_weeks for f in records if f.horizon_weeks},
        "target_end_date": {str(f.by) for f in records},
    }
    described = {"output_type_id": {"required": ids}, "is_required": False, "value": _PROBABILITY}
    return {
        "task_ids": {name: {"required": None, "optional": sorted(values)} for name, values in found.items()},
        "output_type": {output_type: described},
        "target_metadata": [
            {
                "target_id": _short(target),
                "target_name": target[:_LONGEST_NAME],
                "target_units": "probability",
                "target_keys": {"target": target},
                "target_type": target_type,
                "is_step_ahead": False,
            }
            for target in targets
        ],
    }


def _short(target: str) -> str:
    """Return a target's name, or if it is too long for an id its beginning and eight digits of its hash."""
    if len(target) <= _LONGEST_ID:
        return target
    return f"{target[: _LONGEST_ID - 9]}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"
