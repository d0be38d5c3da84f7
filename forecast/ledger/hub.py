"""Export as a folder of the Hubverse, and import of such a folder.

``model-output/MODEL/ORIGIN-MODEL.csv`` and ``target-data/oracle-output.csv`` hold forecasts and outcomes in the
Hubverse's row format (Consortium of Infectious Disease Modeling Hubs, hubverse.io); ``ledger.csv`` holds the chain
itself. Parquet files have the same columns.
"""

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import ValidationError

from forecast.errors import LedgerError, OutputError, at
from forecast.ledger.chain import GENESIS, VERSION, Entry, hash_of
from forecast.ledger.database import Ledger, writing
from forecast.ledger.hub_config import admin, tasks
from forecast.ledger.ledger import entries_of, read_entries, sound_head, store, verify
from forecast.ledger.records import KINDS, Forecast, Resolution, instant_text, key_of, payload_of
from forecast.ledger.resolution import by_instance, is_disputed

Format = Literal["csv", "parquet"]
TEAM = "leverage_gap"
CHAIN = [field.name for field in fields(Entry)]
MODEL_OUTPUT = [
    "case",
    "origin_date",
    "origin",
    "issued_at",
    "label",
    "target",
    "horizon",
    "target_end_date",
    "output_type",
    "output_type_id",
    "value",
]
ORACLE = ["case", "origin_date", "origin", "target", "target_end_date", "output_type", "output_type_id", "oracle_value"]
_WHOLE = {"seq", "version", "horizon"}
_NUMBER = {"value", "oracle_value"}


def export_ledger(ledger: Ledger, out: Path, *, fmt: Format = "csv") -> dict[str, int]:
    """Write a ledger into a new folder; return table to number of rows.

    Raises
    ------
    LedgerError
        The ledger does not verify: a copy would carry the damage on.
    OutputError
        The folder is not empty, or cannot be written.
    """
    found = verify(ledger)
    if found.problems:
        message = f"{ledger.place}: does not verify, so it is not exported: {found.problems[0]}"
        raise LedgerError(message)
    entries = read_entries(ledger)
    tables = _tables(entries, fmt)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            message = f"{out}: is there already and not an empty folder; name a new one"
            raise OutputError(message)
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".part-", ignore_cleanup_errors=True) as scratch:
            whole = Path(scratch) / "export"
            for name, table in tables.items():
                _write(table, whole / name, fmt)
            (whole / "hub-config").mkdir()
            forecasts = [r for r in (entry.record for entry in entries) if isinstance(r, Forecast)]
            for name, content in (("admin", admin(fmt)), ("tasks", tasks(forecasts))):
                (whole / "hub-config" / f"{name}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
            shutil.rmtree(out, ignore_errors=True)
            whole.replace(out)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        message = f"{out}: cannot write here ({error.strerror}); nothing was exported"
        raise OutputError(message) from None
    return {name: len(table) for name, table in tables.items()}


def _tables(entries: Sequence[Entry], fmt: Format) -> dict[str, pd.DataFrame]:
    """Lay entries out as the tables of an export, by file name."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        record = entry.record
        if isinstance(record, Forecast):
            model, day = model_id(record.rung), record.origin.date()
            rows[f"model-output/{model}/{day}-{model}.{fmt}"] += model_output_rows(record)
    agreed = [found[0] for found in by_instance(entries).values() if not is_disputed(found)]
    oracle = [row for r in agreed if r.outcome != "void" for row in oracle_rows(r)]
    return {
        f"ledger.{fmt}": _frame([asdict(entry) for entry in entries], CHAIN),
        **{name: _frame(rows[name], MODEL_OUTPUT) for name in sorted(rows)},
        f"target-data/oracle-output.{fmt}": _frame(oracle, ORACLE),
    }


def model_id(rung: str) -> str:
    """Return the Hubverse's name of a rung: team, hyphen, model."""
    return f"{TEAM}-{rung}"


def model_output_rows(forecast: Forecast) -> list[dict[str, Any]]:
    """Write a forecast as Hubverse rows: a pmf over yes and no, and quantiles of the probability as its own target."""
    task = {
        "case": forecast.case,
        "origin_date": str(forecast.origin.date()),
        "origin": instant_text(forecast.origin),
        "issued_at": instant_text(forecast.issued_at),
        "label": forecast.label,
        "horizon": forecast.horizon_weeks,
        "target_end_date": str(forecast.by),
    }
    event = task | {"target": forecast.question, "output_type": "pmf"}
    spread = task | {"target": f"probability of {forecast.question}", "output_type": "quantile"}
    return [
        event | {"output_type_id": "yes", "value": forecast.probability},
        event | {"output_type_id": "no", "value": 1 - forecast.probability},
        *(spread | {"output_type_id": level, "value": q} for level, q in sorted(forecast.quantiles.items())),
    ]


def oracle_rows(resolution: Resolution) -> list[dict[str, Any]]:
    """Write an outcome as Hubverse rows: 1 for what happened, 0 for what did not."""
    task = {
        "case": resolution.case,
        "origin_date": str(resolution.origin.date()),
        "origin": instant_text(resolution.origin),
        "target": resolution.question,
        "target_end_date": str(resolution.by),
        "output_type": "pmf",
    }
    return [task | {"output_type_id": k, "oracle_value": float(resolution.outcome == k)} for k in ("yes", "no")]


def import_ledger(ledger: Ledger, folder: Path) -> tuple[int, int]:
    """Read an export and add what the ledger lacks; return the numbers of entries added and of those there already.

    The ledger must be the beginning of the export, or the export the beginning of the ledger: chains that have parted
    cannot be joined without rewriting one of them.

    Raises
    ------
    LedgerError
        A file of the export is missing, malformed, tampered with, or of a newer version, or the two chains have parted;
        file and row are named and nothing is added.
    """
    fmt: Format = "parquet" if (folder / "ledger.parquet").exists() else "csv"
    path = folder / f"ledger.{fmt}"
    entries = list(_read_chain(path))
    for name, table in _tables(entries, fmt).items():
        _compare(folder / name, table)
    with writing(ledger) as connection:
        length = sound_head(ledger, connection).length
        for row, (mine, theirs) in enumerate(zip(entries_of(connection), entries, strict=False), start=2):
            if mine.hash != theirs.hash:
                message = (
                    f"{at(path, row=row)}: entry {theirs.seq} ({theirs.about}) is another than that of {ledger.place}: "
                    "the two have parted; import into an empty database"
                )
                raise LedgerError(message)
        new = entries[length:]
        if new:
            store(connection, new)
    return len(new), len(entries) - len(new)


def _read_chain(path: Path) -> Iterator[Entry]:
    """Yield the entries of an exported chain, each one checked."""
    previous = GENESIS
    for seq, values in enumerate(_read(path, CHAIN).itertuples(index=False, name=None), start=1):
        row = at(path, row=seq + 1)
        entry = _entry(dict(zip(CHAIN, values, strict=True)), row)
        if entry.version > VERSION:
            message = f"{row}: of version {entry.version}, and this program knows versions up to {VERSION}; update it"
            raise LedgerError(message)
        if entry.seq != seq or entry.previous != previous:
            message = f"{row}: entry {entry.seq} ({entry.about}) does not follow the row above; export it again"
            raise LedgerError(message)
        if hash_of(entry) != entry.hash:
            message = f"{row}: entry {entry.seq} ({entry.about}) is not what its hash was made of; export it again"
            raise LedgerError(message)
        _check_payload(entry, row)
        previous = entry.hash
        yield entry


def _entry(values: dict[str, str], row: str) -> Entry:
    try:
        numbers = {name: int(values[name]) for name in ("seq", "version")}
    except ValueError:
        message = f"{row}: seq {values['seq']!r} and version {values['version']!r} must be whole numbers"
        raise LedgerError(message) from None
    return Entry(**{**values, **numbers})  # type: ignore[arg-type]


def _check_payload(entry: Entry, row: str) -> None:
    if entry.kind not in KINDS:
        message = f"{row}, field 'kind': {entry.kind!r} is none of {', '.join(KINDS)}"
        raise LedgerError(message)
    try:
        record = entry.record
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "payload"
        message = f"{row}, field {field!r}: {first['msg'].removeprefix('Value error, ')}"
        raise LedgerError(message) from None
    if payload_of(record) != entry.payload or key_of(entry.kind, entry.payload) != entry.key:
        message = f"{row}: entry {entry.seq} ({entry.about}) is not written as a ledger writes it; export it again"
        raise LedgerError(message)


def _compare(path: Path, expected: pd.DataFrame) -> None:
    """Refuse a table that says something else than the chain."""
    found, wanted = _read(path, list(expected.columns)), _texts(expected)
    for number, (theirs, ours) in enumerate(zip(found.to_numpy(), wanted.to_numpy(), strict=False), start=2):
        for name, their, our in zip(expected.columns, theirs, ours, strict=True):
            if their != our:
                message = f"{at(path, row=number, field=name)}: {their!r}, but the ledger of the export has {our!r}"
                raise LedgerError(message)
    if len(found) != len(wanted):
        message = f"{path}: {len(found)} rows, but the ledger of the export makes {len(wanted)}; export it again"
        raise LedgerError(message)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    kinds = {name: "Int64" if name in _WHOLE else "float64" if name in _NUMBER else "str" for name in columns}
    return pd.DataFrame(rows, columns=columns).astype(kinds)


def _write(table: pd.DataFrame, path: Path, fmt: Format) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if fmt == "parquet":
        table.to_parquet(path, index=False, engine="pyarrow")
    else:
        table.to_csv(path, index=False, na_rep="NA", lineterminator="\n", encoding="utf-8")


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of an export as text."""
    try:
        if path.suffix == ".parquet":
            table = _texts(pd.read_parquet(path, engine="pyarrow"))
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        message = f"{path}: missing; name a folder that `forecast ledger export` wrote"
        raise LedgerError(message) from None
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read ({str(error).splitlines()[0]}); export it again"
        raise LedgerError(message) from None
    if list(table.columns) != columns:
        message = f"{path}: has the columns {', '.join(map(str, table.columns))} instead of {', '.join(columns)}"
        raise LedgerError(message)
    return table


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), "NA").map(str)
