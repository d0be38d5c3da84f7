"""Find and load a case: a folder with ``case.toml``, ``signals.toml``, ``coding.toml`` and ``questions.toml``.

A fifth file, ``leverage.toml``, says what reveals the sides' leverage; a case without it has no leverage rungs.
A case is shipped with the package (``us-iran``) or is any folder of the same make, named by its path.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from forecast.case.schema import Case
from forecast.errors import CaseError, at
from forecast.files import read_toml

SHIPPED = Path(__file__).resolve().parent.parent / "cases"
_FILES = ("case.toml", "signals.toml", "coding.toml", "questions.toml")
_LEVERAGE = "leverage.toml"


def available_cases() -> list[str]:
    """Ids of the cases that ship with the package."""
    return sorted(p.parent.name.replace("_", "-") for p in SHIPPED.glob("*/case.toml"))


def load_case(name: str | Path) -> Case:
    """Load a shipped case by id, or any case by the path of its folder.

    Parameters
    ----------
    name
        ``"us-iran"``, or the path of a folder that holds the four files of a case.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        The case is unknown, a file is missing or is not TOML, or it breaks the schema.
    """
    folder = _folder(name)
    merged: dict[str, Any] = {"folder": folder}
    optional = (_LEVERAGE,) if os.path.lexists(folder / _LEVERAGE) else ()
    for file in (*_FILES, *optional):
        for key, value in _read_toml(folder / file).items():
            if key in merged:
                message = f"{at(folder / file, field=key)}: declared in two files of the case; keep one"
                raise CaseError(message)
            merged[key] = value
    try:
        return Case.model_validate(merged)
    except ValidationError as error:
        raise CaseError(_explain(folder, error)) from None


def _folder(name: str | Path) -> Path:
    path = Path(name)
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises on a name too long and in a folder that is shut
        return path.resolve()
    shipped = SHIPPED / str(name).replace("-", "_")
    if isinstance(name, str) and name in available_cases():
        return shipped
    message = f"no case {str(name)!r}: name one of {', '.join(available_cases())}, or the path of a case folder"
    raise CaseError(message)


def _read_toml(path: Path) -> dict[str, Any]:
    with suppress(PermissionError):  # reading it says so
        if not path.exists():
            message = f"{path}: missing; a case folder holds {', '.join(_FILES)}"
            raise CaseError(message)
    return read_toml(path, CaseError)


def _explain(folder: Path, error: ValidationError) -> str:
    """Say in one line which field of which case is wrong, and how many more there are."""
    first, *rest = error.errors()
    field = ".".join(str(part) for part in first["loc"]) or "the case as a whole"
    more = f" (and {len(rest)} more)" if rest else ""
    reason = first["msg"].removeprefix("Value error, ")
    return f"{at(folder, field=field)}: {reason}{more}; mend the case's TOML files"
