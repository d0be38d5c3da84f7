from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from forecast.errors import VenueError
from forecast.markets.polymarket import Polymarket, points_of, quote_of
from forecast.markets.venue import Contract, known_points
from tests.markets.venues import NOW, plays, plays_by, raw_of, renamed, without

RULES = "Resolves Yes if an accord over the valley is signed by December 31, 2026, 11:59 PM ET. Otherwise No."
MARKET: dict[str, Any] = {
    "id": "1",
    "conditionId": "0xabc",
    "question": "Accord before 2027?",
    "slug": "accord-before-2027",
    "description": RULES,
    "endDate": "2026-12-31T00:00:00Z",  # midnight of the day, a day before the deadline
    "startDate": "2025-11-05T17:52:17.414Z",
    "outcomes": '["Yes", "No"]',
    "outcomePrices": '["0.145", "0.855"]',
    "clobTokenIds": '["111", "222"]',
    "active": True,
    "closed": False,
    "volume": "72186741.4",
    "liquidity": "1009787.8",
    "lastTradePrice": 0.14,
    "feesEnabled": False,
    "feeType": None,
    "umaResolutionStatuses": "[]",
}
CLOSED = {
    **without(MARKET, "liquidity"),
    "closed": True,
    "closedTime": "2026-10-01 06:10:26+00",
    "umaResolutionStatus": "resolved",
    "outcomePrices": '["0", "1"]',
}
BOOK = {
    "market": "0xabc",
    "asset_id": "111",
    "timestamp": "1791303053000",
    "bids": [{"price": "0.01", "size": "1000"}, {"price": "0.14", "size": "125"}],
    "asks": [{"price": "0.98", "size": "5000"}, {"price": "0.15", "size": "30"}],
}


@pytest.fixture
def venue(httpserver: HTTPServer) -> Polymarket:
    base = httpserver.url_for("")
    return Polymarket(gamma=base, clob=base, data=base)


def parsed(venue: Polymarket, market: dict[str, Any]) -> Contract:
    (contract,) = venue.contracts_of({"slug": "e", "markets": [market]}, raw_of(market))
    return contract


def test_lists_inside_strings_are_unpacked_and_the_deadline_is_the_rules(venue: Polymarket) -> None:
    contract = parsed(venue, MARKET)
    assert (contract.id, contract.outcomes, contract.key) == ("0xabc", ("Yes", "No"), "111")
    assert contract.deadline == datetime(2027, 1, 1, 4, 59, tzinfo=UTC)
    assert contract.closes_at == datetime(2026, 12, 31, tzinfo=UTC)
    assert contract.resolution is None
    assert contract.fees.rate == 0


def test_yes_is_found_by_its_name_and_not_by_its_place(venue: Polymarket) -> None:
    turned = {**CLOSED, "outcomes": '["No", "Yes"]', "outcomePrices": '["0", "1"]'}
    contract = parsed(venue, turned)
    assert contract.key == "222"
    assert contract.resolution is not None
    assert (contract.resolution.outcome, contract.resolution.value) == ("yes", Decimal(1))


@pytest.mark.parametrize(
    ("prices", "status", "outcome"),
    [
        ('["0", "1"]', "resolved", "no"),
        ('["1", "0"]', "resolved", "yes"),
        ('["0.5", "0.5"]', "resolved", "scalar"),
        ('["0", "0"]', "resolved", None),  # legacy closed markets
        ('["0.99", "0.01"]', "disputed", None),
        ('["0.99", "0.01"]', "proposed", None),
    ],
)
def test_a_market_is_resolved_when_the_oracle_has_said_so(
    venue: Polymarket, prices: str, status: str, outcome: str | None
) -> None:
    ending = parsed(venue, {**CLOSED, "outcomePrices": prices, "umaResolutionStatus": status}).resolution
    assert (ending and ending.outcome) == outcome
    if ending is not None:
        assert ending.settled_at == datetime(2026, 10, 1, 6, 10, 26, tzinfo=UTC)


def test_the_rules_of_an_event_are_those_of_its_legs(venue: Polymarket) -> None:
    leg = {**without(MARKET, "description"), "question": "Accord by October 31, 2026?"}
    event = {"slug": "e", "description": "signed by the specified date, 11:59 PM ET.", "markets": [leg]}
    (contract,) = venue.contracts_of(event, raw_of(event))
    assert contract.rules == event["description"]
    assert contract.deadline == datetime(2026, 11, 1, 3, 59, tzinfo=UTC)


def test_empty_places_and_other_outcomes_are_left_out(venue: Polymarket) -> None:
    named = {**MARKET, "outcomes": '["Freedonia", "Sylvania"]'}
    place = {**without(without(MARKET, "clobTokenIds"), "outcomePrices"), "active": False}
    event = {"slug": "e", "markets": [named, place, MARKET]}
    assert [c.id for c in venue.contracts_of(event, raw_of(event))] == ["0xabc"]


def test_the_legs_of_an_event_come_together_open_and_closed(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(
        httpserver,
        "/events/slug/accord-by",
        {"slug": "accord-by", "markets": [CLOSED, {**MARKET, "conditionId": "0xd"}]},
    )
    assert [(c.id, c.resolution is None) for c in venue.event("accord-by")] == [("0xabc", False), ("0xd", True)]


@pytest.mark.parametrize("field", ["conditionId", "question", "outcomes", "closed", "clobTokenIds", "outcomePrices"])
def test_a_renamed_field_is_named(venue: Polymarket, field: str) -> None:
    with pytest.raises(VenueError, match=rf"polymarket: https://venue.example/x: .*{field}"):
        parsed(venue, renamed(MARKET, field))


def test_a_price_outside_its_range_is_refused(venue: Polymarket) -> None:
    with pytest.raises(VenueError, match=r"outcomePrices.0.*less than or equal to 1"):
        parsed(venue, {**MARKET, "outcomePrices": '["14.5", "85.5"]'})


def test_the_best_of_a_book_is_found_wherever_it_stands() -> None:
    quote = quote_of("0xabc", BOOK, raw_of(BOOK))
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (
        Decimal("0.14"), Decimal("0.15"), Decimal(125), Decimal(30)
    )  # fmt: skip
    assert quote.time == datetime.fromtimestamp(1791303053, UTC)  # milliseconds, as text


@pytest.mark.parametrize(("side", "other"), [("bids", "ask"), ("asks", "bid")])
def test_a_side_without_orders_is_missing_and_not_a_price(side: str, other: str) -> None:
    quote = quote_of("0xabc", {**BOOK, side: []}, raw_of(BOOK))
    assert getattr(quote, "bid" if side == "bids" else "ask") is None
    assert getattr(quote, other) is not None
    assert quote.spread is None


def test_seconds_where_milliseconds_belong_do_not_pass() -> None:
    with pytest.raises(VenueError, match=r"'timestamp': .*1970"):
        quote_of("0xabc", {**BOOK, "timestamp": "1791303053"}, raw_of(BOOK))
    with pytest.raises(VenueError, match=r"'timestamp': .*milliseconds"):
        points_of([{"timestamp": 1791303053000, "price": 0.5}], raw_of([]))


def test_a_contract_is_looked_for_among_the_closed_as_well(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays_by(httpserver, "/markets/keyset", "closed", {"false": {"markets": []}, "true": {"markets": [CLOSED]}})
    contract = venue.contract("0xabc")
    assert contract.resolution is not None
    assert [dict(r.args) for r, _ in httpserver.log] == [
        {"condition_ids": "0xabc", "closed": "false"},
        {"condition_ids": "0xabc", "closed": "true"},
    ]


def test_a_contract_that_is_unknown_or_purged_is_said_to_be_so(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/keyset", {"markets": []})
    with pytest.raises(VenueError, match="no market with the condition id 0xabc: unknown or purged"):
        venue.contract("0xabc")


def test_a_contract_without_rules_is_refused(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/slug/accord-before-2027", renamed(MARKET, "description"))
    with pytest.raises(VenueError, match="field 'description' is missing"):
        venue.contract("accord-before-2027")


def test_a_quote_joins_the_book_with_what_gamma_knows(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/keyset", {"markets": [MARKET]})
    plays(httpserver, "/book", BOOK)
    quote = venue.quote(parsed(venue, MARKET))
    assert (quote.last, quote.volume, quote.liquidity) == (
        Decimal("0.14"), Decimal("72186741.4"), Decimal("1009787.8")
    )  # fmt: skip
    assert [request.args["token_id"] for request, _ in httpserver.log if request.path == "/book"] == ["111"]


NO_BOOK = {"error": "No orderbook exists for the requested token id"}


def test_a_closed_market_has_a_quote_without_a_book(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays_by(httpserver, "/markets/keyset", "closed", {"false": {"markets": []}, "true": {"markets": [CLOSED]}})
    plays(httpserver, "/book", NO_BOOK, status=404)
    quote = venue.quote(parsed(venue, CLOSED))
    assert (quote.bid, quote.ask, quote.time) == (None, None, None)
    assert (quote.last, quote.volume) == (Decimal("0.14"), Decimal("72186741.4"))
    assert "closed" in quote.note


def test_no_book_for_a_market_that_is_open_is_a_clear_line(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/keyset", {"markets": [MARKET]})
    plays(httpserver, "/book", NO_BOOK, status=404)
    with pytest.raises(VenueError, match=r"status 404.*No orderbook exists"):
        venue.quote(parsed(venue, MARKET))


def test_history_is_asked_for_in_windows_and_read_to_the_last_page(venue: Polymarket, httpserver: HTTPServer) -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)

    def page(at: datetime, cursor: str | None) -> dict[str, Any]:
        rows = [{"timestamp": int(at.timestamp()), "price": 0.955, "resolution_seconds": 3600}]
        return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}

    plays_by(httpserver, "/v2/prices-history", "cursor", {"": page(start, "n"), "n": page(start + timedelta(1), None)})
    points = venue.history(parsed(venue, MARKET), start=start, end=start + timedelta(days=20))
    asked = [r.args for r, _ in httpserver.log]
    assert [int(a["end"]) - int(a["start"]) for a in asked] == [15 * 86400] * 2 + [5 * 86400] * 2
    assert len(points) == 4
    assert points[0].price == Decimal("0.955")


def test_a_point_is_known_when_its_hour_is_over() -> None:
    """Look-ahead: a bar stamped by its start, read in the middle, or used before its end."""
    hour = int(NOW.timestamp()) // 3600 * 3600
    rows = [{"timestamp": at, "price": p, "resolution_seconds": 3600} for at, p in ((hour - 3600, 0.2), (hour, 0.9))]
    (point,) = points_of({"data": rows}, raw_of(rows))  # the running hour has not closed
    assert point.price == Decimal("0.2")
    assert known_points([point], when=point.known_at - timedelta(seconds=1)) == []
    assert known_points([point], when=point.known_at) == [point]


def test_the_older_service_writes_its_points_shorter() -> None:
    (point,) = points_of([{"t": 1709251200, "p": 0.435}], raw_of([]))
    assert (point.time, point.price) == (datetime(2024, 3, 1, tzinfo=UTC), Decimal("0.435"))


def test_an_unset_price_of_the_oracle_is_no_settlement(venue: Polymarket, httpserver: HTTPServer) -> None:
    row = {"condition_id": "0xabc", "status": "posed", "price": "69", "last_update_timestamp": "1772065618"}
    contract = parsed(venue, MARKET)
    plays(httpserver, "/v2/resolutions", {"data": [row]})
    assert venue.resolution(contract) is None
    httpserver.clear()
    settled = {**row, "status": "resolved", "price": "1", "last_update_timestamp": "1785355919"}
    plays(httpserver, "/v2/resolutions", {"data": [row | {"condition_id": "0xother"}, settled]})
    ending = venue.resolution(contract)
    assert ending is not None
    assert (ending.outcome, ending.settled_at) == ("yes", datetime(2026, 7, 29, 20, 11, 59, tzinfo=UTC))


@pytest.mark.parametrize(("price", "outcome"), [("1", "no"), ("0", "yes"), ("0.5", "scalar")])
def test_the_oracles_price_is_that_of_the_first_outcome(
    venue: Polymarket, httpserver: HTTPServer, price: str, outcome: str
) -> None:
    row = {"condition_id": "0xabc", "status": "resolved", "price": price, "last_update_timestamp": "1785355919"}
    plays(httpserver, "/v2/resolutions", {"data": [row]})
    ending = venue.resolution(parsed(venue, {**MARKET, "outcomes": '["No", "Yes"]'}))
    assert ending is not None
    assert ending.outcome == outcome


def test_search_reads_all_pages_open_and_closed(venue: Polymarket, httpserver: HTTPServer) -> None:
    def page(market: dict[str, Any], *, more: bool) -> dict[str, Any]:
        return {"events": [{"slug": "e", "markets": [market]}], "pagination": {"hasMore": more, "totalResults": 3}}

    pages = {"1": page(MARKET, more=True), "2": page({**MARKET, "conditionId": "0xdef"}, more=True)}
    plays_by(httpserver, "/public-search", "page", pages | {"3": page({**CLOSED, "conditionId": "0xfff"}, more=False)})
    assert [c.id for c in venue.search("valley").contracts] == ["0xabc", "0xdef", "0xfff"]
    assert httpserver.log[0][0].args["keep_closed_markets"] == "1"


def test_a_market_that_cannot_be_read_is_named_and_the_others_are_found(
    venue: Polymarket, httpserver: HTTPServer
) -> None:
    bad = [without(MARKET, "outcomePrices"), without(MARKET, "question")]
    events = [{"slug": "e", "markets": [bad[0], MARKET]}, {"slug": "f", "markets": [bad[1], CLOSED]}]
    plays(httpserver, "/public-search", {"events": events})
    found = venue.search("valley")
    assert len(found.contracts) == 2
    first, second = found.failures
    assert "accord-before-2027: field 'outcomePrices'" in first
    assert "field 'question'" in second


def test_a_search_of_which_nothing_can_be_read_fails(venue: Polymarket, httpserver: HTTPServer) -> None:
    plays(httpserver, "/public-search", {"events": [{"slug": "e", "markets": [without(MARKET, "question")]}]})
    with pytest.raises(VenueError, match="field 'question'"):
        venue.search("valley")
