from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.case import Case, load_case
from forecast.markets.settled import contract_cluster, settled_as_of
from forecast.observations import parse_instant
from tests.markets.conftest import MarketCase, Row

LATER = parse_instant("2021-06-01")


def contract(name: str, **row: str) -> Row:
    return {"id": name, "deadline": "2020-09-01T04:00:00Z", **row}


def quote(name: str, when: str, **row: str) -> Row:
    return {"contract": name, "quoted_at": when, "published_at": when, **row}


CONTRACTS: tuple[Row, ...] = (
    contract("EVENT", resolution="yes", settled_at="2020-08-21T12:00:00Z"),
    contract("QUIET", resolution="no", settled_at="2020-09-03T12:00:00Z"),
    contract("CLOSES", deadline="", closes_at="2021-01-01T00:00:00Z", resolution="no", settled_at="2021-01-02T00:00Z"),
    contract("VOID", resolution="void", settled_at="2020-08-21T12:00:00Z"),
    contract("HALF", resolution="0.5", settled_at="2020-08-21T12:00:00Z"),
    contract("OPEN", deadline="2022-01-01T00:00:00Z"),
    contract("UNDATED", deadline="", resolution="no", settled_at="2020-09-01T12:00:00Z"),
    contract("SILENT", resolution="no", settled_at="2020-09-01T12:00:00Z"),
)  # fmt: skip
QUOTES: tuple[Row, ...] = (
    quote("EVENT", "2020-07-24T12:00:00Z", bid="0.20", ask="0.30"),
    quote("EVENT", "2020-08-20T12:00:00Z", shown="0.75"),
    quote("QUIET", "2020-08-30T12:00:00Z", shown="0.1"),
    quote("QUIET", "2020-08-31T12:00:00Z", ask="0.2"),
    quote("QUIET", "2020-09-01T04:00:00Z", shown="0.01"),
    quote("CLOSES", "2020-06-01T00:00:00Z", shown="0.4"),
    *(quote(name, "2020-06-01T00:00:00Z", shown="0.5") for name in ("VOID", "HALF", "OPEN", "UNDATED")),
)


@pytest.fixture
def case(market_case: MarketCase) -> Case:
    return market_case.write(contracts=CONTRACTS, quotes=QUOTES, markets=None)


def test_the_rows_are_those_of_hand(case: Case) -> None:
    table = settled_as_of(case, LATER).table
    told = [tuple(row) for row in table[["question", "probability", "outcome", "cluster"]].itertuples(index=False)]
    assert sorted(told) == [
        ("kalshi:CLOSES", 0.4, 0.0, "quiet:2020"),  # midnight of 1 January belongs to the year before
        ("kalshi:EVENT", 0.25, 1.0, "event:fact of 2020-08-21"),
        ("kalshi:EVENT", 0.75, 1.0, "event:fact of 2020-08-21"),
        ("kalshi:QUIET", 0.1, 0.0, "quiet:2020"),
    ]
    assert set(table["venue"]) == {"kalshi"}
    event = table[table["question"] == "kalshi:EVENT"]
    assert [str(day.date()) for day in event["by"]] == ["2020-09-01"] * 2
    # from 23 July and 19 August, the last days that were over when they were quoted, to the day of the deadline
    assert event["horizon_weeks"].tolist() == pytest.approx([40 / 7, 13 / 7])


def test_what_is_left_out_is_counted_by_its_reason(case: Case) -> None:
    assert settled_as_of(case, LATER).left_out == {
        "open": 1,
        "early": 0,
        "void": 1,
        "scalar": 1,
        "undated": 1,
        "unquoted": 1,
        "unpriced": 1,
        "late": 1,
    }


@pytest.mark.parametrize(("when", "rows"), [("2020-08-20", 0), ("2020-08-31", 0), ("2020-09-01", 2), ("2020-09-03", 3)])
def test_a_contract_counts_once_its_ending_is_public_and_its_deadline_has_passed(
    case: Case, when: str, rows: int
) -> None:
    found = settled_as_of(case, parse_instant(when))
    assert len(found.table) == rows
    assert found.left_out["early"] == (when == "2020-08-31")


def test_a_quote_that_became_public_later_is_not_seen(market_case: MarketCase) -> None:
    hidden = {**QUOTES[0], "published_at": "2021-01-01T00:00:00Z"}
    case = market_case.write(contracts=CONTRACTS, quotes=(hidden, *QUOTES[1:]), markets=None)
    assert len(settled_as_of(case, parse_instant("2020-12-31")).table) == 2
    assert len(settled_as_of(case, LATER).table) == 4


def test_nothing_later_changes_what_was_known_by_then(case: Case, market_case: MarketCase) -> None:
    when = parse_instant("2020-09-01")
    before = settled_as_of(case, when).table
    assert len(before) == 2
    poisoned = [{**row, "resolution": "yes"} if row.get("settled_at", "") > "2020-09-02" else row for row in CONTRACTS]
    late = quote("QUIET", "2020-09-02T00:00:00Z", shown="0.99")
    other = market_case.write(contracts=poisoned, quotes=(*QUOTES, late), markets=None)
    pd.testing.assert_frame_equal(settled_as_of(other, when).table, before)


INSTANTS = st.datetimes(datetime(2019, 1, 2), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_a_day_before_its_deadline_is_an_event_and_every_other_the_year(deadline: datetime, after: timedelta) -> None:
    settled_at = deadline + after
    name = contract_cluster(settled_at=settled_at, deadline=deadline)
    if settled_at.date() < deadline.date():
        assert name == f"event:fact of {settled_at:%Y-%m-%d}"
    else:
        assert name == f"quiet:{(deadline - timedelta(days=1)).year}"


def test_contracts_of_one_event_share_a_cluster_whatever_their_deadlines_and_zones() -> None:
    noon = parse_instant("2026-02-28T12:00Z")
    names = {contract_cluster(settled_at=noon, deadline=parse_instant(f"2026-{m:02}-28")) for m in range(3, 12)}
    assert names == {"event:fact of 2026-02-28"}
    last, midnight = parse_instant("2026-12-31T23:59:59Z"), parse_instant("2027-01-01T05:00Z")
    assert {contract_cluster(settled_at=day, deadline=day) for day in (last, midnight)} == {"quiet:2026"}


def test_the_shipped_quotes_make_a_table_without_what_was_not_known() -> None:
    case, when = load_case("us-iran"), parse_instant("2026-03-05")
    table: Any = settled_as_of(case, when).table
    assert (table["decided_on"] <= when).all()
    assert (table["origin"] < table["decided_on"]).all()
    assert table.groupby("question")["outcome"].nunique().eq(1).all()
    assert np.isin(table["outcome"], [0, 1]).all()
    assert (table["by"].dt.date <= when.date()).all()
    assert table["question"].nunique() == 18
