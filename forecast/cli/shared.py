"""What the groups of commands share: options, and printing."""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, TextIO

from forecast.errors import OutputError

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
    """Print results: JSON for a machine, lines for people.

    Raises
    ------
    OutputError
        Standard output cannot be written to, as on a full disk. What the command did before remains done.
    """
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(data, indent=1, ensure_ascii=plain) if as_json else "\n".join(lines)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard(sys.stdout)
        raise
    except OSError as error:
        _discard(sys.stdout)
        message = (
            f"standard output: cannot be written ({error.strerror}), and this result is lost, but what the command "
            "wrote to files or a ledger is there; send the output elsewhere, or make room"
        )
        raise OutputError(message) from None


def print_anything() -> None:
    """Have standard output write a character that its encoding lacks as an escape, rather than fail on it."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere: Python would write it again at its end, and fail again."""
    with suppress(OSError):  # a stream of no file, as in a test, holds nothing back
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay the rows of a table out, indented, its columns aligned to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def progress(line: str) -> None:
    """Say on standard error what is going on; that nobody can be told does not stop the work."""
    try:
        print(f"forecast: {line}", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)
