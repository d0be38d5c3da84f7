from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.case import Case
from forecast.errors import ScoreError
from forecast.evaluation.reconstructed import CATEGORY_COLUMNS, CURVE_COLUMNS, FORECAST_COLUMNS
from forecast.markets.pairs import history, settled_pairs, valued_legs
from forecast.observations import parse_instant
from tests.markets.conftest import CONTRACTS_ROWS, MARKETS, QUOTES_ROWS, MarketCase

LATER = parse_instant("2021-06-01")
BY = parse_instant("2020-09-01T04:00:00Z")


def curves_of(
    case: str, question: str, *, origins: tuple[str, ...], rungs: dict[str, float], gate: str = "pass"
) -> pd.DataFrame:
    """Curves of a backtest that grow by so much a week for each rung."""
    rows = [
        {
            "label": "reconstructed", "forecaster": rung, "case": case, "question": question,
            "origin": pd.Timestamp(parse_instant(origin)), "week": week, "probability": weekly * week, "gate": gate,
            "came_after_weeks": np.inf, "watched_weeks": 60.0,
        }
        for origin in origins
        for rung, weekly in rungs.items()
        for week in range(53)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def write_backtest(folder: Path, curves: pd.DataFrame) -> Path:
    """The folder of a backtest that has only curves."""
    folder.mkdir()
    curves.to_parquet(folder / "curves.parquet")
    pd.DataFrame(columns=list(FORECAST_COLUMNS)).to_parquet(folder / "forecasts.parquet")
    pd.DataFrame(columns=list(CATEGORY_COLUMNS)).to_parquet(folder / "categories.parquet")
    (folder / "summary.json").write_text('{"decided_as_of": "2021-06-25T23:59:59+00:00"}')
    return folder


@pytest.fixture
def case(market_case: MarketCase) -> Case:
    return market_case.write()


def worth(origin: str, weekly: float) -> float:
    """0.8 if our event comes, 0.02 if not, the event's probability being even in time."""
    x = weekly * ((BY - parse_instant(origin)) / timedelta(weeks=1))
    return 0.8 * x + 0.02 * (1 - x)


def test_a_pair_is_the_price_of_its_week_beside_the_worth_of_hand(case: Case) -> None:
    origins = ("2020-04-03", "2020-04-10", "2020-06-02", "2020-06-04", "2020-08-21")
    curves = curves_of(case.id, "pact", origins=origins, rungs={"R0": 0.01, "R3": 0.02})
    found = valued_legs(case, curves, when=LATER)
    told = [[str(row["origin"].date()), row["rung"], row["market"], row["model"]] for _, row in found.iterrows()]
    assert told == [  # in April's second week the quote is old, on 2 June nothing newer is public, in August it is over
        ["2020-04-03", "R0", 0.25, pytest.approx(worth("2020-04-03", 0.01))],
        ["2020-04-03", "R3", 0.25, pytest.approx(worth("2020-04-03", 0.02))],
        ["2020-06-04", "R0", 0.41, pytest.approx(worth("2020-06-04", 0.01))],
        ["2020-06-04", "R3", 0.41, pytest.approx(worth("2020-06-04", 0.02))],
    ]
    assert set(found["cluster"]) == {"event:fact of 2020-08-21"}
    assert set(found["outcome"]) == {1.0}


def test_settled_pairs_are_scored_row_by_row(case: Case) -> None:
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R0": 0.01, "R3": 0.02})
    rows = settled_pairs(valued_legs(case, curves, when=LATER), "R3", base_rate=True)
    assert rows["forecaster"].tolist() == ["R0", "R0", "R3", "R3", "market", "market"]
    assert rows["brier"].iloc[-1] == pytest.approx(0.59**2)
    assert rows["log"].iloc[2] == pytest.approx(-np.log(worth("2020-04-03", 0.02)))
    assert set(rows["question"]) == {"kalshi:PACT-20SEP"}


def test_before_it_is_settled_a_leg_has_a_history_and_no_pair(case: Case) -> None:
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R0": 0.01})
    valued = valued_legs(case, curves, when=parse_instant("2020-07-01"))
    assert settled_pairs(valued, "R0").empty
    (leg,) = history(valued)
    assert (leg["mapping"], leg["contract"]) == ("kalshi-pact", "PACT-20SEP")
    assert [point["market"] for point in leg["series"]] == [0.25, 0.41]
    assert leg["series"][1]["worth"] == {"R0": pytest.approx(worth("2020-06-04", 0.01))}


def test_later_quotes_endings_and_origins_change_nothing(case: Case, market_case: MarketCase) -> None:
    when = parse_instant("2020-07-01")
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04", "2020-07-03"), rungs={"R0": 0.01})
    before = valued_legs(case, curves, when=when)
    late = {"quoted_at": "2020-06-04T00:00:00Z", "published_at": "2020-07-02T00:00:00Z", "shown": "0.99"}
    turned = [{**row, "resolution": "no"} if row["id"] == "PACT-20SEP" else row for row in CONTRACTS_ROWS]
    poisoned = market_case.write(contracts=turned, quotes=(*QUOTES_ROWS, late))
    curves.loc[curves["origin"] > when, "probability"] = 1.0
    pd.testing.assert_frame_equal(valued_legs(poisoned, curves, when=when), before)
    assert len(before) == 2


def test_a_contract_that_two_mappings_name_is_one_question_worth_their_mean(market_case: MarketCase) -> None:
    other = MARKETS.replace('"kalshi-pact"', '"again"').replace('event = "deal"', 'event = "escalation"')
    case = market_case.write(markets=MARKETS + other.replace("alpha = 8\nbeta = 2", "alpha = 4\nbeta = 6"))
    parts = [
        curves_of(case.id, q, origins=("2020-06-04",), rungs={"R1": weekly})
        for q, weekly in (("pact", 0.01), ("war", 0))
    ]
    rows = settled_pairs(valued_legs(case, pd.concat(parts), when=LATER), "R1")
    assert len(rows) == 2
    assert rows["probability"].tolist() == pytest.approx([(worth("2020-06-04", 0.01) + 0.02) / 2, 0.41])


def test_failed_fits_and_deadlines_past_the_last_week_are_left_out(case: Case, market_case: MarketCase) -> None:
    failed = curves_of(case.id, "pact", origins=("2020-06-04",), rungs={"R3": 0.01}, gate="fail")
    assert valued_legs(case, failed, when=LATER).empty
    short = curves_of(case.id, "pact", origins=("2020-06-04",), rungs={"R3": 0.01})
    assert valued_legs(case, short[short["week"] <= 12], when=LATER).empty
    void = [{**row, "resolution": "void"} if row["id"] == "PACT-20SEP" else row for row in CONTRACTS_ROWS]
    valued = valued_legs(market_case.write(contracts=void), short, when=LATER)
    assert valued["outcome"].isna().all()
    assert len(valued) == 1


def test_a_curve_that_lacks_a_week_or_a_zone_is_refused(case: Case) -> None:
    curves = curves_of(case.id, "pact", origins=("2020-06-04",), rungs={"R3": 0.01})
    with pytest.raises(ScoreError, match="R3 as of 2020-06-04: pact lacks a week"):
        valued_legs(case, curves[curves["week"] != 3], when=LATER)
    with pytest.raises(ScoreError, match="column 'origin': needs times with a zone"):
        valued_legs(case, curves.assign(origin="2020-06-04"), when=LATER)
