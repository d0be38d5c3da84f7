import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from forecast.evaluation.table import check_table
from forecast.markets.recalibrate import recalibration
from forecast.markets.settled import settled_as_of
from forecast.observations import parse_instant
from tests.markets.conftest import MarketCase
from tests.markets.test_settled import CONTRACTS, QUOTES, quote

PRIOR = recalibration(pd.DataFrame(columns=["probability"]))


def settled(prices: np.ndarray, outcomes: np.ndarray, clusters: np.ndarray, *, times: int = 1) -> pd.DataFrame:
    """A scored table: question k by the crowd, asked so many times at one price."""
    days = pd.date_range("2024-01-01", periods=times, tz="UTC")
    rows = [
        {
            "label": "published", "forecaster": "crowd", "case": "c", "question": f"q{k}", "origin": day,
            "by": "2025-01-01", "probability": p, "outcome": y, "decided_on": "2025-01-01", "cluster": f"event:{c}",
        }
        for k, (p, y, c) in enumerate(zip(prices, outcomes, clusters, strict=True))
        for day in days
    ]  # fmt: skip
    return check_table(pd.DataFrame(rows))


def prior_mean(price: float) -> float:
    """E[logistic(a + b logit m)]: a + b logit m is normal, so one integral."""
    x = np.log(price / (1 - price))
    law = stats.norm(x, np.hypot(0.5, 0.3 * x))
    return float(integrate.quad(lambda t: stats.logistic.cdf(t) * law.pdf(t), -30, 30, points=[x], limit=200)[0])


@given(st.floats(0.006, 0.994))
def test_with_nothing_settled_it_is_the_prior_in_closed_form(price: float) -> None:
    value, lower, upper = PRIOR.at(price)
    assert value == pytest.approx(prior_mean(price), abs=1e-5)
    x = np.log(price / (1 - price))
    bounds = stats.logistic.cdf(stats.norm(x, np.hypot(0.5, 0.3 * x)).interval(0.8))
    assert (lower, upper) == pytest.approx(tuple(bounds), abs=2e-3)


def test_the_truth_is_found_where_there_is_much_to_learn_from() -> None:
    """Prices drawn to a half: the truth is logit p' = 0.3 + 1.5 logit m, in 2,000 questions that share nothing."""
    rng = np.random.default_rng(11)
    m = rng.uniform(0.05, 0.95, 2000)
    p = stats.logistic.cdf(0.3 + 1.5 * np.log(m / (1 - m)))
    found = recalibration(settled(m, (rng.random(2000) < p).astype(float), np.arange(2000)))
    assert found.n == found.clusters == 2000
    shift, slope = found.posterior.bounds(0, 0.99), found.posterior.bounds(1, 0.99)
    assert 0.1 < shift[0] < 0.3 < shift[1] < 0.5
    assert 1.2 < slope[0] < 1.5 < slope[1] < 1.8
    value, lower, upper = found.at(0.8)
    truth = stats.logistic.cdf(0.3 + 1.5 * np.log(4))
    assert lower - 0.02 < truth < upper + 0.02
    assert value > 0.85 > PRIOR.at(0.8)[0]


def test_a_question_counts_once_however_often_it_was_quoted() -> None:
    m, y, own = np.array([0.2, 0.6, 0.7]), np.array([1.0, 0.0, 1.0]), np.arange(3)
    once, often = (recalibration(settled(m, y, own, times=k)) for k in (1, 9))
    assert often.at(0.3) == pytest.approx(once.at(0.3), abs=1e-9)


def test_one_event_that_settles_forty_contracts_is_worth_one() -> None:
    m, y = np.full(40, 0.2), np.ones(40)
    together = recalibration(settled(m, y, np.zeros(40)))
    alone = recalibration(settled(m[:1], y[:1], np.zeros(1)))
    assert (together.n, together.clusters, together.n_eff) == (40, 1, 1.0)
    assert together.at(0.2) == pytest.approx(alone.at(0.2), abs=1e-9)
    assert recalibration(settled(m, y, np.arange(40))).at(0.2)[0] > together.at(0.2)[0]


def test_later_quotes_and_outcomes_change_nothing(market_case: MarketCase) -> None:
    when = parse_instant("2020-09-01")
    case = market_case.write(contracts=CONTRACTS, quotes=QUOTES, markets=None)
    before = recalibration(settled_as_of(case, when).table)
    poisoned = [{**row, "resolution": "yes"} if row.get("settled_at", "") > "2020-09-02" else row for row in CONTRACTS]
    late = [quote("QUIET", f"2020-09-02T0{hour}:00:00Z", shown="0.99") for hour in range(4)]
    case = market_case.write(contracts=poisoned, quotes=(*QUOTES, *late), markets=None)
    after = recalibration(settled_as_of(case, when).table)
    assert before.n == after.n == 1
    assert [after.at(p) for p in (0.05, 0.5, 0.9)] == [before.at(p) for p in (0.05, 0.5, 0.9)]
    assert recalibration(settled_as_of(case, parse_instant("2020-09-04")).table).at(0.5) != before.at(0.5)
