import json
from math import log
from typing import Any

import pytest

from forecast.case import Case
from forecast.cli import main
from forecast.errors import ScoreError
from forecast.markets.scored import market_scores
from forecast.observations import parse_instant
from tests.markets.conftest import MarketCase
from tests.markets.test_settled import CONTRACTS, LATER, QUOTES


@pytest.fixture
def case(market_case: MarketCase) -> Case:
    return market_case.write(contracts=CONTRACTS, quotes=QUOTES, markets=None)


def test_scores_by_hand(case: Case) -> None:
    """Two quotes of one YES are averaged first; two NO stand beside it."""
    found = market_scores(case, when=LATER)
    overall = found["overall"]
    assert (overall["n"], overall["forecasts"], overall["clusters"]) == (3, 4, 2)
    assert overall["brier"] == pytest.approx(((0.75**2 + 0.25**2) / 2 + 0.1**2 + 0.4**2) / 3, abs=1e-6)
    yes = (-log(0.25) - log(0.75)) / 2
    assert overall["log"] == pytest.approx((yes - log(0.9) - log(0.6)) / 3, abs=1e-6)
    assert (overall["base_rate"], overall["mean_probability"]) == (
        pytest.approx(1 / 3, abs=1e-6),
        pytest.approx(1 / 3, abs=1e-6),
    )
    assert {row["band"]: row["n"] for row in found["bands"]} == {"0-2": 2, "2-6": 1, "26-52": 1}
    assert [row["venue"] for row in found["venues"]] == ["kalshi"]
    assert found["clusters"] == [
        {"cluster": "event:fact of 2020-08-21", "n": 1, "came": 1},
        {"cluster": "quiet:2020", "n": 2, "came": 0},
    ]


def test_few_clusters_claim_nothing_and_an_early_yes_is_named(case: Case) -> None:
    reading = market_scores(case, when=parse_instant("2020-08-25"))["reading"]
    assert reading[0].startswith("Settled contracts: 1, by one event or quiet year")
    assert "settled by an event while their deadline is still to come: 1" in reading[1]
    assert "no claim is made" in reading[-1]
    assert not any("still to come" in line for line in market_scores(case, when=LATER)["reading"])


def test_the_document_is_plain_json_and_the_same_again(case: Case) -> None:
    first, second = (json.dumps(market_scores(case, when=LATER), allow_nan=False) for _ in range(2))
    assert first == second
    early: Any = market_scores(case, when=parse_instant("2020-08-25"))
    assert early["overall"]["brier_lower"] is None  # one cluster says nothing of the spread


def test_nothing_settled_says_what_there_is(case: Case) -> None:
    with pytest.raises(ScoreError, match=r"as of 2020-08-01, .*contracts that were not settled by then: 8"):
        market_scores(case, when=parse_instant("2020-08-01"))


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "score", "us-iran", "--as-of", "2026-10-06"]) == 0
    out = capsys.readouterr().out
    assert "With fewer than 10 events no claim is made" in out
    for part in ("All leads", "By weeks to the deadline", "By venue", "event:fact of 2026-02-28", "Left out"):
        assert part in out
    assert main(["markets", "score", "us-iran", "--as-of", "2026-10-06", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "forecast-market-scores/1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["us-iran", "--as-of", "2020-01-01"], "nothing to score as of 2020-01-01"),
        (["us-iran", "--as-of", "soon"], "not a date"),
        (["nowhere"], "no case 'nowhere'"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["markets", "score", *arguments]) == 2
    assert message in capsys.readouterr().err
