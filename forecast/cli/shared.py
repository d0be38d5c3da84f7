"""What the groups of commands share: options, and printing."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

INTERRUPTED = 130


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that prints for a machine."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_db(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the workspace's database."""
    parser.add_argument(
        "--db", metavar="URL", help="database of the ledger (default: $FORECAST_DB, else sqlite:///out/workspace.db)"
    )


def as_date(text: str) -> date:
    """Read an option as a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a date like 2026-12-31"
        raise argparse.ArgumentTypeError(message) from None


def show(data: Any, lines: list[str], as_json: bool) -> None:  # noqa: FBT001 - a two-way printer
    """Print results: JSON for a machine, lines for people."""
    print(json.dumps(data, indent=1, ensure_ascii=False) if as_json else "\n".join(lines))


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay the rows of a table out, indented, its columns aligned to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def progress(line: str) -> None:
    """Say on standard error what is going on."""
    print(f"forecast: {line}", file=sys.stderr, flush=True)
