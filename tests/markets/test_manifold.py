from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from forecast.errors import VenueError
from forecast.markets.manifold import Manifold, contract_of, points_of
from tests.markets.venues import plays, plays_by, raw_of, renamed, without

MARKET: dict[str, Any] = {
    "id": "m1",
    "question": "A pact over the valley?",
    "url": "https://manifold.example/m1",
    "textDescription": "Resolves YES if announced by June 30, 2026. Frameworks do not qualify.",
    "outcomeType": "BINARY",
    "createdTime": 1652144899261,
    "closeTime": 1782863999000,
    "probability": 0.30,
    "pool": {"YES": 10, "NO": 20},
    "isResolved": False,
    "volume": 2754.8,
    "totalLiquidity": 119.7,
}
BET: dict[str, Any] = {"id": "b1", "amount": 10, "createdTime": 1655298929711, "probBefore": 0.5, "probAfter": 0.6}


@pytest.fixture
def venue(httpserver: HTTPServer) -> Manifold:
    return Manifold(base=httpserver.url_for(""))


def test_times_are_milliseconds() -> None:
    contract = contract_of(MARKET, raw_of(MARKET))
    assert contract.opened_at == datetime.fromtimestamp(1652144899.261, UTC)
    assert contract.closes_at == datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    assert contract.deadline == datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(VenueError, match=r"createdTime.*1970"):
        contract_of({**MARKET, "createdTime": 1652144899}, raw_of(MARKET))


def test_a_market_that_closes_in_the_year_10000_has_no_close() -> None:
    assert contract_of({**MARKET, "closeTime": 253402300799999}, raw_of(MARKET)).closes_at is None


@pytest.mark.parametrize("close", [-(10**15), 1782863999])
def test_a_close_before_there_was_such_a_venue_is_refused(close: int) -> None:
    with pytest.raises(VenueError, match=r"field 'closeTime.*since 1970|1970-01-21"):
        contract_of({**MARKET, "closeTime": close}, raw_of(MARKET))


def test_an_id_of_bytes_that_are_no_text_is_asked_for_as_it_came(venue: Manifold, httpserver: HTTPServer) -> None:
    with pytest.raises(VenueError, match="market/%FF"):
        venue.contract("\udcff")  # how an argument of the command line holds the byte FF


def test_the_shape_of_2022_is_read_as_well() -> None:
    old = {**without(MARKET, "textDescription"), "description": "By the end of 2022.", "pool": 1616.5}
    assert contract_of(old, raw_of(old)).rules == "By the end of 2022."
    document = {**old, "description": {"type": "doc", "content": []}}
    assert contract_of(document, raw_of(document)).rules == ""


@pytest.mark.parametrize(
    ("ending", "extra", "outcome", "value"),
    [
        ("YES", {}, "yes", 1),
        ("NO", {}, "no", 0),
        ("MKT", {"resolutionProbability": 0.35}, "scalar", Decimal("0.35")),
        ("CANCEL", {}, "void", None),
    ],
)
def test_endings(ending: str, extra: dict[str, Any], outcome: str, value: Any) -> None:
    market = {**MARKET, "isResolved": True, "resolution": ending, "resolutionTime": 1655299026599, **extra}
    resolution = contract_of(market, raw_of(market)).resolution
    assert resolution is not None
    assert (resolution.outcome, float(resolution.value) if resolution.value is not None else None) == (
        outcome, float(value) if value is not None else None
    )  # fmt: skip
    assert resolution.settled_at == datetime.fromtimestamp(1655299026.599, UTC)


def test_an_ending_that_nobody_knows_is_refused() -> None:
    market = {**MARKET, "isResolved": True, "resolution": "MAYBE"}
    with pytest.raises(VenueError, match="'MAYBE' is not a way to end that is known"):
        contract_of(market, raw_of(market))


@pytest.mark.parametrize("field", ["id", "question", "createdTime", "isResolved", "outcomeType"])
def test_a_renamed_field_is_named(field: str) -> None:
    with pytest.raises(VenueError, match=rf"manifold: .*field '{field}': Field required"):
        contract_of(renamed(MARKET, field), raw_of(MARKET))


def test_the_market_makers_probability_is_shown_and_is_no_order(venue: Manifold, httpserver: HTTPServer) -> None:
    plays(httpserver, "/market/m1", MARKET)
    quote = venue.quote(venue.contract("m1"))
    assert (quote.bid, quote.ask, quote.last, float(quote.shown or 0)) == (None, None, None, 0.3)
    assert (quote.liquidity, "play money" in quote.note) == (Decimal("119.7"), True)


def test_a_market_with_several_answers_needs_one_named(venue: Manifold, httpserver: HTTPServer) -> None:
    answers = [
        {"id": "a1", "text": "In Vienna", "probability": 0.2},
        {"id": "a2", "text": "Muscat", "probability": 0.7},
    ]
    plays(
        httpserver,
        "/market/m1",
        {**without(MARKET, "probability"), "outcomeType": "MULTIPLE_CHOICE", "answers": answers},
    )
    with pytest.raises(VenueError, match="name one of its answers, as m1#answer"):
        venue.contract("m1")
    with pytest.raises(VenueError, match="m1 has no answer 'a9'"):
        venue.contract("m1#a9")
    contract = venue.contract("m1#a2")
    assert (contract.id, contract.title) == ("m1#a2", "A pact over the valley? — Muscat")
    assert float(venue.quote(contract).shown or 0) == 0.7


def test_history_leaves_out_redemptions_and_orders_that_nobody_filled() -> None:
    bets = [
        BET,
        {**BET, "id": "b2", "probAfter": 0.9, "isRedemption": True},
        {**BET, "id": "b3", "probAfter": 0.8, "amount": 0},
        {**BET, "id": "b4", "probAfter": 0.7, "amount": -5},  # a sale moves the price
        {**BET, "id": "b5", "probAfter": 0.1, "answerId": "a1"},
    ]
    assert [float(p.price or 0) for p in points_of(bets, raw_of(bets))] == [0.6, 0.7]
    assert [float(p.price or 0) for p in points_of(bets, raw_of(bets), answer="a1")] == [0.1]


def test_bets_are_read_backwards_to_the_first(
    venue: Manifold, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.markets.manifold._PAGE", 2)

    def bet(number: int) -> dict[str, Any]:
        return {**BET, "id": f"b{number}", "createdTime": 1655298929711 + number * 1000, "probAfter": number / 10}

    pages = {"": [bet(5), bet(4)], "b4": [bet(3), bet(2)], "b2": [bet(1)]}
    plays_by(httpserver, "/bets", "before", pages)
    contract = contract_of(MARKET, raw_of(MARKET))
    points = venue.history(contract, start=datetime(2022, 1, 1, tzinfo=UTC), end=datetime(2023, 1, 1, tzinfo=UTC))
    assert [float(p.price or 0) for p in points] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_search_reads_three_pages(venue: Manifold, httpserver: HTTPServer) -> None:
    def page(first: int, n: int) -> list[dict[str, Any]]:
        return [{**MARKET, "id": f"m{first + i}"} for i in range(n)]

    plays_by(httpserver, "/search-markets", "offset", {"0": page(0, 100), "100": page(100, 100), "200": page(200, 3)})
    assert len({c.id for c in venue.search("valley").contracts}) == 203


def test_a_market_that_cannot_be_read_is_named_and_the_others_are_found(
    venue: Manifold, httpserver: HTTPServer
) -> None:
    plays(httpserver, "/search-markets", [{**MARKET, "closeTime": -(10**15)}, {**MARKET, "id": "m2"}])
    found = venue.search("valley")
    assert [c.id for c in found.contracts] == ["m2"]
    assert ["field 'closeTime'" in line for line in found.failures] == [True]


def test_an_object_where_a_list_belongs_is_refused(venue: Manifold, httpserver: HTTPServer) -> None:
    plays(httpserver, "/search-markets", {"message": "gone"})
    with pytest.raises(VenueError, match="no list came"):
        venue.search("valley")
