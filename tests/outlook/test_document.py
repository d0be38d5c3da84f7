import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.inference import manifest
from forecast.outlook import Outlook, build_outlook, to_document
from forecast.outlook.document import share_dots
from forecast.outlook.leverage import leverage_section
from forecast.outlook.words import fraction, percent, word
from tests.models.given import made_up_fit, real_history, shipped_priors
from tests.outlook.test_leverage import leverage_fit
from tests.report.sample import sample_document

RUN_AT = datetime(2026, 4, 15, 6, 0, tzinfo=UTC)


def written(outlook: Outlook) -> dict[str, Any]:
    return to_document(
        outlook,
        run_manifest=manifest(outlook.fit, command="forecast run"),
        run_at=RUN_AT,
        ledger={"length": 0, "head": 64 * "0"},
    )


@pytest.fixture(scope="module")
def document(outlook: Outlook) -> dict[str, Any]:
    return written(outlook)


@pytest.fixture(scope="module")
def of_base_rate(base_rate: Outlook) -> dict[str, Any]:
    return written(base_rate)


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every key with the path to it; entries of a list share theirs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from keys(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")


def plain(value: Any) -> bool:
    match value:
        case dict():
            return all(type(k) is str and plain(v) for k, v in value.items())
        case list():
            return all(plain(v) for v in value)
        case _:
            return type(value) in {str, int, float, bool, type(None)}


# --- form ------------------------------------------------------------------------------------------------------------


def test_the_keys_are_those_that_the_report_is_written_against(document: dict[str, Any]) -> None:
    document = document | {"leverage": leverage_section(leverage_fit("R6")) or {}}  # no rung has drivers and latents
    document["leverage"]["correction"] = sample_document()["leverage"]["correction"]  # known after sampling alone
    free = (".manifest.", ".assumptions[].parameters.")  # what a manifest and a family hold is their own matter
    found, expected = (
        {k.replace("state.force", "state.diplomacy") for k in keys(d) if not k.startswith(free)}
        for d in (document, sample_document())
    )
    assert found ^ expected == set()
    assert document["schema"] == "forecast-outlook/1"


def test_it_is_json_of_plain_python_values_without_infinities(
    document: dict[str, Any], of_base_rate: dict[str, Any]
) -> None:
    for d in (document, of_base_rate):
        assert plain(d)
        assert json.loads(json.dumps(d, allow_nan=False)) == d


def test_only_three_fields_tell_of_the_run_itself(outlook: Outlook, document: dict[str, Any]) -> None:
    later = to_document(
        outlook,
        run_manifest=manifest(outlook.fit, command="forecast run"),
        run_at=datetime(2027, 1, 1, tzinfo=UTC),
        ledger={"length": 32, "head": 64 * "f"},
    )
    assert later["issue"].pop("run_at") == "2027-01-01T00:00:00Z"
    assert later["issue"].pop("ledger")["length"] == 32
    same = {**document, "issue": {k: v for k, v in document["issue"].items() if k not in {"run_at", "ledger"}}}
    for d in (later, same):
        d["manifest"] = {k: v for k, v in d["manifest"].items() if k != "timings_s"}
    assert later == same


# --- content ---------------------------------------------------------------------------------------------------------


def test_probabilities_are_those_of_the_outlook(outlook: Outlook, document: dict[str, Any]) -> None:
    for row, a in zip(document["probabilities"], outlook.answers, strict=True):
        assert (row["event"], row["by"], row["horizon_weeks"]) == (a.question.id, str(a.by), a.horizon_weeks)
        for key in ("mean", "mcse", "lower", "upper", "r_hat", "ess"):
            assert row[key] == pytest.approx(getattr(a.probability, key), abs=1e-6)
        assert row["display"] == percent(a.probability.mean)


def test_headlines_repeat_the_table_in_numbers_and_in_words(document: dict[str, Any]) -> None:
    rows = {(r["event"], r["horizon_weeks"]): r for r in document["probabilities"]}
    assert [h["event"] for h in document["headlines"]] == ["deal", "escalation", "deal_comprehensive"]
    for h in document["headlines"]:
        row = rows[h["event"], 13]
        assert (h["probability"], h["lower"], h["upper"], h["mcse"]) == tuple(
            row[k] for k in ("mean", "lower", "upper", "mcse")
        )
        assert (h["percent"], h["fraction"]) == (row["display"], fraction(row["mean"]))
        assert (h["word"], h["word_range"]) == word(row["mean"])
        for part in (h["percent"], h["fraction"], h["word"], percent(h["lower"]), percent(h["upper"]), "90 % of"):
            assert part in h["sentence"]


def test_an_escalation_says_how_much_of_it_is_worse_than_now(outlook: Outlook, document: dict[str, Any]) -> None:
    """As of 14 April 2026 force stands at coercion: an easing and a return to it count as escalation."""
    level = outlook.paths.force
    to_conflict = (level[1:] > level[:-1]) & (level[1:] == 2)
    worse = percent(to_conflict[:13].any(axis=0).mean())
    (told,) = [h["sentence"] for h in document["headlines"] if h["event"] == "escalation"]
    assert f"A step up to conflict by then has {worse} (" in told
    assert told.endswith("; the rest is a return to coercion, the level held, after an easing.")
    assert not any("conflict" in h["sentence"] for h in document["headlines"] if h["event"] != "escalation")
    assert document["outcomes"]["note"].endswith("So does a return to coercion, the level held, after an easing.")


@pytest.mark.parametrize("force", [0, 2])
def test_from_calm_an_escalation_is_one_and_from_conflict_there_is_none_worse(outlook: Outlook, force: int) -> None:
    history = replace(outlook.fit.history, origin=replace(outlook.origin, force=force))
    headlines = written(replace(outlook, fit=replace(outlook.fit, history=history)))["headlines"]
    (sentence,) = [h["sentence"] for h in headlines if h["event"] == "escalation"]
    assert ("Conflict is held already" in sentence) == (force == 2)
    assert "A step up to conflict" not in sentence


def test_outcomes_sum_to_one_and_their_dots_to_fifty(document: dict[str, Any], of_base_rate: dict[str, Any]) -> None:
    for d in (document, of_base_rate):
        categories = d["outcomes"]["categories"]
        assert sum(c["probability"] for c in categories) == pytest.approx(1, abs=1e-5)
        assert sum(c["dots"] for c in categories) == 50
        assert all(abs(c["dots"] - 50 * c["probability"]) < 1 for c in categories)
        assert d["outcomes"]["horizon_weeks"] == 26


def test_curves_pass_through_the_table(document: dict[str, Any]) -> None:
    rows = {(r["event"], r["horizon_weeks"]): r for r in document["probabilities"]}
    timing = document["timing"]
    assert timing["dates"][0] == "2026-04-14"
    assert timing["dates"][13] == "2026-07-14"
    for curve in timing["curves"]:
        for weeks in (4, 13, 26, 52):
            for key in ("mean", "lower", "upper"):
                assert curve[key][weeks] == rows[curve["event"], weeks][key]


def test_quantiles_of_a_first_passage_are_weeks_by_which_so_many_paths_have_come(
    outlook: Outlook, document: dict[str, Any]
) -> None:
    for entry in document["first_passage"]:
        passage = outlook.passages[entry["event"]]
        assert entry["not_within"] == pytest.approx((passage > 52).mean(), abs=1e-6)
        for q in entry["quantiles"]:
            if q["weeks"] is None:
                assert (passage <= 52).mean() < q["q"]
            else:
                assert (passage <= q["weeks"] - 1).mean() < q["q"] <= (passage <= q["weeks"]).mean()


def test_a_base_rate_shows_no_levels_and_says_why(of_base_rate: dict[str, Any], document: dict[str, Any]) -> None:
    assert of_base_rate["occupancy"] is None
    assert of_base_rate["drivers"] is None
    assert of_base_rate["leverage"] is None
    assert any("after the as-of day" in limit and "knew how it went on" in limit for limit in of_base_rate["limits"])
    assert any("first passages only" in limit for limit in of_base_rate["limits"])
    for ladder in document["occupancy"]["ladders"]:
        assert len(ladder["mean"]) == len(document["occupancy"]["dates"]) == 53
        np.testing.assert_allclose(np.sum(ladder["mean"], axis=1), 1, atol=1e-5)


def test_drivers_are_the_twelve_surest_effects(outlook: Outlook, document: dict[str, Any]) -> None:
    draws = outlook.fit.flat_draws()["driver"]
    sureness = np.sort(np.abs((draws > 0).mean("sample").values - 0.5).ravel())[::-1]
    shown = [abs(row["p_positive"] - 0.5) for row in document["drivers"]]
    assert shown == pytest.approx(sureness[:12], abs=1e-5)
    for row in document["drivers"]:
        assert row["lower"] <= row["median"] <= row["upper"]


def test_assumptions_are_the_priors_that_the_rung_reads(document: dict[str, Any], of_base_rate: dict[str, Any]) -> None:
    blocks = shipped_priors().blocks
    for d, read in ((document, set(blocks) - {"base_rate", "leverage"}), (of_base_rate, {"base_rate"})):
        assert {(a["block"], a["name"]) for a in d["assumptions"]} == {(b, n) for b in read for n in blocks[b]}
    (soft,) = [a for a in document["assumptions"] if a["name"] == "deadline_soft"]
    assert soft["parameters"] == {"mu": 0.5, "sigma": 0.5, "lower": 0.0, "upper": None}


def test_health_repeats_the_checks_and_the_gate(outlook: Outlook, document: dict[str, Any]) -> None:
    assert document["issue"]["gate"] == document["health"]["gate"] == outlook.gate
    assert [c["status"] for c in document["health"]["checks"]] == [c.status for c in outlook.checks]


def test_data_that_end_before_the_as_of_day_are_said_to(document: dict[str, Any]) -> None:
    late = written(build_outlook(made_up_fit("R0", real_history("2026-11-20"))))
    assert late["issue"]["coded_until"] == "2026-10-09"
    assert late["issue"]["lead_weeks"] == 6.0
    assert late["issue"]["staleness"]["status"] == "stale"
    assert any("42 days before the as-of day" in limit for limit in late["limits"])
    assert document["issue"]["staleness"] == {
        "status": "fresh",
        "days": 0,
        "text": "Data are coded up to the as-of day, 14 April 2026.",
    }


# --- dots ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8).filter(any), st.integers(1, 100))
def test_dots_add_up_and_none_is_off_by_one(parts: list[int], dots: int) -> None:
    shares = [part / sum(parts) for part in parts]
    found = share_dots(shares, dots)
    assert sum(found) == dots
    assert all(abs(n - dots * share) < 1 for n, share in zip(found, shares, strict=True))
