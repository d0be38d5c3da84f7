"""Files: TOML and JSON read with errors in words, and writing that leaves nothing half done, under a lock."""

import fcntl
import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forecast.errors import BusyError, ForecastError, OutputError


def read_toml(
    path: Path, error: type[ForecastError], *, mend: str = "it must be a file that you may read"
) -> dict[str, Any]:
    """Read a TOML file, with a byte-order mark or without.

    Parameters
    ----------
    path
        The file.
    error
        What to raise, naming the file, if it cannot be read or is not TOML.
    mend
        What to do about a file that cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as found:
        message = f"{path}: cannot be read ({found.strerror}); {mend}"
    except RecursionError:
        message = f"{path}: nested too deeply to be read; take brackets away"
    except ValueError as found:  # of the grammar, of the encoding, or of a number too long to be one
        message = f"{path}: not valid TOML: {found}"
    raise error(message)


def read_json(path: Path, error: type[ForecastError], *, mend: str) -> Any:
    """Read a JSON file, with ``error`` and ``mend`` as in :func:`read_toml`, whatever is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as found:
        reason = f"cannot be read ({found.strerror})"
    except RecursionError:
        reason = "nested too deeply to be read"
    except ValueError as found:  # as of TOML
        reason = f"not JSON ({found})"
    message = f"{path}: {reason}; {mend}"
    raise error(message)


def check_place(out: Path) -> None:
    """Make sure, without making it, that a folder can be made or written to.

    Raises
    ------
    OutputError
        A file is in the way, or the nearest folder that there is cannot be looked into or written to.
    """
    try:
        nearest = next(place for place in (out, *out.absolute().parents) if place.exists())
    except OSError as error:
        message = f"{out}: cannot write here ({error.strerror}); choose another folder with --out"
        raise OutputError(message) from None
    if not nearest.is_dir():
        message = f"{out}: cannot write here ({nearest} is a file); choose another folder with --out"
        raise OutputError(message)
    if not os.access(nearest, os.W_OK | os.X_OK):
        message = f"{out}: cannot write here (no permission in {nearest}); choose another folder with --out"
        raise OutputError(message)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make a folder if need be and hold its lock.

    Raises
    ------
    OutputError
        It cannot be made or written to.
    BusyError
        Another run is writing there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        message = f"{out}: cannot write here ({error.strerror}); choose another folder with --out"
        raise OutputError(message) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{out}: another run is writing here; wait for it, or choose another folder with --out"
            raise BusyError(message) from None
        yield


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that a reader, or a kill, finds all of it or none.

    Raises
    ------
    OutputError
        The disk is full, or the folder cannot be written to.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written ({error.strerror}); what was there before is untouched"
        raise OutputError(message) from None
    finally:
        part.unlink(missing_ok=True)
