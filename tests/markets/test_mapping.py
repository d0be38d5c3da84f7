from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from scipy import stats

from forecast.case import Case
from forecast.errors import CaseError
from forecast.markets.implied import Implied, implied_probability
from forecast.markets.mapping import (
    EventProbability,
    Mapping,
    implied_event_probability,
    load_mappings,
    quoted_curve,
    unmapped,
)
from forecast.markets.tables import contracts_as_of, latest_quotes, quotes_as_of
from forecast.markets.venue import Quote
from forecast.observations import parse_instant
from tests.markets.conftest import MARKETS, MarketCase


def mapping(hit: tuple[float, float] = (8, 2), false: tuple[float, float] = (1, 49), **change: Any) -> Mapping:
    compared = dict.fromkeys(
        ("actors", "act", "threshold", "geography", "source", "deadline", "carve_outs", "void"), "the same"
    )
    return Mapping.model_validate(
        {
            "id": "m",
            "venue": "kalshi",
            "event": "deal",
            "relation": "narrower",
            "label": "a pact",
            "stated_on": date(2020, 3, 1),
            "compared": compared,
            "yes_if_event": {"alpha": hit[0], "beta": hit[1], "rationale": "because of this"},
            "yes_if_not": {"alpha": false[0], "beta": false[1], "rationale": "because of that"},
            "legs": [{"contract": "A", "by": datetime(2020, 9, 1, tzinfo=UTC)}],
            **change,
        }
    )


def book(price: float, half: float = 0.01) -> Implied:
    return Implied(price, max(price - half, 0), min(price + half, 1), "mid")


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_mapping_file_is_read_and_its_legs_known(market_case: MarketCase) -> None:
    case = market_case.write()
    (found,) = load_mappings(case)
    assert (found.id, found.event, found.is_ladder, found.pays_on) == ("kalshi-pact", "deal", True, "occurrence")
    contracts = contracts_as_of(case, "2020-06-02")
    assert [c.id for c in unmapped(contracts, [found])] == ["RAIN"]
    assert [c.id for c in unmapped(contracts, [])] == ["PACT-20SEP", "PACT-20DEC", "RAIN"]


def test_a_case_without_the_file_has_no_mappings(market_case: MarketCase) -> None:
    assert load_mappings(market_case.write(markets=None)) == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('event = "deal"', 'event = "treaty"', r"'mappings.kalshi-pact': no question .* the event 'treaty': deal, esc"),
        ('event = "deal"', 'event = "deal_limited"', r"has the event 'deal_limited'"),
        ("PACT-20DEC", "PACT-20XMAS", r"no contract 'PACT-20XMAS' of kalshi in the case's table"),
        ("2020-12-01T05:00:00Z", "2020-12-01T04:00:00Z", r"by 2020-12-01T04:00Z, but its rules say 2020-12-01T05:00Z"),
        ("2020-12-01T05:00:00Z", "2020-12-01T05:00:00", r"mappings.kalshi-pact.legs.1.by.*timezone"),
        ('relation = "narrower"', 'relation = "alike"', r"mappings.kalshi-pact.relation.*'same', 'narrower'"),
        ('venue = "kalshi"', 'venue = "betfair"', r"mappings.kalshi-pact.venue"),
        ('geography = "the upper valley"\n', "", r"mappings.kalshi-pact.compared.geography'?: Field required"),
        ("alpha = 8", "alpha = 0", r"mappings.kalshi-pact.yes_if_event.alpha.*greater than 0"),
        ('rationale = "pacts are mostly signed"', 'rationale = "yes"', r"yes_if_event.rationale.*at least 10"),
        ("stated_on = 2020-03-01", "stated_on = 2020-03-01\nweight = 2", r"mappings.kalshi-pact.weight.*[Ee]xtra"),
        ("alpha = 1\nbeta = 49", "alpha = 8\nbeta = 2", r"the same mean: the contract would say nothing"),
        ("[[mappings]]", "[[mappings", r"not valid TOML"),
        ("alpha = 8", "alpha = " + "8" * 5000, r"not valid TOML"),
        ("alpha = 8", "alpha = " + "[" * 100_000, r"nested too deeply"),
        ("2020-09-01T04:00:00Z", "2021-09-01T04:00:00Z", r"order of their deadlines"),
        ("[[mappings]]", "[[contracts]]\n[[mappings]]", r"'contracts': Extra inputs"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_named(market_case: MarketCase, old: str, new: str, message: str) -> None:
    assert old in MARKETS
    case = market_case.write(markets=MARKETS.replace(old, new, 1))
    with pytest.raises(CaseError, match=rf"markets.toml.*{message}"):
        load_mappings(case)


def test_a_contract_maps_to_an_event_once_and_an_id_is_used_once(market_case: MarketCase) -> None:
    with pytest.raises(CaseError, match=r"'mappings.kalshi-pact': declared twice"):
        load_mappings(market_case.write(markets=MARKETS + MARKETS))
    again = MARKETS.replace('"kalshi-pact"', '"other"')
    with pytest.raises(CaseError, match=r"'mappings.other': PACT-20SEP is mapped to deal twice"):
        load_mappings(market_case.write(markets=MARKETS + again))
    other_event = again.replace('event = "deal"', 'event = "escalation"')
    assert len(load_mappings(market_case.write(markets=MARKETS + other_event))) == 2


# --- basis risk -----------------------------------------------------------------------------------------------------


def by_rejection(price: Implied, given: Mapping, *, draws: int = 4_000_000) -> tuple[float, float, float]:
    """Draw event probability and both beliefs, keep the draws whose price falls in the band."""
    rng = np.random.default_rng(20261006)
    x = rng.random(draws)
    hit = rng.beta(given.yes_if_event.alpha, given.yes_if_event.beta, draws)
    false = rng.beta(given.yes_if_not.alpha, given.yes_if_not.beta, draws)
    price_of = x * hit + (1 - x) * false
    kept = x[(price_of >= price.lower) & (price_of <= price.upper)]
    assert kept.size > 2_000
    low, median, high = np.quantile(kept, [0.1, 0.5, 0.9])
    return float(median), float(low), float(high)


@pytest.mark.parametrize(
    ("price", "hit", "false"),
    [
        (book(0.135), (3, 4), (1, 99)),
        (book(0.025, 0.006), (3, 7), (1, 199)),
        (book(0.51), (9, 1), (2, 18)),
        (book(0.725), (3, 9), (48, 2)),  # YES speaks against the event
        (book(0.30), (2, 8), (1, 19)),  # hardly to be explained
        (book(0.58), (2, 8), (2, 2)),  # says little
        (Implied(0.3, 0.0, 1.0, "mid"), (8, 2), (1, 49)),  # an empty book says nothing
    ],
)
def test_the_inversion_agrees_with_draws_that_are_kept_if_they_make_the_price(
    price: Implied, hit: tuple[float, float], false: tuple[float, float]
) -> None:
    given = mapping(hit, false)
    found = implied_event_probability(price, given)
    assert (found.median, found.lower, found.upper) == pytest.approx(by_rejection(price, given), abs=0.012)


def by_brute_force(price: Implied, given: Mapping) -> tuple[float, float, float]:
    """Integrate over P(YES | no event) on a fine grid of the logarithms of its distances from 0 and 1."""
    near = np.geomspace(1e-9, 0.5, 1500)
    false = np.concatenate([near, 1 - near[::-1]])
    weight = stats.beta.pdf(false, given.yes_if_not.alpha, given.yes_if_not.beta)
    near = np.geomspace(1e-6, 0.5, 200)
    x = np.concatenate([near, 1 - near[::-1]])
    hit = stats.beta(given.yes_if_event.alpha, given.yes_if_event.beta)
    density = []
    for at in x:
        low, high = ((end - (1 - at) * false) / at for end in (price.lower, price.upper))
        mass = np.where(low > 0.5, hit.sf(low) - hit.sf(high), hit.cdf(high) - hit.cdf(low))
        density.append(np.trapezoid(weight * mass, false))
    share = np.concatenate([[0.0], np.cumsum((np.array(density[1:]) + density[:-1]) / 2 * np.diff(x))])
    low_end, median, high_end = np.interp([0.1, 0.5, 0.9], share / share[-1], x)
    return float(median), float(low_end), float(high_end)


@pytest.mark.parametrize(
    ("price", "hit", "false"),
    [
        (book(0.995, 0.005), (2, 8), (2, 2)),  # only the far tail of P(YES | no event) makes it
        (book(0.95), (2, 18), (1, 199)),  # only the far tail of P(YES | event) does
        (book(0.9985, 0.005), (2, 8), (1, 19)),
        (book(0.002, 0.005), (9, 1), (48, 2)),
    ],
)
def test_a_price_that_only_a_far_tail_of_a_belief_can_make_is_inverted(
    price: Implied, hit: tuple[float, float], false: tuple[float, float]
) -> None:
    given = mapping(hit, false)
    found = implied_event_probability(price, given)
    assert (found.median, found.lower, found.upper) == pytest.approx(by_brute_force(price, given), abs=5e-4)
    assert found.clipped != ""


def test_an_exact_contract_is_worth_its_price() -> None:
    found = implied_event_probability(book(0.30), mapping((20_000, 1), (1, 20_000)))
    assert found.median == pytest.approx(0.30, abs=0.002)
    assert [found.lower, found.upper] == pytest.approx([0.292, 0.308], abs=0.002)
    assert (found.clipped, found.note) == ("", "")


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Truths drawn from what the method assumes: its 80 % interval must hold about 80 % of them."""
    rng = np.random.default_rng(7)
    given = mapping((3, 4), (1, 49))
    inside = []
    for _ in range(120):
        x, hit, false = rng.random(), rng.beta(3, 4), rng.beta(1, 49)
        found = implied_event_probability(book(float(x * hit + (1 - x) * false)), given)
        inside.append(found.lower <= x <= found.upper)
    assert 0.7 < np.mean(inside) < 0.9  # 80 % with a standard error of 3.7 points


@pytest.mark.parametrize(
    ("price", "clipped", "words"),
    [
        (0.001, "low", "below 0.020, the least"),
        (0.95, "high", "above 0.800, the most"),
        (0.30, "", ""),
    ],
)
def test_a_price_that_the_beliefs_cannot_make_is_explained(price: float, clipped: str, words: str) -> None:
    found = implied_event_probability(book(price, 0.001), mapping())
    assert found.clipped == clipped
    assert words in found.note
    assert found.naive == pytest.approx((price - 0.02) / (0.8 - 0.02))
    assert 0 <= found.lower <= found.median <= found.upper <= 1


def test_where_yes_speaks_against_the_event_a_low_price_makes_it_likely() -> None:
    against = mapping((3, 9), (48, 2), pays_on="absence")
    low, high = (implied_event_probability(book(p), against) for p in (0.3, 0.95))
    assert low.median > 0.8
    assert high.median < 0.1
    assert implied_event_probability(book(0.1, 0.001), against).clipped == "high"


def test_a_price_that_nothing_can_make_is_an_error_and_not_an_answer() -> None:
    with pytest.raises(CaseError, match=r"mapping m: no P\(YES . event\) .* make a price in \[0.9"):
        implied_event_probability(book(0.99, 0.005), mapping((1, 1_000_000), (3000, 7000)))


def test_a_quote_without_a_probability_implies_nothing() -> None:
    nothing = implied_probability(Quote("kalshi", "A", datetime(2020, 6, 1, tzinfo=UTC)))
    with pytest.raises(CaseError, match=r"the quote implies no probability \(no book\)"):
        implied_event_probability(nothing, mapping())


def test_beliefs_hold_until_the_day_that_they_say() -> None:
    limited = mapping(until=date(2020, 6, 17))
    days = (datetime(2020, 6, 17, 23, 59, tzinfo=UTC), datetime(2020, 6, 18, tzinfo=UTC))
    assert [limited.holds_at(day) for day in days] == [True, False]
    assert mapping().holds_at(days[1])


# --- ladders --------------------------------------------------------------------------------------------------------


def test_a_ladder_of_absence_is_read_as_its_complement() -> None:
    legs = [{"contract": c, "by": datetime(2020, m, 1, tzinfo=UTC)} for c, m in (("A", 7), ("B", 8), ("C", 9))]
    origin = datetime(2020, 6, 15, tzinfo=UTC)
    survival = mapping((3, 9), (48, 2), pays_on="absence", legs=legs)
    quotes = {"A": book(0.96), "B": book(0.90), "C": Implied(None, 0, 1, "none")}
    curve = quoted_curve(survival, quotes, origin=origin)
    assert curve is not None
    assert curve.cumulative == pytest.approx([0.04, 0.10])  # the leg without a price is left out
    assert (curve.lower[0], curve.upper[0]) == (pytest.approx(0.03), pytest.approx(0.05))
    assert quoted_curve(survival, quotes, origin=datetime(2020, 8, 15, tzinfo=UTC)) is None


@pytest.mark.parametrize(("method", "lower", "upper"), [("shown", 0.0, 1.0), ("last", 0.0, 1.0), ("last", 0.0, 0.35)])
def test_a_price_without_a_book_gives_way_to_one_with_a_narrow_book(method: Any, lower: float, upper: float) -> None:
    legs = [{"contract": c, "by": datetime(2020, m, 1, tzinfo=UTC)} for c, m in (("A", 7), ("B", 8), ("C", 9))]
    priced = {"A": book(0.30), "B": Implied(0.20, lower, upper, method), "C": book(0.40)}
    turned = {c: Implied(1 - (q.probability or 0), 1 - q.upper, 1 - q.lower, q.method) for c, q in priced.items()}
    for pays_on, quotes in (("occurrence", priced), ("absence", turned)):
        curve = quoted_curve(mapping(legs=legs, pays_on=pays_on), quotes, origin=datetime(2020, 6, 15, tzinfo=UTC))
        assert curve is not None
        pooled = (0.30 / 0.02**2 + 0.20 / 0.10**2) / (1 / 0.02**2 + 1 / 0.10**2)  # weights 25 to 1
        assert curve.cumulative == pytest.approx([pooled, pooled, 0.40])


def test_prices_without_books_weigh_alike() -> None:
    legs = [{"contract": c, "by": datetime(2020, m, 1, tzinfo=UTC)} for c, m in (("A", 7), ("B", 8))]
    quotes = {"A": Implied(0.30, 0, 1, "shown"), "B": Implied(0.20, 0, 1, "last")}
    curve = quoted_curve(mapping(legs=legs), quotes, origin=datetime(2020, 6, 15, tzinfo=UTC))
    assert curve is not None
    assert curve.cumulative == pytest.approx([0.25, 0.25])


# --- the shipped case -----------------------------------------------------------------------------------------------

Leg = tuple[Implied, EventProbability]


@pytest.fixture(scope="module")
def legs_at(us_iran: Case) -> Callable[[str, str], dict[str, Leg]]:
    """What the shipped quotes imply, by contract, for one mapping at one time."""
    mappings = {m.id: m for m in load_mappings(us_iran)}

    def found(mapping_id: str, when: str) -> dict[str, Leg]:
        given, origin = mappings[mapping_id], parse_instant(when)
        contracts = {(c.venue, c.id): c for c in contracts_as_of(us_iran, when)}
        quotes = latest_quotes(quotes_as_of(us_iran, when))
        result = {}
        for leg in given.legs:
            key = (given.venue, leg.contract)
            if key in quotes and contracts[key].resolution is None and leg.by > origin:
                implied = implied_probability(quotes[key], fees=contracts[key].fees)
                result[leg.contract] = (implied, implied_event_probability(implied, given))
        return result

    return found


def test_the_shipped_mappings_fit_the_shipped_contracts(us_iran: Case) -> None:
    mappings = load_mappings(us_iran)
    assert {m.id for m in mappings} >= {"kalshi-agreement", "polymarket-final-deal", "memorandum-manifold"}
    contracts = contracts_as_of(us_iran, "2026-10-09")
    left = unmapped(contracts, mappings)
    assert 0 < len(left) < len(contracts)
    named = {leg.contract for m in mappings for leg in m.legs}
    assert not named & {c.id for c in left}
    assert named | {c.id for c in left} == {c.id for c in contracts}


@pytest.mark.parametrize(
    ("mapping_id", "legs", "last"),
    [("kalshi-agreement", 7, 0.375), ("polymarket-final-deal", 3, 0.125), ("polymarket-ceasefire", 4, 0.465)],
)
def test_the_shipped_ladders_are_curves(
    us_iran: Case, legs_at: Callable[[str, str], dict[str, Leg]], mapping_id: str, legs: int, last: float
) -> None:
    found = legs_at(mapping_id, "2026-10-06")
    given = {m.id: m for m in load_mappings(us_iran)}[mapping_id]
    curve = quoted_curve(given, {c: i for c, (i, _) in found.items()}, origin=parse_instant("2026-10-06"))
    assert curve is not None
    assert curve.days.size == legs
    assert (np.diff(curve.cumulative) >= 0).all()
    assert curve.cumulative[-1] == pytest.approx(last)
    assert (curve.lower <= curve.cumulative).all()
    assert (curve.cumulative <= curve.upper).all()


def test_the_memorandum_has_three_probabilities_under_three_venues_rules(
    legs_at: Callable[[str, str], dict[str, Leg]],
) -> None:
    when = "2026-06-13T12:00Z"  # the day before it was announced
    ids = ("memorandum-polymarket", "memorandum-manifold", "memorandum-kalshi")
    paid, lenient, strict = (next(iter(legs_at(i, when).values()))[1] for i in ids)
    medians = sorted(x.median for x in (paid, lenient, strict))
    assert min(np.diff(medians)) > 0.1  # the same event, three answers
    assert paid.upper - paid.lower < 0.25  # the contract that would pay on it tells most
    assert strict.upper - strict.lower > 0.6  # the one that rules it out tells next to nothing
    assert lenient.clipped == "high"
    assert "the contract's own terms" in lenient.note
