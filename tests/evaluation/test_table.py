from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.table import (
    COLUMNS,
    FORECAST_COLUMNS,
    OUTCOME_COLUMNS,
    add_clusters,
    band_of,
    check_same_questions,
    check_table,
    cluster_of,
    common_questions,
    join_outcomes,
    score_rows,
)
from tests.evaluation.given import START, table

TWO = {"R1": [0.2, 0.3], "R3": [0.1, 0.6]}


def outcomes_of(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[list(OUTCOME_COLUMNS)].drop_duplicates(["case", "question", "origin", "by"])


def test_a_join_carries_every_forecast_and_leaves_what_is_not_settled_open() -> None:
    rows = table(TWO, [0, 1])
    joined = join_outcomes(rows[list(FORECAST_COLUMNS)], outcomes_of(rows).iloc[1:])
    assert set(joined.columns) == set(COLUMNS)
    assert len(joined) == 4
    assert joined["outcome"].isna().tolist() == [True, False, True, False]
    assert joined["horizon_weeks"].tolist() == [13.0] * 4
    within_the_next_day = rows.assign(origin=rows["origin"] + pd.Timedelta(hours=12))
    assert check_table(within_the_next_day)["horizon_weeks"].tolist() == [13.0] * 4
    scored = score_rows(joined)
    assert scored["forecaster"].tolist() == ["R1", "R3"]
    np.testing.assert_allclose(scored["brier"], [0.49, 0.16])
    np.testing.assert_allclose(scored["log"], -np.log([0.3, 0.6]))
    assert scored["band"].astype(str).tolist() == ["6-13", "6-13"]


def test_a_question_settled_twice_is_refused() -> None:
    rows = table(TWO, [0, 1])
    twice = pd.concat([outcomes_of(rows), outcomes_of(rows).assign(outcome=1)])
    with pytest.raises(ScoreError, match="tiny/deal as of 2024-01-05 by 2024-04-05 is settled twice"):
        join_outcomes(rows[list(FORECAST_COLUMNS)], twice)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("probability", 1.2, "row 0: 1.2 is not a probability"),
        ("probability", float("nan"), "row 0: nan is not a probability"),
        ("outcome", 2, "of R1 has an outcome that is neither 0 nor 1"),
        ("outcome", 1, "of R1 has two outcomes"),
        ("cluster", None, "of R1 is settled without cluster or decided_on"),
        ("decided_on", pd.NaT, "of R1 is settled without cluster or decided_on"),
        ("decided_on", date(2024, 1, 5), "of R1 was already closed when the forecast was made"),
        ("by", date(2024, 1, 4), "of R1 has its deadline before its origin"),
        ("label", "published", "score published and reconstructed forecasts apart"),
        ("label", "guessed", "guessed"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_name(column: str, value: object, words: str) -> None:
    rows = table(TWO, [0, 1])
    rows[column] = [value, *rows[column].iloc[1:]]
    with pytest.raises(ScoreError, match=words):
        check_table(rows)


def test_a_forecast_given_twice_is_refused() -> None:
    rows = table(TWO, [0, 1])
    with pytest.raises(ScoreError, match="of R3 is given twice"):
        check_table(pd.concat([rows, rows.iloc[[3]]]))


@pytest.mark.parametrize("column", [c for c in COLUMNS if c != "horizon_weeks"])
def test_a_missing_column_is_refused_by_name(column: str) -> None:
    with pytest.raises(ScoreError, match=f"no column '{column}'"):
        check_table(table(TWO, [0, 1]).drop(columns=column))


def test_an_empty_table_and_times_without_zone_are_refused() -> None:
    rows = table(TWO, [0, 1])
    with pytest.raises(ScoreError, match="no forecasts"):
        check_table(rows.iloc[:0])
    with pytest.raises(ScoreError, match="times with a zone"):
        check_table(rows.assign(origin=rows["origin"].dt.tz_localize(None)))
    with pytest.raises(ScoreError, match="must be dates"):
        check_table(rows.assign(by="soon"))


def test_a_question_may_be_settled_later_on_the_day_of_its_forecast() -> None:
    """A date means its end, so the fact of that day was not out yet at noon."""
    rows = table({"R1": [0.2]}, [1]).assign(origin=START.floor("D") + pd.Timedelta(hours=12))
    found = check_table(rows.assign(decided_on=date(2024, 1, 5)))
    assert str(found["decided_on"].iloc[0]) == "2024-01-05 23:59:59+00:00"


def test_unequal_questions_are_refused_until_the_common_ones_are_taken() -> None:
    rows = check_table(table(TWO, [0, 1])).drop(index=3)
    with pytest.raises(ScoreError, match=r"R3 lacks 1 of 2 questions.*as of 2024-02-02.*common_questions"):
        check_same_questions(rows)
    kept = common_questions(rows)
    check_same_questions(kept)
    assert kept["origin"].astype(str).tolist() == ["2024-01-05 23:59:59+00:00"] * 2


def test_bands_hold_their_upper_ends() -> None:
    found = band_of([0, 1, 2, 4, 6, 6.01, 13, 26, 26.1, 52, 60])
    wanted = ["0-2", "0-2", "0-2", "2-6", "2-6", "6-13", "6-13", "13-26", "26-52", "26-52", "52+"]
    assert list(found) == wanted
    assert found.ordered
    for bad in (-1.0, float("nan")):
        with pytest.raises(ScoreError, match="weeks"):
            band_of([bad])


def test_what_an_event_settled_shares_its_cluster_and_what_nothing_did_its_year() -> None:
    assert cluster_of(settled_by="E12", by=date(2024, 5, 1)) == "event:E12"
    assert cluster_of(settled_by="E12", by=date(2025, 12, 1)) == "event:E12"
    assert cluster_of(settled_by=None, by=date(2024, 12, 31)) == "quiet:2024"
    assert cluster_of(settled_by=None, by=date(2025, 1, 1)) == "quiet:2025"


def test_clusters_are_added_to_what_is_settled() -> None:
    """The earliest of the deciding events names the cluster; an open question has none."""
    asked = pd.DataFrame(
        {
            "by": [date(2024, 5, 1), date(2024, 6, 1), date(2024, 7, 1), date(2025, 1, 3)],
            "outcome": pd.array([1, 0, 0, None], dtype="Int8"),
            "settled_by": ["E12;E13", "E12", "", ""],
        },
        index=[7, 5, 3, 1],
    )
    assert add_clusters(asked)["cluster"].tolist() == ["event:E12", "event:E12", "quiet:2024", None]
    with pytest.raises(ScoreError, match="no column 'settled_by'"):
        add_clusters(asked.drop(columns="settled_by"))


def test_a_backtests_table_goes_straight_in() -> None:
    """Outcomes as nullable integers, days as dates, further columns: nothing is lost, and the open row stays open."""
    rows = table({"R1": [0.2, 0.3, 0.4]}, [0, 1, None]).drop(columns="cluster")
    rows = rows.assign(settled_by=["", "E4", ""], gate="pass", horizon_weeks=13.0).astype({"outcome": "Int8"})
    found = check_table(add_clusters(rows))
    assert found["cluster"].tolist() == ["quiet:2024", "event:E4", None]
    assert found["outcome"].tolist()[:2] == [0.0, 1.0]
    assert np.isnan(found["outcome"].iloc[2])
    assert found["gate"].tolist() == ["pass"] * 3
    assert score_rows(found)["brier"].tolist() == pytest.approx([0.04, 0.49])
