import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.case import Case, load_case
from forecast.cli import main
from forecast.cli.comparison import comparison_lines
from forecast.errors import AsOfError, DataError
from forecast.markets.compare import compare, is_priced
from forecast.markets.curves import ModelCurve, ModelCurves, curves_of_document, curves_of_outlook, read_curves
from forecast.markets.pooling import Pool, Weight, log_pool
from forecast.markets.recalibrate import recalibration
from forecast.markets.settled import settled_as_of
from forecast.models import build_history
from forecast.observations import as_of, parse_instant
from forecast.outlook import build_outlook
from forecast.run import _beside_markets
from tests.conftest import without_episodes
from tests.markets.conftest import MARKETS, QUOTES_ROWS, MarketCase
from tests.markets.test_pairs import curves_of, write_backtest
from tests.models.given import made_up_fit, real_history
from tests.report.sample import sample_document

OCTOBER, JUNE = parse_instant("2026-10-06"), parse_instant("2026-06-13")


def model_of(case: str, when: datetime, *, weekly: float = 0.01, weeks: int = 52) -> ModelCurves:
    """A model with one constant weekly hazard for everything: 1 - (1 - h)^week."""
    mean = 1 - (1 - weekly) ** np.arange(weeks + 1)
    curve = ModelCurve("An event", mean, mean / 2, np.minimum(2 * mean, 1))
    events = ("deal", "deal_limited", "deal_comprehensive", "escalation")
    return ModelCurves(case, when, "R1", "pass", 0.9, dict.fromkeys(events, curve))


@pytest.fixture(scope="module")
def shipped() -> Case:
    return load_case("us-iran")


@pytest.fixture(scope="module")
def october(shipped: Case) -> dict[str, Any]:
    return compare(shipped, when=OCTOBER, model=model_of("us-iran", OCTOBER))


def mapping_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [m for m in document["mappings"] if m["id"] == name]
    return dict(found)


def test_both_deal_ladders_stand_beside_the_model_with_a_verdict_on_every_leg(october: dict[str, Any]) -> None:
    kalshi, polymarket = mapping_of(october, "kalshi-agreement"), mapping_of(october, "polymarket-final-deal")
    assert [leg["by"][:7] for leg in polymarket["legs"]] == ["2026-11", "2026-12", "2027-01"]
    assert len(kalshi["legs"]) == 7
    for mapping in (kalshi, polymarket):
        curve = mapping["curve"]
        assert curve["dates"] == [leg["by"] for leg in mapping["legs"]]
        assert np.all(np.diff(curve["cumulative"]) >= 0)
        assert np.all(np.diff(curve["grid"]["market"]) >= 0)
        assert len(mapping["compared"]) == 8
    assert {leg["verdict"] for leg in kalshi["legs"][:5]} <= {"inside", "above", "below"}
    assert [leg["verdict"] for leg in kalshi["legs"][5:]] == ["no model", "no model"]
    assert all("beyond the model's horizon" in leg["notes"][-1] for leg in kalshi["legs"][5:])
    assert [leg["reason"] for leg in kalshi["missing"]] == ["settled no on 2026-09-01", "settled no on 2026-10-01"]


def test_the_numbers_of_a_leg_follow_from_the_quote_and_the_model_by_hand(october: dict[str, Any]) -> None:
    leg = next(x for x in mapping_of(october, "kalshi-agreement")["legs"] if x["by"].startswith("2027-01-01"))
    assert (leg["bid"], leg["ask"], leg["price"]) == ("0.13", "0.14", 0.135)
    fee = 0.07 * 0.13 * 0.87, 0.07 * 0.14 * 0.86
    assert leg["band"] == pytest.approx({"lower": 0.13 - fee[0], "upper": 0.14 + fee[1]})
    days = (datetime(2027, 1, 1, 5, tzinfo=UTC) - OCTOBER) / timedelta(days=1)
    whole, part = int(days // 7), days % 7 / 7  # spread evenly within a week
    model = 1 - 0.99**whole + part * (0.99**whole - 0.99 ** (whole + 1))
    assert leg["model"]["value"] == pytest.approx(model, abs=1e-6)
    assert leg["worth"]["value"] == pytest.approx(model * 3 / 7 + (1 - model) / 100, abs=1e-6)
    assert leg["verdict"] == "below"  # worth 0.06 where 0.12 is the least
    assert leg["gap"]["value"] == pytest.approx(model - leg["market"]["value"], abs=2e-6)
    assert leg["gap"]["lower"] < leg["gap"]["value"] < leg["gap"]["upper"]
    assert leg["model"]["value"] < leg["pool"] < leg["market"]["value"]


def test_a_model_that_agrees_with_the_price_stands_inside(shipped: Case) -> None:
    for target, verdict in ((0.135, "inside"), (0.16, "above"), (0.11, "below")):
        event = (target - 0.01) / (3 / 7 - 0.01)  # worth = target
        curve = ModelCurve("A deal", *(np.full(53, event) for _ in range(3)))
        model = ModelCurves("us-iran", OCTOBER, "R1", "pass", 0.9, {"deal": curve, "escalation": curve})
        found = mapping_of(compare(shipped, when=OCTOBER, model=model), "kalshi-agreement")
        leg = next(x for x in found["legs"] if x["by"].startswith("2027-01-01"))
        assert (leg["worth"]["value"], leg["verdict"]) == (pytest.approx(target), verdict)


def test_a_ladder_that_pays_on_absence_is_read_as_its_opposite(october: dict[str, Any]) -> None:
    found = mapping_of(october, "polymarket-ceasefire")
    assert (found["pays_on"], found["curve"]["of"]) == ("absence", "no")
    assert found["curve"]["raw"] == pytest.approx([1 - leg["price"] for leg in found["legs"]])
    assert found["curve"]["grid"]["worth"][0] == pytest.approx(1 - 0.96)  # an event that cannot have come yet


def test_the_memorandum_under_three_rules_gives_three_probabilities_of_one_event(shipped: Case) -> None:
    document = compare(shipped, when=JUNE, model=model_of("us-iran", JUNE))
    found = [m for m in document["mappings"] if m["group"] == "june-2026-memorandum"]
    assert {m["venue"]: round(m["legs"][0]["market"]["value"], 2) for m in found} == {
        "polymarket": 0.51,
        "manifold": 0.81,
        "kalshi": 0.39,
    }
    assert {m["event"] for m in found} == {"deal_limited"}
    assert all(m["hindsight"] for m in found)
    assert all(leg["verdict"] == "no band" and leg["band"] is None for m in found for leg in m["legs"])
    (manifold,) = [m["legs"][0] for m in found if m["venue"] == "manifold"]
    assert "the quote is 41 days old" in manifold["notes"]
    assert any("says no more than likely" in note or "no more than likely" in note for note in manifold["notes"])


def test_what_is_not_compared_is_listed(october: dict[str, Any]) -> None:
    assert [m["id"] for m in october["not_compared"]] == [
        "memorandum-polymarket",
        "memorandum-manifold",
        "memorandum-kalshi",
    ]
    assert all("until 2026-06-17" in m["reason"] for m in october["not_compared"])
    named = {leg["contract"] for m in october["mappings"] for leg in m["legs"]}
    assert october["unmapped"]
    assert not named & {c["contract"] for c in october["unmapped"]}


def test_nothing_after_the_as_of_time_is_seen(market_case: MarketCase) -> None:
    case = market_case.write()
    early, later = parse_instant("2020-05-01"), parse_instant("2020-06-06")
    leg = compare(case, when=early, model=model_of(case.id, early))["mappings"][0]["legs"][0]
    assert (leg["bid"], leg["ask"], leg["quoted_at"]) == ("0.20", "0.30", "2020-04-01T12:00:00Z")
    legs = compare(case, when=later, model=model_of(case.id, later))["mappings"][0]["legs"]
    assert [x["shown"] for x in legs] == ["0.41", None]  # the book of 1 June, though public later, stood before it
    assert (legs[1]["price"], legs[1]["market"], legs[1]["verdict"]) == (None, None, "inside")  # an offer alone
    assert legs[1]["band"]["upper"] == pytest.approx(0.9)


def test_a_price_that_no_belief_can_make_is_a_note_and_the_rest_is_compared(market_case: MarketCase) -> None:
    sure = {"quoted_at": "2020-06-02T12:00:00Z", "published_at": "2020-06-02T12:00:00Z", "bid": "0.99", "ask": "0.995"}
    other = {**sure, "contract": "PACT-20DEC", "bid": "0.40", "ask": "0.44"}
    narrow = MARKETS.replace("alpha = 8\nbeta = 2", "alpha = 3000\nbeta = 7000").replace("beta = 49", "beta = 1000000")
    case = market_case.write(quotes=(sure, other), markets=narrow)
    when = parse_instant("2020-06-04")
    document = compare(case, when=when, model=model_of(case.id, when))
    first, second = mapping_of(document, "kalshi-pact")["legs"]
    assert (first["market"], first["gap"], first["beyond_basis_risk"], first["pool"]) == (None, None, None, None)
    assert first["price"] == pytest.approx(0.9925)
    assert first["verdict"] == "below"  # of the contract itself the comparison can be made
    assert any("look at the two beliefs again" in note for note in first["notes"])
    assert second["market"] is not None
    assert any("look at the two beliefs again" in line for line in comparison_lines(document))


def test_prices_are_put_right_by_what_was_settled_before_and_by_the_prior_where_nothing_was(
    october: dict[str, Any], shipped: Case, market_case: MarketCase
) -> None:
    found = recalibration(settled_as_of(shipped, OCTOBER).table)
    leg = next(x for x in mapping_of(october, "kalshi-agreement")["legs"] if x["by"].startswith("2027-01-01"))
    value, lower, upper = found.at(0.135)
    assert leg["recalibrated"] == pytest.approx({"value": value, "lower": lower, "upper": upper}, abs=1e-6)
    fitted = october["recalibration"]
    assert (fitted["n"], fitted["clusters"]) == (36, 6)
    assert "36 settled contracts" in fitted["reading"]
    assert "show no bias of prices, nor that there is none" in fitted["reading"]
    case, when = market_case.write(), parse_instant("2020-06-06")
    early = compare(case, when=when, model=model_of(case.id, when))
    assert "by the prior alone" in early["recalibration"]["reading"]
    assert early["recalibration"]["slope"]["value"] == pytest.approx(1)
    assert [x["recalibrated"] is None for x in early["mappings"][0]["legs"]] == [False, True]  # no price, nothing


def test_the_same_inputs_give_the_same_document_in_plain_json(shipped: Case, october: dict[str, Any]) -> None:
    again = compare(shipped, when=OCTOBER, model=model_of("us-iran", OCTOBER))
    assert json.dumps(again, allow_nan=False) == json.dumps(october, allow_nan=False)


def test_a_base_rate_stands_beside(shipped: Case) -> None:
    base = model_of("us-iran", OCTOBER, weekly=0.02)
    found = compare(shipped, when=OCTOBER, model=model_of("us-iran", OCTOBER), base_rate=base)
    leg = found["mappings"][0]["legs"][0]
    assert leg["base_rate"] == pytest.approx(base.by("deal", datetime(2026, 11, 1, 4, tzinfo=UTC))[0], abs=1e-6)  # type: ignore[index]


def test_a_fitted_pool_takes_the_place_of_one_half(shipped: Case, october: dict[str, Any]) -> None:
    model = Weight("R1", 0.2, 0.1, 0.4, 0.5, 0.23, 0.77)
    market = Weight("market", 0.8, 0.6, 0.9, 0.5, 0.23, 0.77)
    pool = Pool(3, 2, 1.5, (model, market), 3000.0)
    found = compare(shipped, when=OCTOBER, model=model_of("us-iran", OCTOBER), pool=pool)
    leg, equal = (mapping_of(d, "kalshi-agreement")["legs"][0] for d in (found, october))
    expected = log_pool(leg["model"]["value"], leg["market"]["value"], weight=0.2)
    assert leg["pool"] == pytest.approx(expected, abs=1e-6) != equal["pool"]
    assert (found["pool"]["model_weight"], found["pool"]["market_weight"]) == (0.2, 0.8)
    assert "fitted on 3 settled contracts; before them it was 0.50" in found["notes"][-2]
    assert "nothing is shown of what the weights should be" in found["notes"][-2]
    assert october["pool"]["fitted"] is None
    assert "not fitted" in october["notes"][-2]


def test_the_log_pool_is_the_geometric_mean_of_odds() -> None:
    assert log_pool(0.2, 0.2) == pytest.approx(0.2)
    assert log_pool(0.5, 0.8) == pytest.approx(2 / 3)  # odds 1 and 4 make 2
    assert log_pool(0.0, 0.5) == pytest.approx(log_pool(0.005, 0.5))
    assert log_pool(0.3, 0.9, weight=1.0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": "elsewhere"}, "the case 'elsewhere', not of 'us-iran'"),
        ({"as_of": OCTOBER - timedelta(days=1)}, "as of 2026-10-05T23:59:59Z, the comparison as of 2026-10-06"),
    ],
)
def test_an_outlook_of_another_case_or_time_is_refused(shipped: Case, change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"case": "us-iran", "when": OCTOBER} | {
        {"as_of": "when"}.get(k, k): v for k, v in change.items()
    }
    with pytest.raises((AsOfError, DataError), match=message):
        compare(shipped, when=OCTOBER, model=model_of(given["case"], given["when"]))


def test_curves_are_those_of_the_document() -> None:
    document = sample_document()
    curves = curves_of_document(document)
    (row,) = [c for c in document["timing"]["curves"] if c["event"] == "deal"]
    week = datetime.fromisoformat(f"{document['timing']['dates'][10]}T23:59:59+00:00")
    assert curves.by("deal", week) == pytest.approx((row["mean"][10], row["lower"][10], row["upper"][10]))
    assert curves.by("deal", week + timedelta(weeks=500)) is None
    assert curves.by("no such event", week) is None
    assert curves.by("deal", curves.as_of - timedelta(days=3)) == pytest.approx((row["mean"][0],) * 3)


def test_curves_of_an_outlook_are_its_answers_and_a_run_puts_the_comparison_in() -> None:
    outlook = build_outlook(made_up_fit("R0", real_history("2026-06-13")))
    curves = curves_of_outlook(outlook)
    answer = outlook.answer("deal", 13)
    found = curves.by("deal", datetime.combine(answer.by, time(23, 59, 59), tzinfo=UTC))
    p = answer.probability
    assert found == pytest.approx((p.mean, p.lower, p.upper))
    added = _beside_markets(outlook)["markets"]
    legs = [leg for mapping in added["mappings"] for leg in mapping["legs"]]
    assert added["as_of"] == "2026-06-13T23:59:59Z"
    assert legs
    assert all(leg["public_at"] <= added["as_of"] for leg in legs)


def test_where_every_quote_is_of_a_contract_that_is_over_a_run_has_no_section(market_case: MarketCase) -> None:
    quotes = QUOTES_ROWS[:3]  # of the September contract, settled in August
    case = without_episodes(market_case.write(quotes=quotes))
    for day, shown in (("2020-08-20", True), ("2020-08-22", False)):
        history = build_history(as_of(case, day), plan_weeks=20)
        outlook = build_outlook(made_up_fit("R0", history))
        assert bool(_beside_markets(outlook)) is shown


def test_a_case_without_quotes_is_compared_with_nothing(market_case: MarketCase) -> None:
    case = market_case.write(quotes=None)
    when = parse_instant("2020-06-06")
    assert not is_priced(case, when)
    with pytest.raises(DataError, match="no mapped contract had been quoted"):
        compare(case, when=when, model=model_of(case.id, when))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "outlook.json of `forecast run`"),
        ('{"schema": "forecast-outlook/1"}', "field 'case'"),
        ('{"schema": "else"}', "field 'schema'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_is_no_outlook_is_refused_by_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_curves(tmp_path / "o.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_curves(tmp_path / "missing.json")


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.fixture
def outlook_file(tmp_path: Path) -> Path:
    document = sample_document()
    document["case"]["id"] = "us-iran"
    document["issue"]["as_of"] = "2026-10-06T23:59:59Z"
    path = tmp_path / "outlook.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_compare_prints_the_ladders_the_rules_and_where_the_model_stands(
    capsys: pytest.CaptureFixture[str], outlook_file: Path
) -> None:
    assert main(["markets", "compare", "us-iran", "--as-of", "2026-10-06", "--outlook", str(outlook_file)]) == 0
    out = capsys.readouterr().out
    assert "Kalshi: U.S.–Iran nuclear agreement before … (kalshi-agreement)" in out
    assert "the model stands outside the band on" in out
    assert "threshold: Theirs: the final deal that the June memorandum foresees" in out
    assert "open contracts that are not mapped: " in out
    assert "recalibrated" in out
    assert "Prices are put right by 36 settled contracts of the case" in out
    assert main(["markets", "compare", "us-iran", "--outlook", str(outlook_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "forecast-markets/1"


def test_compare_fits_the_pool_on_a_backtest_of_the_same_rung(
    capsys: pytest.CaptureFixture[str], outlook_file: Path, tmp_path: Path
) -> None:
    rung = json.loads(outlook_file.read_text())["issue"]["rung"]
    curves = curves_of("us-iran", "deal_limited", origins=("2026-05-29", "2026-06-05"), rungs={rung: 0.01})
    command = ["markets", "compare", "us-iran", "--outlook", str(outlook_file), "--json", "--backtest"]
    assert main([*command, str(write_backtest(tmp_path / "same", curves))]) == 0
    fitted = json.loads(capsys.readouterr().out)["pool"]["fitted"]
    assert (fitted["n"], fitted["clusters"]) == (1, 1)
    assert fitted["value"] < 0.5
    other = curves.assign(forecaster="R5")
    assert main([*command, str(write_backtest(tmp_path / "other", other))]) == 2
    assert f"no forecasts of {rung}, only of R5" in capsys.readouterr().err


def test_map_lists_mappings_and_what_nobody_has_mapped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "map", "us-iran", "--as-of", "2026-10-06"]) == 0
    out = capsys.readouterr().out
    assert "polymarket-ceasefire" in out
    assert "escalation, overlapping, paid where nothing happens" in out
    assert "contracts that are not mapped: 83" in out
    assert main(["markets", "map", "us-iran", "--as-of", "2999-01-01"]) == 2
    assert "as-of 2999-01-01: lies in the future" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--as-of", "yesterday"], "not a date"),
        (["--as-of", "2999-01-01"], "lies in the future"),
        (["--as-of", "2026-09-01"], "the comparison as of 2026-09-01"),
        (["--as-of", "2020-01-01"], "no mapped contract had been quoted by 2020-01-01"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], outlook_file: Path, options: list[str], message: str
) -> None:
    assert main(["markets", "compare", "us-iran", "--outlook", str(outlook_file), *options]) == 2
    assert message in capsys.readouterr().err
