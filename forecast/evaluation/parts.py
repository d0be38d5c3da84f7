"""Results of a backtest's tasks on disk: one small file each, whole or absent, under a key of all that made it."""

import json
from pathlib import Path
from typing import Any

from forecast.errors import OutputError
from forecast.evaluation.plan import Planned
from forecast.files import write_whole

SCHEMA = "forecast-backtest-part/1"
FOLDER = "parts"


def part_path(out: Path, planned: Planned) -> Path:
    """Return where a task's result is kept: readable by origin and rung, told apart by key."""
    return out / FOLDER / f"{planned.origin}-{planned.task.rung}-{planned.key[:16]}.json"


def make_folder(out: Path) -> None:
    """Make the folder of parts, and clear away what a killed run was in the midst of writing."""
    folder = out / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        for left in folder.glob(".*.part"):
            left.unlink()
    except OSError as error:
        message = f"{folder}: cannot write here ({error.strerror}); choose another folder with --out"
        raise OutputError(message) from None


def read_part(out: Path, planned: Planned) -> dict[str, Any] | None:
    """Return a task's result if one of the same key is there and sound; a damaged file counts as none."""
    try:
        part = json.loads(part_path(out, planned).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(part, dict) or part.get("schema") != SCHEMA or part.get("key") != planned.key:
        return None
    result: dict[str, Any] = part["result"]
    return result


def write_part(out: Path, planned: Planned, result: dict[str, Any]) -> None:
    """Keep a task's result."""
    part = {"schema": SCHEMA, "key": planned.key, "task": planned.task.plain(), "result": result}
    write_whole(part_path(out, planned), (json.dumps(part, indent=1, allow_nan=True) + "\n").encode())
