import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer
from werkzeug import Response

from forecast.cli import main
from forecast.errors import VenueError
from forecast.ledger import Ledger, open_ledger
from forecast.ledger.database import reading
from forecast.markets import pull as pulling
from forecast.markets.archive import ANSWERS, METADATA, RULES, SNAPSHOTS, Snapshot, body_of, keep
from forecast.markets.http import Client
from forecast.markets.pull import pull
from forecast.markets.venue import Contract, Fees, Found, Quote, Raw

AT = datetime(2026, 10, 6, 16, 10, 53, tzinfo=UTC)
CONTRACT = Contract(
    "kalshi", "PACT", "A pact?", "Pays on a signed pact.", ("Yes", "No"), None, "", None, None, None, "", Fees(), "", AT
)
QUOTE = Quote("kalshi", "PACT", AT, bid=Decimal("0.130"), ask=Decimal("0.14"), volume=Decimal("1770366.84"), time=AT)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/workspace.db")


def rows(ledger: Ledger, table: sa.Table) -> list[sa.RowMapping]:
    with reading(ledger) as connection:
        return list(connection.execute(sa.select(table)).mappings())


def test_an_answer_is_kept_byte_for_byte_and_a_quote_in_its_own_digits(ledger: Ledger) -> None:
    body = b'{"yes_bid_dollars": "0.130"}' * 50
    raw = Raw.of("https://venue.example/x?a=1", AT, 200, body)
    kept = keep(ledger, [("kalshi", raw)], [Snapshot(CONTRACT, QUOTE)])
    assert (kept.answers, kept.snapshots, kept.alerts) == (1, 1, ())
    (answer,) = rows(ledger, ANSWERS)
    assert body_of(answer) == zlib.decompress(answer["body"]) == body
    assert (answer["sha256"], answer["url"], answer["status"]) == (raw.sha256, raw.url, 200)
    (snapshot,) = rows(ledger, SNAPSHOTS)
    assert (snapshot["bid"], snapshot["ask"], snapshot["last"]) == ("0.130", "0.14", None)
    assert (snapshot["fetched_at"], snapshot["volume"]) == ("2026-10-06T16:10:53Z", "1770366.84")
    (rule,) = rows(ledger, RULES)
    assert (rule["sha256"], rule["text"]) == (CONTRACT.rules_sha256, CONTRACT.rules)


def test_the_same_again_is_a_second_snapshot_and_one_rule_text(ledger: Ledger) -> None:
    for _ in range(2):
        assert keep(ledger, [], [Snapshot(CONTRACT, QUOTE)]).alerts == ()
    assert (len(rows(ledger, SNAPSHOTS)), len(rows(ledger, RULES))) == (2, 1)


def test_changed_rules_raise_an_alert_once_and_both_texts_stay(ledger: Ledger) -> None:
    changed = replace(CONTRACT, rules="Pays on any pact.")
    keep(ledger, [], [Snapshot(CONTRACT, QUOTE)])
    (alert,) = keep(ledger, [], [Snapshot(changed, None)]).alerts
    assert "kalshi PACT: the rules have changed since 2026-10-06T16:10:53Z" in alert
    assert changed.rules_sha256[:12] in alert
    assert keep(ledger, [], [Snapshot(changed, QUOTE)]).alerts == ()
    assert keep(ledger, [], [Snapshot(CONTRACT, QUOTE)]).alerts != ()  # back again is a change as well
    assert {row["text"] for row in rows(ledger, RULES)} == {CONTRACT.rules, changed.rules}


@pytest.mark.parametrize("table", ["market_answers", "market_snapshots", "market_rules"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_nothing_can_be_overwritten(any_ledger: Ledger, table: str, statement: str) -> None:
    keep(any_ledger, [("kalshi", Raw.of("u", AT, 200, b"x"))], [Snapshot(CONTRACT, QUOTE)])
    column = {"market_rules": "text"}.get(table, "venue")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), any_ledger.engine.begin() as connection:
        connection.exec_driver_sql(statement.format(table, column, column))
    assert len(rows(any_ledger, METADATA.tables[table])) == 1


@pytest.mark.postgres
def test_a_server_does_not_empty_a_table_either(new_database: Callable[[], str]) -> None:
    ledger = open_ledger(new_database())
    keep(ledger, [("kalshi", Raw.of("u", AT, 200, b"x"))], [Snapshot(CONTRACT, QUOTE)])
    for table in METADATA.tables:
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger.engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {table}")
    assert [len(rows(ledger, table)) for table in METADATA.sorted_tables] == [1, 1, 1]


def test_a_second_visit_finds_the_tables_and_what_they_hold(any_ledger: Ledger) -> None:
    body = bytes(range(256))
    for _ in range(2):
        keep(any_ledger, [("kalshi", Raw.of("u", AT, 200, body))], [Snapshot(CONTRACT, QUOTE)])
    assert [body_of(row) for row in rows(any_ledger, ANSWERS)] == [body, body]
    assert [row["bid"] for row in rows(any_ledger, SNAPSHOTS)] == ["0.130", "0.130"]


class Played:
    """A venue of a local server: one path a contract."""

    name = "kalshi"

    def __init__(self, base: str, put: Callable[[Raw], None]) -> None:
        self.base, self.client = base, Client("kalshi", per_second=1000, tries=0, pause=0.01, keep=put)

    def contract(self, contract_id: str) -> Contract:
        data, _ = self.client.json(f"{self.base}/{contract_id}")
        return replace(CONTRACT, id=contract_id, rules=data["rules"])

    def quote(self, contract: Contract) -> Quote:
        data, _ = self.client.json(f"{self.base}/{contract.id}/book")
        return replace(QUOTE, contract_id=contract.id, bid=Decimal(data["bid"]))


@pytest.fixture
def played(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """One contract whole, one without a book, one that is unknown; Polymarket does not open at all."""
    httpserver.expect_request("/GOOD").respond_with_json({"rules": "Pays."})
    httpserver.expect_request("/GOOD/book").respond_with_json({"bid": "0.021"})
    httpserver.expect_request("/HALF").respond_with_json({"rules": "Pays."})
    httpserver.expect_request("/HALF/book").respond_with_response(Response("<html>", content_type="text/html"))

    def opens(name: str, put: Callable[[Raw], None]) -> Played:
        if name == "polymarket":
            raise VenueError(name, "https://p.example", "does not answer")
        return Played(httpserver.url_for("").rstrip("/"), put)

    monkeypatch.setattr(pulling, "_open", opens)
    return httpserver


@pytest.mark.usefixtures("played")
def test_one_contract_that_fails_does_not_stop_the_others(ledger: Ledger) -> None:
    pulled = pull(ledger, [("polymarket", "P"), ("kalshi", "GONE"), ("kalshi", "HALF"), ("kalshi", "GOOD")])
    assert [line.split(":")[0] for line in pulled.failures] == ["polymarket", "GONE", "HALF"]
    assert [(row["contract"], row["bid"]) for row in rows(ledger, SNAPSHOTS)] == [("HALF", None), ("GOOD", "0.021")]
    assert "could not be read" in rows(ledger, SNAPSHOTS)[0]["note"]
    assert b"<html>" in {body_of(row) for row in rows(ledger, ANSWERS)}
    assert len(rows(ledger, ANSWERS)) == 5  # the failures as well


@pytest.mark.usefixtures("played")
def test_what_was_read_before_an_interruption_is_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Played.contract

    def interrupted(self: Played, contract_id: str) -> Contract:
        if contract_id == "STOP":
            raise KeyboardInterrupt
        return read(self, contract_id)

    monkeypatch.setattr(Played, "contract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull(ledger, [("kalshi", "GOOD"), ("kalshi", "STOP"), ("kalshi", "HALF")])
    assert [row["contract"] for row in rows(ledger, SNAPSHOTS)] == ["GOOD"]
    assert len(rows(ledger, ANSWERS)) == 2


@pytest.mark.usefixtures("played")
def test_the_exit_status_of_a_pull_says_partial_or_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["markets", "pull", "us-iran", "--db", str(ledger.engine.url)]
    for wanted, code in (
        ([("kalshi", "GOOD")], 0),
        ([("kalshi", "GOOD"), ("kalshi", "GONE")], 7),
        ([("kalshi", "GONE")], 1),
    ):
        monkeypatch.setattr(pulling, "mapped_contracts", lambda *_, wanted=wanted: wanted)
        assert main(command) == code
        assert ("GONE" in capsys.readouterr().err) is (code != 0)
    assert main([*command, "--venue", "manifold"]) == 2
    assert "no open contract is mapped there" in capsys.readouterr().err


def test_a_contract_is_shown_where_its_quote_fails(
    played: HTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = played.url_for("").rstrip("/")
    monkeypatch.setattr("forecast.markets.venues.open_venue", lambda _: Played(base, lambda _: None))
    for name, code in (("GOOD", 0), ("HALF", 7), ("GONE", 1)):
        assert main(["markets", "show", "kalshi", name]) == code
        shown = capsys.readouterr()
        assert ("Pays." in shown.out) is (name != "GONE")
        assert len(shown.err.splitlines()) == (name != "GOOD")


def test_a_search_says_what_could_not_be_read_with_the_status_of_a_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Searched:
        def search(self, _: str) -> Found:
            return Found((CONTRACT,), ("kalshi: one market has no rules",))

    monkeypatch.setattr("forecast.markets.venues.open_venue", lambda _: Searched())
    assert main(["markets", "search", "pact", "--venue", "kalshi"]) == 7
    shown = capsys.readouterr()
    assert "kalshi PACT: A pact?" in shown.out
    assert "kalshi: one market has no rules" in shown.err


def test_an_unknown_venue_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "show", "bazaar", "X"]) == 1
    assert "no such venue; there are polymarket" in capsys.readouterr().err
    assert main(["markets", "search", "pact", "--venue", "bazaar"]) == 1
