"""The tables of a backtest: reconstructed forecasts joined to what came.

Columns follow the scored table: a row is a forecaster's forecast of a question by a date, with its outcome.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import __version__
from forecast.errors import ScoreError
from forecast.evaluation.outcomes import FIRST, Outcome, first_passage_times, realised
from forecast.observations import Vintage, parse_instant

LABEL = "reconstructed"
Done = tuple[date, str, dict[str, Any]]
"""Origin, rung and result of a task that has given forecasts."""

_ASKED = ("label", "forecaster", "case", "question", "origin", "by", "horizon_weeks")
_FORECAST = ("probability", "mcse", "lower", "upper", "gate")
_OUTCOME = ("outcome", "decided_on", "public_at", "settled_by")
_MADE_OF = ("model_version", "seed", "data_digest", "prior_digest", "draw_digest")
FORECAST_COLUMNS = (*_ASKED, *_FORECAST, *_OUTCOME, *_MADE_OF)
CATEGORY_COLUMNS = tuple("category" if c == "question" else c for c in FORECAST_COLUMNS)
CURVE_COLUMNS = (*_ASKED[:5], "week", "probability", "gate", "came_after_weeks", "watched_weeks")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a backtest's folder, and the time up to which what was public has decided their outcomes."""

    forecasts: pd.DataFrame
    categories: pd.DataFrame
    curves: pd.DataFrame
    decided_as_of: datetime


def forecast_table(done: list[Done], latest: Vintage) -> pd.DataFrame:
    """Return the answers to questions of yes or no, one row a rung, origin, question and horizon.

    Parameters
    ----------
    done
        Finished tasks.
    latest
        What is known now, which decides.

    Returns
    -------
    pandas.DataFrame
        ``FORECAST_COLUMNS``; probabilities between 0 and 1, ``horizon_weeks`` in weeks, ``outcome`` 1, 0 or missing.
    """
    return _table([r for r in _rows(done, latest) if r["question"] != FIRST], FORECAST_COLUMNS)


def category_table(done: list[Done], latest: Vintage) -> pd.DataFrame:
    """Return the forecasts of what comes first, one row a rung, origin, horizon and category; they sum to one."""
    return _table([r for r in _rows(done, latest) if r["question"] == FIRST], CATEGORY_COLUMNS)


def curve_table(done: list[Done], latest: Vintage) -> pd.DataFrame:
    """Return the probability of each question by each week, with when it came.

    Returns
    -------
    pandas.DataFrame
        ``CURVE_COLUMNS``; ``came_after_weeks`` is infinite for what had not come in the ``watched_weeks`` coded since.
    """
    rows = []
    for origin, rung, result in done:
        came = {p.question: p for p in first_passage_times(latest, as_of=origin)}
        for question, curve in result["curves"].items():
            asked = _asked(origin, rung, result) | {"question": question, "gate": result["gate"]}
            found = {"came_after_weeks": came[question].weeks, "watched_weeks": came[question].watched}
            rows += [asked | found | {"week": week, "probability": p} for week, p in enumerate(curve)]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def scorable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that may be scored: those that are decided and whose fit did not fail its gate."""
    return table[table["outcome"].notna() & table["gate"].ne("fail")]


def read_tables(folder: Path, *, case: str) -> Tables:
    """Read the tables that a backtest of a case has written.

    Parameters
    ----------
    folder
        Of a finished backtest.
    case
        Id of the case that it must be of.

    Raises
    ------
    ScoreError
        A table or the summary is missing or unreadable, lacks a column, is of another case, or holds what was not
        reconstructed.
    """
    return Tables(
        _read(folder / "forecasts.parquet", FORECAST_COLUMNS, case),
        _read(folder / "categories.parquet", CATEGORY_COLUMNS, case),
        _read(folder / "curves.parquet", CURVE_COLUMNS, case),
        _decided_as_of(folder / "summary.json"),
    )


def _decided_as_of(path: Path) -> datetime:
    """Read up to when the outcomes beside a summary were decided."""
    try:
        return parse_instant(json.loads(path.read_bytes())["decided_as_of"])
    except FileNotFoundError:
        message = f"{path}: not there; give the folder of a finished `forecast backtest`"
    except (OSError, ValueError, KeyError, TypeError):
        message = f"{path}: does not say when its outcomes were decided; run the backtest again, it goes on from what"
        message += " it has"
    raise ScoreError(message)


def _read(path: Path, columns: tuple[str, ...], case: str) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        message = f"{path}: not there; give the folder of a finished `forecast backtest`"
        raise ScoreError(message) from None
    except (OSError, ArrowException) as error:
        message = f"{path}: cannot be read ({' '.join(str(error).split())}); run the backtest again, it goes on from"
        raise ScoreError(f"{message} what it has") from None
    lacking = [c for c in columns if c not in table.columns]
    if lacking:
        message = f"{path}: no column {lacking[0]!r}; run the backtest again with this version"
        raise ScoreError(message)
    for column, wanted in (("label", LABEL), ("case", case)):
        strange = table[table[column].ne(wanted)]
        if len(strange):
            message = f"{path}, row {strange.index[0]}: {column} {strange[column].iloc[0]!r}, not {wanted!r}"
            raise ScoreError(message)
    return table


def _rows(done: list[Done], latest: Vintage) -> Iterator[dict[str, Any]]:
    decided: dict[date, dict[tuple[str, str, str], Outcome]] = {}
    for origin, rung, result in done:
        if origin not in decided:
            deadlines = sorted({date.fromisoformat(row["by"]) for row in result["rows"]})
            found = realised(latest, as_of=origin, by=deadlines)
            decided[origin] = {(o.question, o.category, str(o.by)): o for o in found}
        for row in result["rows"]:
            outcome = decided[origin][row["question"], row["category"], row["by"]]
            yield {
                **_asked(origin, rung, result),
                **row,
                "by": date.fromisoformat(row["by"]),
                "gate": result["gate"],
                "outcome": outcome.outcome,
                "decided_on": outcome.decided_on,
                "public_at": outcome.public_at,
                "settled_by": ";".join(outcome.settled_by),
                "model_version": __version__,
                "seed": result["seed"],
                "data_digest": result["made_of"]["data"],
                "prior_digest": result["made_of"]["priors"],
                "draw_digest": result["draw_digest"],
            }


def _asked(origin: date, rung: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"label": LABEL, "forecaster": rung, "case": result["case"], "origin": parse_instant(origin)}


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype({"outcome": "Int8"})
