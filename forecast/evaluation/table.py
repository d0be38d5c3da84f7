"""The scored table: forecasts joined to outcomes, one row a forecast, and the rules that every row keeps.

======================  ==============================================================================================
``label``               ``published`` (issued before the outcome, from the ledger) or ``reconstructed`` (a backtest)
``forecaster``          a rung, a market, ``base_rate``
``case``, ``question``  ids, as the case declares them
``origin``              as-of time of the forecast, UTC
``by``                  deadline; a date means its end
``horizon_weeks``       from the last day that was over at the origin to the deadline
``probability``         of the event
``outcome``             1 or 0; missing while the question is open, and for good if it was void
``decided_on``          when the deciding fact came (the deadline where nothing did); a date means its end
``cluster``             id of the event that settled it, unique within the case; see :func:`cluster_of`
======================  ==============================================================================================

The same words at another origin are another question where they have another outcome ("a deal by December" asked before
and after the deal of June), so a *settled question* is case, question, deadline and cluster. Forecasts of one settled
question are averaged before questions are: a question is not worth more for having been asked more often.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from forecast.case import last_whole_day
from forecast.errors import ScoreError
from forecast.evaluation.checks import check_probabilities
from forecast.evaluation.scores import FLOOR, brier, log_score

LABELS = ("published", "reconstructed")
KEY = ("case", "question", "origin", "by")
QUESTION = ("case", "question", "by", "cluster")
FORECAST_COLUMNS = ("label", "forecaster", *KEY, "probability")
OUTCOME_COLUMNS = (*KEY, "outcome", "decided_on", "cluster")
COLUMNS = (*FORECAST_COLUMNS, "horizon_weeks", "outcome", "decided_on", "cluster")
BAND_EDGES = (0, 2, 6, 13, 26, 52)
BANDS = ("0-2", "2-6", "6-13", "13-26", "26-52", "52+")
_QUIET = "quiet:"  # clusters of deadlines that passed without an event
DAY_END = pd.Timedelta(hours=23, minutes=59, seconds=59)


def cluster_of(*, settled_by: str | None, by: date) -> str:
    """Name the cluster of a settled question.

    An event that settled it is its cluster, whichever way: the strikes that make "escalation" YES make "a deal before
    any escalation" NO. Where the deadline passed without one, the cluster is the calendar year of the deadline, for all
    questions alike: windows of up to a year that end in one year look at much the same weeks, and one quiet year is one
    piece of evidence, for deals that did not come as for strikes that did not. (Spells of the ladders would be shorter
    than the windows: the shipped case's force ladder turns 80 times in nine years.)

    Parameters
    ----------
    settled_by
        Id of the deciding event, None if the deadline passed without one.
    by
        The deadline.
    """
    return f"{_QUIET}{by.year}" if settled_by is None else f"event:{settled_by}"


def add_clusters(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``cluster`` to outcomes that say what settled them.

    Parameters
    ----------
    table
        With ``by``, ``outcome`` (missing while open) and ``settled_by``: ids of the deciding events joined by ``;``,
        the earliest first, empty where the deadline passed without one. The first id is the cluster.

    Raises
    ------
    ScoreError
        A column is missing.
    """
    lacking = [c for c in ("by", "outcome", "settled_by") if c not in table.columns]
    if lacking:
        message = f"outcomes: no column {lacking[0]!r}; clusters need by, outcome and settled_by"
        raise ScoreError(message)
    first = table["settled_by"].fillna("").astype(str).str.split(";").str[0]
    names = [
        cluster_of(settled_by=event or None, by=by) if known else None
        for event, by, known in zip(first, table["by"], table["outcome"].notna(), strict=True)
    ]
    return table.assign(cluster=pd.Series(names, index=table.index, dtype=object))


def join_outcomes(forecasts: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Join forecasts to outcomes by case, question, origin and deadline; what has no outcome stays, open.

    Parameters
    ----------
    forecasts
        With ``FORECAST_COLUMNS``.
    outcomes
        With ``OUTCOME_COLUMNS``, one row a question and origin.

    Returns
    -------
    pandas.DataFrame
        With ``COLUMNS``, as :func:`check_table` returns it.

    Raises
    ------
    ScoreError
        A column is missing, a question has two outcomes, or a row breaks a rule of the table.
    """
    left, right = _timed(forecasts, FORECAST_COLUMNS, "forecasts"), _timed(outcomes, OUTCOME_COLUMNS, "outcomes")
    twice = right.duplicated(list(KEY))
    if twice.any():
        message = f"outcomes: {_name(right[twice].iloc[0])} is settled twice; keep one resolution"
        raise ScoreError(message)
    joined = left[list(FORECAST_COLUMNS)].merge(right[list(OUTCOME_COLUMNS)], on=list(KEY), how="left")
    return check_table(joined)


def check_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its types and ``horizon_weeks`` set, sorted, after holding every row to the rules.

    Raises
    ------
    ScoreError
        No rows; a missing column; published and reconstructed rows in one table; a probability outside [0, 1]; an
        outcome that is neither 0 nor 1; a forecast given twice; a forecast of a question that was closed at its origin;
        a settled row without cluster or day; one question with two outcomes.
    """
    rows = _timed(table, tuple(c for c in COLUMNS if c != "horizon_weeks"), "table")
    if rows.empty:
        message = "table: no forecasts to score"
        raise ScoreError(message)
    labels = sorted(set(rows["label"].astype(str)))
    if len(labels) > 1 or labels[0] not in LABELS:
        message = f"table: label {', '.join(labels)}; score published and reconstructed forecasts apart"
        raise ScoreError(message)
    check_probabilities(rows["probability"])
    outcome = pd.to_numeric(rows["outcome"], errors="coerce").astype("float64")
    settled = rows["outcome"].notna()
    days = rows["by"] - pd.to_datetime(rows["origin"].map(last_whole_day))
    repeated = rows.duplicated(["forecaster", *KEY])
    broken = {
        "is given twice": repeated,
        "has its deadline before its origin": deadline(rows) <= rows["origin"],
        "has an outcome that is neither 0 nor 1": settled & ~outcome.isin([0.0, 1.0]),
        "is settled without cluster or decided_on": settled & (rows["cluster"].isna() | rows["decided_on"].isna()),
        "was already closed when the forecast was made": settled & (rows["decided_on"] <= rows["origin"]),
        "has two outcomes": rows.assign(y=outcome).groupby(list(KEY))["y"].transform("nunique") > 1,
    }
    for what, where in broken.items():
        if where.any():
            row = rows[where].iloc[0]
            message = f"table: {_name(row)} of {row['forecaster']} {what}"
            raise ScoreError(message)
    rows = rows.assign(outcome=outcome, horizon_weeks=days.dt.days / 7, probability=rows["probability"].astype(float))
    return rows.sort_values(["forecaster", *KEY], kind="stable", ignore_index=True)


def deadline(rows: pd.DataFrame) -> pd.Series:
    """Return the instant of each row's deadline: the end of the day ``by``, UTC."""
    return (rows["by"] + DAY_END).dt.tz_localize("UTC")


def common_questions(table: pd.DataFrame) -> pd.DataFrame:
    """Keep what every forecaster of the table has answered; the way to compare where one of them lacks a forecast."""
    forecasters = table["forecaster"].nunique()
    return table[table.groupby(list(KEY))["forecaster"].transform("nunique") == forecasters].reset_index(drop=True)


def check_same_questions(table: pd.DataFrame) -> None:
    """Make sure that all forecasters have answered the same questions at the same origins.

    Raises
    ------
    ScoreError
        They have not; it names a question that one of them lacks, and how many more.
    """
    given = {str(name): pd.MultiIndex.from_frame(rows[list(KEY)]) for name, rows in table.groupby("forecaster")}
    asked = pd.MultiIndex.from_frame(table[list(KEY)].drop_duplicates())
    for name, index in given.items():
        lacking = asked.difference(index)
        if len(lacking):
            first = _name(pd.Series(dict(zip(KEY, lacking[0], strict=True))))
            message = (
                f"{name} lacks {len(lacking)} of {len(asked)} questions that others answered, the first {first}; "
                "scores on unequal questions do not compare: use common_questions first"
            )
            raise ScoreError(message)


def band_of(weeks: Sequence[float] | np.ndarray | pd.Series) -> pd.Categorical:
    """Band of lead to the deadline, upper ends included: 13 weeks are in ``6-13`` [row]."""
    values = np.asarray(weeks, dtype=float)
    if not (values >= 0).all():
        message = "weeks to the deadline: need numbers from 0 on"
        raise ScoreError(message)
    return pd.cut(values, [*BAND_EDGES, np.inf], labels=list(BANDS), include_lowest=True)


def score_rows(table: pd.DataFrame, *, floor: float = FLOOR) -> pd.DataFrame:
    """Add ``band``, ``brier``, ``log`` and ``clipped`` to the settled rows of a table; open ones are left out."""
    rows = check_table(table)
    rows = rows[rows["outcome"].notna()].reset_index(drop=True)
    log = log_score(rows["probability"], rows["outcome"], floor=floor)
    return rows.assign(
        band=band_of(rows["horizon_weeks"]),
        brier=brier(rows["probability"], rows["outcome"]),
        log=log.values,
        clipped=log.clipped,
    )


def cluster_ids(rows: pd.DataFrame) -> np.ndarray:
    """Return cluster ids that are unique over cases [row]."""
    return (rows["case"].astype(str) + "/" + rows["cluster"].astype(str)).to_numpy()


def settled_by_events(rows: pd.DataFrame) -> np.ndarray:
    """Tell questions that an event settled from those that a quiet year did [row]."""
    return ~rows["cluster"].astype(str).str.startswith(_QUIET).to_numpy(bool)


def _timed(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> pd.DataFrame:
    """Return a table with its times typed: ``origin`` and ``decided_on`` as UTC instants, ``by`` as a day."""
    lacking = [c for c in columns if c not in table.columns]
    if lacking:
        message = f"{what}: no column {lacking[0]!r}; needs {', '.join(columns)}"
        raise ScoreError(message)
    if not isinstance(table["origin"].dtype, pd.DatetimeTZDtype):
        message = f"{what}, column 'origin': needs times with a zone, not {table['origin'].dtype}"
        raise ScoreError(message)
    rows = table.assign(origin=table["origin"].dt.tz_convert("UTC").dt.as_unit("s"))
    try:
        rows["by"] = pd.to_datetime(rows["by"], format="ISO8601").dt.tz_localize(None).dt.normalize().dt.as_unit("s")
        if "decided_on" in columns and not isinstance(rows["decided_on"].dtype, pd.DatetimeTZDtype):
            days = pd.to_datetime(rows["decided_on"], format="ISO8601")
            rows["decided_on"] = (days.dt.normalize() + DAY_END).dt.tz_localize("UTC")
    except (ValueError, TypeError) as error:
        message = f"{what}: by and decided_on must be dates ({error})"
        raise ScoreError(message) from None
    return rows


def _name(row: pd.Series) -> str:
    return f"{row['case']}/{row['question']} as of {row['origin']:%Y-%m-%d} by {row['by']:%Y-%m-%d}"
