from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from forecast.errors import VenueError
from forecast.markets.kalshi import Kalshi, candles_of, contract_of, quote_of
from tests.markets.venues import NOW, plays, plays_by, raw_of, renamed, without

MARKET: dict[str, Any] = {
    "ticker": "KXVALLEY-27-26NOV",
    "event_ticker": "KXVALLEY-27",
    "title": "Will they agree on the valley?",
    "yes_sub_title": "Before Nov 1, 2026",
    "rules_primary": "If they have agreed before Nov 1, 2026, then the market resolves to Yes.",
    "rules_secondary": "Clarification (06/17/26): the memorandum of before June 17, 2026 does not qualify.",
    "open_time": "2026-05-21T15:00:00Z",
    "close_time": "2026-11-06T15:00:00Z",
    "status": "active",
    "result": "",
    "yes_bid_dollars": "0.0200",
    "yes_bid_size_fp": "2818.79",
    "yes_ask_dollars": "0.0300",
    "yes_ask_size_fp": "125939.37",
    "last_price_dollars": "0.0300",
    "volume_fp": "779082.63",
    "open_interest_fp": "538417.85",
}
SETTLED = {**MARKET, "status": "finalized", "settlement_ts": "2026-11-01T14:51:57.124724Z"}
LIVE = {
    "end_period_ts": 1785899820,
    "price": {"close_dollars": "0.7600", "previous_dollars": "0.7700"},
    "yes_bid": {"close_dollars": "0.7500"},
    "yes_ask": {"close_dollars": "0.7600"},
}
HISTORICAL = {
    "end_period_ts": 1730847600,
    "price": {"close": "0.5900", "previous": "0.5900"},
    "yes_bid": {"close": "0.5800"},
    "yes_ask": {"close": "0.5900"},
}


@pytest.fixture
def venue(httpserver: HTTPServer) -> Kalshi:
    return Kalshi(base=httpserver.url_for(""))


def test_dollar_strings_are_exact_decimals() -> None:
    quote = quote_of(MARKET, raw_of(MARKET))
    assert (quote.bid, quote.ask, quote.bid_size) == (Decimal("0.0200"), Decimal("0.0300"), Decimal("2818.79"))
    assert (quote.volume, quote.time, quote.note) == (Decimal("779082.63"), None, "")


@pytest.mark.parametrize(
    ("side", "sentinel", "kept"), [("bid", "0.0000", "ask"), ("ask", "1.0000", "bid"), ("bid", "0.0200", "ask")]
)
def test_an_empty_side_is_told_by_its_size_and_missing(side: str, sentinel: str, kept: str) -> None:
    empty = {**MARKET, f"yes_{side}_dollars": sentinel, f"yes_{side}_size_fp": "0.00"}
    quote = quote_of(empty, raw_of(empty))
    assert getattr(quote, side) is None
    assert getattr(quote, kept) is not None
    assert quote.note == f"no {side} on the book (active)"


def test_the_deadline_is_the_primary_rules_not_the_close_nor_a_clarification() -> None:
    contract = contract_of(MARKET, raw_of(MARKET))
    assert contract.deadline == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert contract.closes_at == datetime(2026, 11, 6, 15, tzinfo=UTC)  # trading outlives the deadline
    assert "memorandum" in contract.rules
    assert contract.key == "KXVALLEY"
    assert contract.fees.rate == Decimal("0.07")


def test_a_changed_clarification_changes_the_digest_of_the_rules() -> None:
    changed = {**MARKET, "rules_secondary": "Clarification (06/17/26): it does."}
    assert contract_of(MARKET, raw_of(MARKET)).rules_sha256 != contract_of(changed, raw_of(changed)).rules_sha256


@pytest.mark.parametrize(
    ("result", "value", "outcome", "paid"),
    [
        ("yes", "1.0000", "yes", 1),
        ("no", "0.0000", "no", 0),
        ("scalar", "0.4500", "scalar", Decimal("0.45")),
        ("scalar", "0.0000", "scalar", 0),
        ("yes", None, "yes", 1),
        ("void", None, "void", None),
    ],
)
def test_settlements_are_scalar_now_and_then(result: str, value: str | None, outcome: str, paid: Any) -> None:
    market = {**SETTLED, "result": result} | ({"settlement_value_dollars": value} if value else {})
    ending = contract_of(market, raw_of(market)).resolution
    assert ending is not None
    assert (ending.outcome, ending.value) == (outcome, paid)
    assert ending.settled_at == datetime(2026, 11, 1, 14, 51, 57, 124724, tzinfo=UTC)


def test_a_scalar_settlement_without_its_value_is_refused() -> None:
    with pytest.raises(VenueError, match=r"settlement_value_dollars.*scalar"):
        contract_of({**SETTLED, "result": "scalar"}, raw_of(SETTLED))


@pytest.mark.parametrize("status", ["active", "closed", "determined", "disputed"])
def test_a_result_that_can_still_be_disputed_is_none(status: str) -> None:
    market = {**SETTLED, "result": "yes", "status": status}
    assert contract_of(market, raw_of(market)).resolution is None


@pytest.mark.parametrize(
    "field", ["rules_primary", "yes_bid_dollars", "yes_bid_size_fp", "result", "last_price_dollars"]
)
def test_a_renamed_field_is_named(field: str) -> None:
    with pytest.raises(VenueError, match=rf"kalshi: .*field '{field}': Field required; the venue may have renamed it"):
        quote_of(renamed(MARKET, field), raw_of(MARKET))


def test_cents_where_dollars_belong_do_not_pass() -> None:
    with pytest.raises(VenueError, match=r"yes_bid_dollars.*less than or equal to 1"):
        quote_of({**MARKET, "yes_bid_dollars": 2}, raw_of(MARKET))


@pytest.mark.parametrize(("row", "price"), [(LIVE, "0.7550"), (HISTORICAL, "0.5850")])
def test_candles_of_both_tiers_read_alike(row: dict[str, Any], price: str) -> None:
    (point,) = candles_of([row], raw_of(row))
    assert point.price == Decimal(price)
    assert point.known_at == point.time == datetime.fromtimestamp(int(row["end_period_ts"]), UTC)


def test_an_hour_without_trades_has_the_middle_of_its_book() -> None:
    quiet = {**LIVE, "price": {"previous_dollars": "0.7700"}}
    (point,) = candles_of([quiet], raw_of(quiet))
    assert point.price == Decimal("0.7550")


def test_empty_sides_of_a_candle_are_missing() -> None:
    empty = {**LIVE, "yes_bid": {"close_dollars": "0.0000"}, "yes_ask": {"close_dollars": "1.0000"}}
    (point,) = candles_of([empty], raw_of(empty))
    assert (point.bid, point.ask, point.price) == (None, None, Decimal("0.7600"))
    (silent,) = candles_of([{**empty, "price": {}}], raw_of(empty))
    assert silent.price is None


def test_a_candle_that_has_not_ended_is_not_used() -> None:
    end = int(NOW.timestamp())
    rows = [{**LIVE, "end_period_ts": end}, {**LIVE, "end_period_ts": end + 1}]
    assert len(candles_of(rows, raw_of(rows))) == 1


@pytest.mark.parametrize("side", ["yes_bid", "yes_ask"])
def test_a_renamed_close_of_a_candle_is_named(side: str) -> None:
    with pytest.raises(VenueError, match=rf"field '{side}\.close"):
        candles_of([{**LIVE, side: {"end_dollars": "0.75"}}], raw_of(LIVE))


def test_what_settled_long_ago_is_read_from_the_historical_tier(venue: Kalshi, httpserver: HTTPServer) -> None:
    gone = {"error": {"code": "not_found"}}
    plays(httpserver, "/markets/KXVALLEY-27-26NOV", gone, status=404)
    plays(httpserver, "/historical/markets/KXVALLEY-27-26NOV", {"market": {**SETTLED, "result": "no"}})
    contract = venue.contract("KXVALLEY-27-26NOV")
    assert contract.resolution is not None
    assert contract.resolution.outcome == "no"
    plays(httpserver, "/series/KXVALLEY/markets/KXVALLEY-27-26NOV/candlesticks", gone, status=404)
    plays(httpserver, "/historical/markets/KXVALLEY-27-26NOV/candlesticks", {"candlesticks": [HISTORICAL]})
    start = datetime(2024, 11, 1, tzinfo=UTC)
    assert len(venue.history(contract, start=start, end=start + timedelta(days=30))) == 1


ONE_SIDED = {**MARKET, "yes_ask_size_fp": "0", "yes_ask_dollars": "1.0000"}
TRADE = {"ticker": MARKET["ticker"], "yes_price_dollars": "0.0300", "created_time": "2026-10-06T12:00:00Z"}


@pytest.mark.parametrize(
    ("trades", "status", "at"),
    [
        ({"trades": [TRADE]}, 200, datetime(2026, 10, 6, 12, tzinfo=UTC)),
        ({"trades": [{**TRADE, "yes_price_dollars": "0.0500"}]}, 200, None),  # not the trade that the market shows
        ({"trades": []}, 200, None),
        ({"trades": [without(TRADE, "created_time")]}, 200, None),
        ({"error": "not here"}, 404, None),
    ],
)
def test_the_last_trade_of_a_one_sided_book_is_dated_if_the_exchange_tells(
    venue: Kalshi, httpserver: HTTPServer, trades: dict[str, Any], status: int, at: datetime | None
) -> None:
    plays(httpserver, f"/markets/{MARKET['ticker']}", {"market": ONE_SIDED})
    plays(httpserver, "/markets/trades", trades, status=status)
    quote = venue.quote(contract_of(ONE_SIDED, raw_of(ONE_SIDED)))
    assert (quote.bid, quote.ask, quote.last, quote.last_at) == (Decimal("0.02"), None, Decimal("0.03"), at)


def test_a_trade_is_asked_for_only_where_the_book_lacks_a_side(venue: Kalshi, httpserver: HTTPServer) -> None:
    plays(httpserver, f"/markets/{MARKET['ticker']}", {"market": MARKET})
    assert venue.quote(contract_of(MARKET, raw_of(MARKET))).last_at is None
    assert len(httpserver.log) == 1


def test_an_unknown_contract_is_a_clear_line(venue: Kalshi, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/KXNONE", {"error": {"code": "not_found"}}, status=404)
    plays(httpserver, "/historical/markets/KXNONE", {"error": {"code": "not_found"}}, status=404)
    with pytest.raises(VenueError, match=r"kalshi: .*/historical/markets/KXNONE: status 404, not found"):
        venue.contract("KXNONE")


def test_a_long_history_is_asked_for_in_pieces(venue: Kalshi, httpserver: HTTPServer) -> None:
    plays(httpserver, "/series/KXVALLEY/markets/KXVALLEY-27-26NOV/candlesticks", {"candlesticks": [LIVE]})
    start = datetime(2026, 1, 1, tzinfo=UTC)
    venue.history(contract_of(MARKET, raw_of(MARKET)), start=start, end=start + timedelta(days=300))
    spans = [int(r.args["end_ts"]) - int(r.args["start_ts"]) for r, _ in httpserver.log]
    assert sum(spans) == 300 * 86400
    assert max(spans) <= 5000 * 3600
    assert {r.args["period_interval"] for r, _ in httpserver.log} == {"60"}


def test_search_scans_series_and_reads_every_page_of_their_events(venue: Kalshi, httpserver: HTTPServer) -> None:
    series = [{"ticker": "KXVALLEY", "title": "Upper Valley agreement"}, {"ticker": "KXRAIN", "title": "Rain"}]
    plays(httpserver, "/series", {"series": series})

    def page(ticker: str, cursor: str) -> dict[str, Any]:
        return {"events": [{"markets": [{**MARKET, "ticker": ticker}]}], "cursor": cursor}

    pages = {"": page("A", "x"), "x": {"events": [], "cursor": "y"}, "y": page("B", "")}
    plays_by(httpserver, "/events", "cursor", pages)
    assert [c.id for c in venue.search("valley agreement").contracts] == ["A", "B"]
    assert [c.id for c in venue.search("snow").contracts] == []


def test_a_market_that_cannot_be_read_is_named_and_the_others_are_found(venue: Kalshi, httpserver: HTTPServer) -> None:
    plays(httpserver, "/series", {"series": [{"ticker": "KXVALLEY", "title": "Valley"}]})
    plays(httpserver, "/events", {"events": [{"markets": [without(MARKET, "rules_primary"), MARKET]}], "cursor": ""})
    found = venue.search("valley")
    assert [c.id for c in found.contracts] == [MARKET["ticker"]]
    assert ["field 'rules_primary'" in line for line in found.failures] == [True]


def test_the_legs_of_an_event_come_together(venue: Kalshi, httpserver: HTTPServer) -> None:
    legs = [{**MARKET, "ticker": f"KXVALLEY-27-{leg}"} for leg in ("26NOV", "26DEC")]
    plays(httpserver, "/events/KXVALLEY-27", {"event": {"markets": legs}})
    assert [c.id for c in venue.event("KXVALLEY-27")] == ["KXVALLEY-27-26NOV", "KXVALLEY-27-26DEC"]
    assert httpserver.log[0][0].args["with_nested_markets"] == "true"


def test_a_missing_wrapper_is_named(venue: Kalshi, httpserver: HTTPServer) -> None:
    plays(httpserver, "/markets/KXVALLEY-27-26NOV", MARKET)
    with pytest.raises(VenueError, match="field 'market': missing"):
        venue.contract("KXVALLEY-27-26NOV")
    plays(httpserver, "/events/KXVALLEY-27", {"event": without(MARKET, "ticker")})
    with pytest.raises(VenueError, match="field 'markets': no list there"):
        venue.event("KXVALLEY-27")
