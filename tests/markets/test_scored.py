import json
from math import log
from pathlib import Path
from typing import Any

import pytest

from forecast.case import Case
from forecast.cli import main
from forecast.errors import ScoreError
from forecast.markets.scored import fitted_pool, market_scores
from forecast.observations import parse_instant
from tests.markets.conftest import MarketCase
from tests.markets.test_pairs import curves_of, write_backtest
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


def test_few_clusters_claim_nothing_and_an_early_yes_waits(case: Case) -> None:
    reading = market_scores(case, when=parse_instant("2020-09-02"))["reading"]
    assert reading[0].startswith("Settled contracts: 1, by one event or quiet year")
    assert "no claim is made" in reading[-1]
    with pytest.raises(ScoreError, match="settled while their deadline is still to come: 1"):
        market_scores(case, when=parse_instant("2020-08-25"))


def test_the_document_is_plain_json_and_the_same_again(case: Case) -> None:
    first, second = (json.dumps(market_scores(case, when=LATER), allow_nan=False) for _ in range(2))
    assert first == second
    early: Any = market_scores(case, when=parse_instant("2020-09-02"))
    assert early["overall"]["brier_lower"] is None  # one cluster says nothing of the spread


def test_nothing_settled_says_what_there_is(case: Case) -> None:
    with pytest.raises(ScoreError, match=r"as of 2020-08-01, .*contracts that were not settled by then: 8"):
        market_scores(case, when=parse_instant("2020-08-01"))


def test_a_backtest_is_laid_out_where_nothing_is_settled(
    capsys: pytest.CaptureFixture[str], market_case: MarketCase, tmp_path: Path
) -> None:
    case = market_case.write()
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R3": 0.02})
    found = market_scores(case, when=parse_instant("2020-06-10"), curves=curves)
    assert (found["overall"], found["bands"], found["clusters"]) == (None, [], [])
    assert found["reading"][0].startswith("Nothing to score as of 2020-06-10, no contract with a quote was settled")
    assert [leg["outcome"] for leg in found["model_and_market"]["legs"]] == [None]
    assert found["model_and_market"]["rungs"][0]["pairs"] == 0
    folder = write_backtest(tmp_path / "backtest", curves)
    command = ["markets", "score", str(case.folder), "--as-of", "2020-06-10", "--backtest", str(folder)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Nothing to score" in out
    assert "R3, settled pairs: 0" in out


def test_a_backtest_stands_beside_the_market_with_what_each_is_alone(market_case: MarketCase) -> None:
    case = market_case.write()
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R0": 0.01, "R3": 0.02})
    found = market_scores(case, when=LATER, curves=curves)["model_and_market"]
    base, own = found["rungs"]
    assert [(r["rung"], r["pairs"]) for r in found["rungs"]] == [("R0", 2), ("R3", 2)]
    assert {row["forecaster"] for row in own["scores"]} == {"R3", "market"}
    alone = {row["forecaster"]: row["brier"] for row in own["scores"]}
    assert alone["market"] == pytest.approx((0.75**2 + 0.59**2) / 2, abs=1e-6)
    (brier,) = [d for d in own["differences"] if d["score"] == "brier"]
    assert brier["mean"] == pytest.approx(alone["R3"] - alone["market"], abs=2e-6)
    assert [w["member"] for w in own["pool_with_base_rate"]["weights"]] == ["R3", "market", "R0"]
    assert base["pool_with_base_rate"] is None
    assert sum(w["mean"] for w in own["pool"]["weights"]) == pytest.approx(1, abs=2e-6)
    assert "at most 2 a rung, by one event" in found["reading"][2]
    assert "nothing is shown" in found["reading"][-1]
    assert [len(leg["series"]) for leg in found["legs"]] == [2]


def test_a_backtest_without_a_settled_pair_leaves_the_prior(market_case: MarketCase) -> None:
    case = market_case.write()
    curves = curves_of(case.id, "pact", origins=("2020-05-01",), rungs={"R3": 0.01})
    (own,) = market_scores(case, when=LATER, curves=curves)["model_and_market"]["rungs"]
    assert (own["pairs"], own["scores"], own["encompassing"], own["pool"]["n"]) == (0, [], None, 0)
    assert own["pool"]["weights"][0]["mean"] == 0.5


def test_the_pool_is_fitted_on_what_was_settled_by_then_alone(market_case: MarketCase) -> None:
    case = market_case.write()
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R3": 0.02})
    early, late = (
        fitted_pool(case, curves, rung="R3", when=parse_instant(day)) for day in ("2020-08-31", "2020-09-01")
    )
    assert (early.n, early.weights[0].mean) == (0, 0.5)
    assert late.n == late.clusters == 1
    assert late.weights[0].mean < 0.5  # what came was dearer than the model's worth of it
    with pytest.raises(ScoreError, match="no forecasts of R6, only of R3"):
        fitted_pool(case, curves, rung="R6", when=LATER)


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "score", "us-iran", "--as-of", "2026-10-06"]) == 0
    out = capsys.readouterr().out
    assert "With fewer than 10 events no claim is made" in out
    for part in ("All leads", "By weeks to the deadline", "By venue", "event:fact of 2026-02-28", "Left out"):
        assert part in out
    assert main(["markets", "score", "us-iran", "--as-of", "2026-10-06", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "forecast-market-scores/1"


def test_the_command_lays_a_backtest_out(
    capsys: pytest.CaptureFixture[str], market_case: MarketCase, tmp_path: Path
) -> None:
    case = market_case.write()
    curves = curves_of(case.id, "pact", origins=("2020-04-03", "2020-06-04"), rungs={"R0": 0.01, "R3": 0.02})
    folder = write_backtest(tmp_path / "backtest", curves)
    command = ["markets", "score", str(case.folder), "--as-of", "2021-06-01", "--backtest"]
    assert main([*command, str(folder)]) == 0
    out = capsys.readouterr().out
    for part in (
        "R3, settled pairs: 2",
        "R3 less market, log: ",
        "(one cluster)",
        "nothing is shown",
        "PACT-20SEP by 2020",
    ):
        assert part in out
    assert main([*command, str(tmp_path / "absent")]) == 2
    assert "give the folder of a finished `forecast backtest`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["us-iran", "--as-of", "2020-01-01"], "nothing to score as of 2020-01-01"),
        (["us-iran", "--as-of", "soon"], "not a date"),
        (["us-iran", "--as-of", "2999-01-01"], "as-of 2999-01-01: lies in the future"),
        (["nowhere"], "no case 'nowhere'"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["markets", "score", *arguments]) == 2
    assert message in capsys.readouterr().err
