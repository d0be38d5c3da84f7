"""Read and check the tables of a case.

Times are checked for every row when a table is read, because nothing can be kept out of a fit by its publication time
if that time cannot be trusted. Values are checked by :func:`check_values` on the rows that a caller may see.
Every message names file, row (line of the file, header = 1) and field.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.case import Case
from forecast.errors import DataError, at

OBSERVATION_COLUMNS = (
    "id",
    "signal",
    "side",
    "event_time",
    "published_at",
    "ingested_at",
    "value",
    "unit",
    "source",
    "reporter",
    "revision",
    "confidence",
    "note",
)
EPISODE_COLUMNS = (
    "id",
    "reference_class",
    "level",
    "parent",
    "dyad",
    "side_a",
    "side_b",
    "started_on",
    "ended_on",
    "published_at",
    "secret",
    "mediator",
    "outcome",
    "walkout",
    "walkout_by",
    "walkout_on",
    "kinetic_90d",
    "adverse_90d",
    "confidence",
    "source",
    "note",
)
BREAKDOWN_COLUMNS = (
    "id",
    "dyad",
    "what",
    "kind",
    "broke_on",
    "published_at",
    "deal_on",
    "deal_kind",
    "deal",
    "escalated_on",
    "escalation",
    "confidence",
    "source",
)
OUTCOMES = ("limited_deal", "comprehensive_deal", "inconclusive", "escalation")
CONFIDENCES = ("high", "medium", "low")
_ZONED = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$"
_DATED = r"^\d{4}-\d{2}-\d{2}$"


def read_observations(case: Case) -> pd.DataFrame:
    """Read all observation tables of a case, their times checked, their values not yet.

    Returns
    -------
    pandas.DataFrame
        One row per revision of an observation: :data:`OBSERVATION_COLUMNS` with the three times as UTC timestamps,
        ``value`` float (NaN = withdrawn), ``revision`` int, and ``file`` and ``row`` saying where it came from.

    Raises
    ------
    DataError
        A file is missing or lacks a column, a time is absent or has no zone, an id or a row is duplicated, a revision
        is dated before what it revises.
    """
    table = pd.concat([_read_observation_file(case.folder / name) for name in case.observations], ignore_index=True)
    _no_duplicates(table, ["id", "revision"], "the same id and revision twice: raise the revision, or drop the row")
    content = ["signal", "side", "event_time", "published_at", "value", "source", "reporter", "note"]
    said = table[table["value"].notna()]  # two withdrawals may well look alike: what they take back need not
    _no_duplicates(said, content, "the same observation twice under two ids: drop one")
    _check(table, "published_at", _after_earlier_revisions(table), "lies before an earlier revision of the same id")
    return table


def _after_earlier_revisions(table: pd.DataFrame) -> pd.Series:
    """Whether no lower revision of a row's id came out after it: a correction dated too early would show too early."""
    ordered = table.sort_values(["id", "revision"], kind="stable")
    return (ordered["published_at"] >= ordered.groupby("id")["published_at"].cummax()).reindex(table.index)


def read_episodes(case: Case) -> pd.DataFrame:
    """Read the reference episodes: negotiations of many dyads with their outcomes (empty if the case has none)."""
    if case.episodes is None:
        return _empty(EPISODE_COLUMNS)
    table = _read_csv(case.folder / case.episodes, EPISODE_COLUMNS)
    _no_duplicates(table, ["id"], "the same episode twice: drop one")
    _check(table, "level", table["level"].isin(["episode", "round"]), "must be episode or round")
    _check(table, "secret", table["secret"].isin(["0", "1"]), "must be 0 or 1")
    for column in ("walkout", "kinetic_90d", "adverse_90d"):
        _check(table, column, table[column].isin(["0", "1"]) | table["published_at"].eq(""), "must be 0 or 1")
    closed = table["published_at"] != ""
    orphan = table["level"].eq("round") & ~table["parent"].isin(table["id"])
    _check(table, "parent", ~orphan, "a round must name the episode that it belongs to")
    table["started_on"] = _dates(table, "started_on", required=True)
    for column in ("ended_on", "walkout_on"):
        table[column] = _dates(table.assign(**{column: table[column].str.split(";").str[0]}), column, required=False)
    table["published_at"] = _times(table, "published_at", required=False)
    _check(
        table,
        "ended_on",
        table["ended_on"].isna() | (table["ended_on"] >= table["started_on"]),
        "lies before the start",
    )
    _check(table, "ended_on", table["ended_on"].notna() | ~closed, "an episode with an outcome needs its end")
    for column in ("secret", "walkout", "kinetic_90d", "adverse_90d"):
        table[column] = table[column].eq("1")
    return table


def read_breakdowns(case: Case) -> pd.DataFrame:
    """Read the breakdowns: talks that broke off, and what followed (empty if the case has none)."""
    if case.breakdowns is None:
        return _empty(BREAKDOWN_COLUMNS)
    table = _read_csv(case.folder / case.breakdowns, BREAKDOWN_COLUMNS)
    _no_duplicates(table, ["id"], "the same breakdown twice: drop one")
    table["broke_on"] = _dates(table, "broke_on", required=True)
    for column in ("deal_on", "escalated_on"):
        table[column] = _dates(table, column, required=False)
        _check(table, column, table[column].isna() | (table[column] >= table["broke_on"]), "lies before the breakdown")
    table["published_at"] = _times(table, "published_at", required=True)
    return table


def check_outcomes(episodes: pd.DataFrame) -> None:
    """Check how episodes ended, on the rows whose end a caller may see; DataError names the first offender."""
    _check(episodes, "outcome", episodes["outcome"].isin(OUTCOMES), f"must be one of {', '.join(OUTCOMES)}")


def check_values(case: Case, table: pd.DataFrame) -> None:
    """Check what observations say: signal, side, unit, value in the declared range, source, confidence.

    Raises
    ------
    DataError
        Naming the first offending file, row and field, and how many more there are.
    """
    signals = {s.id: s for s in case.signals}
    _check(
        table,
        "signal",
        table["signal"].isin(list(signals)),
        "unknown signal: declare it in signals.toml or mend the name",
    )
    _check(
        table, "side", table["side"].isin(list(case.actors)), f"unknown side: one of {', '.join(sorted(case.actors))}"
    )
    declared = table["signal"].map(lambda i: signals[i].unit)
    _check(table, "unit", table["unit"].eq(declared), "differs from the unit declared in signals.toml")
    allowed = table["signal"].map(lambda i: signals[i].sides)
    fits = [not sides or side in sides for sides, side in zip(allowed, table["side"], strict=True)]
    _check(table, "side", np.array(fits, dtype=bool), "not a side that this signal is declared for")
    low = table["signal"].map(lambda i: signals[i].minimum).astype(float)
    high = table["signal"].map(lambda i: signals[i].maximum).astype(float)
    withdrawn = table["value"].isna()
    inside = table["value"].between(low, high) | (withdrawn & (table["revision"] > 0))
    _check(
        table,
        "value",
        inside,
        "outside the range declared in signals.toml (a withdrawal is an empty value with a revision above 0)",
    )
    _check(table, "source", table["source"].ne(""), "every row needs its source")
    _check(table, "confidence", table["confidence"].isin(CONFIDENCES), f"must be one of {', '.join(CONFIDENCES)}")
    scheduled = table["signal"].map(lambda i: signals[i].kind == "scheduled").astype(bool)
    in_order = scheduled | (table["published_at"] >= table["event_time"])
    _check(
        table, "published_at", in_order, "lies before the event: only a scheduled signal is public before it happens"
    )


def _read_observation_file(path: Path) -> pd.DataFrame:
    table = _read_csv(path, OBSERVATION_COLUMNS)
    _check(table, "id", table["id"].ne(""), "every row needs an id")
    for column in ("event_time", "published_at", "ingested_at"):
        table[column] = _times(table, column, required=True)
    table["value"] = _numbers(table, "value", required=False)
    revision = _numbers(table, "revision", required=True)
    _check(table, "revision", revision.ge(0) & revision.mod(1).eq(0), "must be a whole number from 0")
    table["revision"] = revision.astype(int)
    return table


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        header, rows, lines = _records(path)
    except FileNotFoundError:
        message = f"{path}: missing; the case names it in case.toml"
        raise DataError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); it must be a file that you may read"
        raise DataError(message) from None
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{path}: not a readable CSV table: {str(error).strip()}"
        raise DataError(message) from None
    except ValueError as error:  # a null character in the name
        message = f"{str(path)!r}: cannot be opened ({error}); mend the name in case.toml"
        raise DataError(message) from None
    missing = set(columns) - set(header)
    extra = [c for i, c in enumerate(header) if c not in columns or c in header[:i]]
    if missing or extra:
        wrong = [f"lacks {sorted(missing)}"] * bool(missing) + [f"has unknown or repeated {extra}"] * bool(extra)
        message = f"{at(path, row=1)}: the header {' and '.join(wrong)}; columns are {', '.join(columns)}"
        raise DataError(message)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            found = f"{len(row)} fields for {len(header)} columns"
            message = f"{at(path.name, row=line)}: {found}; quote a field that holds a comma"
            raise DataError(message)
    return pd.DataFrame(rows, columns=header, dtype="str").assign(file=path.name, row=np.array(lines, dtype=int))


def _records(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Return the header, the records that are not blank, and the line on which each begins (notes may hold breaks)."""
    rows, lines = [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        begins = reader.line_num + 1
        for row in reader:
            if row:
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    return header, rows, lines


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of no rows whose date columns have their types."""
    times = {"published_at": "datetime64[us, UTC]"}
    dates = dict.fromkeys(
        ("started_on", "ended_on", "walkout_on", "broke_on", "deal_on", "escalated_on"), "datetime64[us]"
    )
    flags = dict.fromkeys(("secret", "walkout", "kinetic_90d", "adverse_90d"), "bool")
    kinds = {**times, **dates, **flags}
    return pd.DataFrame({c: pd.Series(dtype=kinds.get(c, "str")) for c in columns})


def _times(table: pd.DataFrame, column: str, *, required: bool) -> pd.Series:
    text = table[column].astype(str)
    empty = text.eq("")
    if required:
        _check(table, column, ~empty, "missing; every row needs this time (UTC, like 2026-04-14T23:59:59Z)")
    zoned = text.str.match(_ZONED) | empty
    _check(table, column, zoned, "not a time with a zone, like 2026-04-14T23:59:59Z")
    parsed = pd.to_datetime(text.where(~empty), utc=True, errors="coerce", format="ISO8601")
    _check(table, column, parsed.dt.year.between(1, 9999) | empty, "not a date of the calendar")
    return parsed.astype("datetime64[us, UTC]")


def _dates(table: pd.DataFrame, column: str, *, required: bool) -> pd.Series:
    text = table[column].astype(str)
    empty = text.eq("")
    if required:
        _check(table, column, ~empty, "missing; a date like 2026-04-14")
    _check(table, column, text.str.match(_DATED) | empty, "not a date like 2026-04-14")
    parsed = pd.to_datetime(text.where(~empty), errors="coerce", format="%Y-%m-%d")
    _check(table, column, parsed.dt.year.between(1, 9999) | empty, "not a date of the calendar")
    return parsed.astype("datetime64[us]")


def _numbers(table: pd.DataFrame, column: str, *, required: bool) -> pd.Series:
    text = table[column].astype(str).str.strip()
    numbers = pd.to_numeric(text.where(text.ne("")), errors="coerce").astype(float)
    _check(table, column, np.isfinite(numbers) | (text.eq("") & (not required)), "not a number")
    return numbers


def _check(table: pd.DataFrame, column: str, good: "pd.Series | np.ndarray", reason: str) -> None:
    bad = np.flatnonzero(~np.asarray(good, dtype=bool))
    if not len(bad):
        return
    first = table.iloc[bad[0]]
    more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
    message = f"{at(first['file'], row=int(first['row']), field=column)}: {_shown(first[column])}: {reason}{more}"
    raise DataError(message)


def _no_duplicates(table: pd.DataFrame, columns: Iterable[str], reason: str) -> None:
    names = list(columns)
    again = table.duplicated(names, keep="first")
    if not again.any():
        return
    second = table[again].iloc[0]
    same = (table[names].astype(str) == second[names].astype(str)).all(axis=1)
    first = table[same].iloc[0]
    message = (
        f"{at(second['file'], row=int(second['row']), field=names[0])}: {_shown(second[names[0]])}: {reason}"
        f" (first at {at(first['file'], row=int(first['row']))})"
    )
    raise DataError(message)


def _shown(value: object) -> str:
    text = "empty" if value is None or value == "" or value is pd.NaT or value != value else repr(str(value))  # noqa: PLR0124
    return text if len(text) <= 60 else text[:57] + "..."
