"""Writing that leaves nothing half done: a lock on an output folder, and files that are whole or absent."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.errors import BusyError, OutputError


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
