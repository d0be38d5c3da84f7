import csv
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from forecast.case import Case, load_case
from forecast.case.loader import SHIPPED
from forecast.errors import AsOfError, DataError
from forecast.markets.implied import implied_probability
from forecast.markets.mapping import FILE
from forecast.markets.tables import (
    CONTRACTS,
    QUOTES,
    contracts_as_of,
    latest_quotes,
    quotes_as_of,
    read_contracts,
    read_quotes,
)
from forecast.observations import as_of
from tests.markets.conftest import CONTRACTS_ROWS, QUOTES_ROWS, MarketCase


def test_rows_become_the_same_data_as_a_venues_answers(market_case: MarketCase) -> None:
    case = market_case.write()
    pact, later, rain = read_contracts(case)
    assert (pact.id, pact.deadline, pact.fees.rate) == (
        "PACT-20SEP", datetime(2020, 9, 1, 4, tzinfo=UTC), Decimal("0.07")
    )  # fmt: skip
    assert pact.resolution is not None
    assert (pact.resolution.outcome, pact.resolution.value) == ("yes", Decimal(1))
    assert later.resolution is not None
    assert (later.resolution.outcome, later.resolution.value) == ("scalar", Decimal("0.45"))
    assert rain.resolution is None
    first = read_quotes(case)[0]
    assert (first.bid, first.ask, first.last, first.spread) == (Decimal("0.20"), Decimal("0.30"), None, Decimal("0.10"))


def test_a_row_that_has_only_a_trade_is_priced_by_it(market_case: MarketCase) -> None:
    trade = {"quoted_at": "2020-06-01T12:00:00Z", "published_at": "2020-06-05T12:00:00Z", "last": "0.41"}
    beside = {**trade, "quoted_at": "2020-06-02T12:00:00Z", "ask": "0.50"}
    alone, undated = quotes_as_of(market_case.write(quotes=[trade, beside]), "2020-12-31")
    implied = implied_probability(alone)
    assert (implied.probability, implied.method) == (0.41, "last")
    assert implied_probability(undated).note == "one side missing, last trade undated"


def test_a_quote_is_seen_from_its_publication_on(market_case: MarketCase) -> None:
    case = market_case.write()
    seen = {when: len(quotes_as_of(case, when)) for when in ("2020-03-31", "2020-04-01", "2020-06-04", "2020-06-05")}
    assert seen == {"2020-03-31": 0, "2020-04-01": 1, "2020-06-04": 4, "2020-06-05": 5}
    assert len(quotes_as_of(case, "2020-04-01T11:59:59Z")) == 0
    assert len(quotes_as_of(case, datetime(2020, 4, 1, 12, tzinfo=UTC))) == 1


def test_the_latest_quote_is_the_one_that_stood_last_of_those_known(market_case: MarketCase) -> None:
    case = market_case.write()
    key = ("kalshi", "PACT-20SEP")
    assert latest_quotes(quotes_as_of(case, "2020-06-02"))[key].bid == Decimal("0.20")
    assert latest_quotes(quotes_as_of(case, "2020-06-04"))[key].shown == Decimal("0.41")
    late = latest_quotes(quotes_as_of(case, "2020-06-06"))[key]
    assert late.shown == Decimal("0.41")  # published later, but it had stood earlier


def test_endings_and_clarified_rules_show_only_once_they_were_known(market_case: MarketCase) -> None:
    case = market_case.write()

    def pact(when: str) -> tuple[bool, bool]:
        contract = contracts_as_of(case, when)[0]
        return contract.resolution is not None, bool(contract.rules)

    assert pact("2020-04-30") == (False, False)
    assert pact("2020-05-01") == (False, True)
    assert pact("2020-08-21T11:59Z") == (False, True)
    assert pact("2020-08-21") == (True, True)


def test_a_contract_exists_from_its_opening_or_else_its_first_quote(market_case: MarketCase) -> None:
    case = market_case.write()
    assert [c.id for c in contracts_as_of(case, "2020-02-29")] == []
    assert [c.id for c in contracts_as_of(case, "2020-06-01")] == ["PACT-20SEP", "PACT-20DEC"]
    assert [c.id for c in contracts_as_of(case, "2020-06-02")] == ["PACT-20SEP", "PACT-20DEC", "RAIN"]


def test_a_case_without_market_tables_has_none(market_case: MarketCase) -> None:
    case = market_case.write(contracts=None, quotes=None, markets=None)
    assert (contracts_as_of(case, "2020-06-01"), quotes_as_of(case, "2020-06-01")) == ([], [])


def test_a_time_without_a_zone_is_refused(market_case: MarketCase) -> None:
    with pytest.raises(AsOfError, match="needs a zone"):
        quotes_as_of(market_case.write(), "2020-06-01T12:00")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bid": "14"}, r"quotes.csv, row 2, field 'bid': '14': Input should be less than or equal to 1"),
        ({"bid": "0.5"}, r"row 2, field 'ask': 0.30 lies below the bid 0.5"),
        ({"quoted_at": "2020-04-01T12:00"}, r"row 2, field 'quoted_at': '2020-04-01T12:00': .*timezone"),
        ({"quoted_at": "soon"}, r"row 2, field 'quoted_at': 'soon'"),
        ({"published_at": "2020-03-31T12:00:00Z"}, r"row 2, field 'published_at': .*lies before the quote"),
        ({"bid": "", "ask": ""}, r"row 2, field 'shown': a quote needs"),
        ({"contract": "PACT-21"}, r"row 2, field 'contract': 'PACT-21' of kalshi is not in data/contracts.csv"),
        ({"venue": "betfair"}, r"row 2, field 'venue': 'betfair'"),
        ({"source": ""}, r"row 2, field 'source': every row needs its source"),
        ({"confidence": "sure"}, r"row 2, field 'confidence': 'sure'"),
        ({"quoted_at": "2020-02-01T00:00:00Z"}, r"row 2, field 'quoted_at': the contract opened only on 2020-03-01"),
        (
            {"quoted_at": "2020-08-21T12:00:00Z", "published_at": "2020-08-21T12:00:00Z"},
            r"row 2, field 'quoted_at': the contract was settled on 2020-08-21, so this is its ending",
        ),
    ],
)
def test_a_bad_quote_is_named_by_file_row_and_field(
    market_case: MarketCase, change: dict[str, str], message: str
) -> None:
    case = market_case.write(quotes=[{**QUOTES_ROWS[0], **change}, *QUOTES_ROWS[1:]])
    with pytest.raises(DataError, match=message):
        quotes_as_of(case, "2020-12-31")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": "maybe"}, r"contracts.csv, row 2, field 'resolution': 'maybe': must be yes, no, void"),
        ({"resolution": "7"}, r"row 2, field 'resolution': '7': YES pays between 0 and 1"),
        ({"resolution": "nan"}, r"row 2, field 'resolution': 'nan': YES pays between 0 and 1"),
        ({"resolution": "-inf"}, r"row 2, field 'resolution': '-inf': YES pays between 0 and 1"),
        ({"resolution": ""}, r"row 2, field 'resolution': '': a resolution goes with settled_at"),
        ({"deadline": "2020-09-01"}, r"row 2, field 'deadline'"),
        ({"id": ""}, r"row 2, field 'id': every contract needs its id"),
        ({"id": "PACT-20DEC"}, r"row 3, field 'id': 'PACT-20DEC': the same contract twice"),
        (
            {"deadline": "", "title": "A pact by June 30, 2020?", "closes_at": "2020-03-31T23:59:59Z"},
            r"row 2, field 'deadline': the title says 'by June 30, 2020', but trading ends on 2020-03-31; state",
        ),
        ({"fee_rate": "much"}, r"row 2, field 'fee_rate': 'much'"),
    ],
)
def test_a_bad_contract_is_named_by_file_row_and_field(
    market_case: MarketCase, change: dict[str, str], message: str
) -> None:
    case = market_case.write(contracts=[{**CONTRACTS_ROWS[0], **change}, *CONTRACTS_ROWS[1:]])
    with pytest.raises(DataError, match=message):
        read_contracts(case)


def test_the_same_quote_twice_is_refused(market_case: MarketCase) -> None:
    case = market_case.write(quotes=[*QUOTES_ROWS, QUOTES_ROWS[0]])
    with pytest.raises(DataError, match="row 7: the same contract quoted twice at one time"):
        read_quotes(case)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("venue,id\nkalshi,A\n", "row 1: the columns must be venue, id, title"),
        ("", "row 1: the columns must be"),
        ('venue,"id\n', "the columns must be|not a readable CSV"),
        ("\xff\xfe", "not a readable CSV table"),
    ],
)
def test_a_broken_table_is_named(market_case: MarketCase, text: str, message: str) -> None:
    case = market_case.write()
    (case.folder / CONTRACTS).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=rf"data/contracts.csv.*({message})"):
        read_contracts(case)


def test_a_row_of_the_wrong_length_is_named(market_case: MarketCase) -> None:
    case = market_case.write()
    with (case.folder / QUOTES).open("a", encoding="utf-8") as file:
        file.write("kalshi,PACT-20SEP,2020-07-01T12:00:00Z\n")
    with pytest.raises(DataError, match=r"quotes.csv, row 7: not 15 fields"):
        read_quotes(case)


def test_an_end_of_trading_near_the_date_in_the_title_may_stand_for_the_deadline(market_case: MarketCase) -> None:
    title, closes = "A pact by June 30, 2020?", "2020-06-30T00:00:00Z"
    row = {**CONTRACTS_ROWS[0], "deadline": "", "title": title, "closes_at": closes}
    assert read_contracts(market_case.write(contracts=[row], quotes=None))[0].deadline is None


# --- the shipped case -----------------------------------------------------------------------------------------------


def test_the_shipped_tables_are_read_and_hold_what_they_say(us_iran: Case) -> None:
    contracts, quotes = contracts_as_of(us_iran, "2026-10-09"), quotes_as_of(us_iran, "2026-10-09")
    assert len(contracts) > 100
    assert len(quotes) > 1900
    assert {c.venue for c in contracts} == {"polymarket", "kalshi", "manifold", "metaculus", "infer"}
    assert not [q for q in quotes if q.bid == 0 or q.ask == 1]  # an empty side is missing
    assert not [c for c in contracts if not c.title]


def test_every_shipped_quote_has_its_source_and_licence() -> None:
    text = (SHIPPED / "us_iran" / QUOTES).read_text(encoding="utf-8").splitlines()
    assert all("ForecastBench" not in line or "CC BY-SA 4.0" in line for line in text[1:])
    assert sum("CC BY-SA 4.0" in line for line in text) > 1800


def test_nothing_shipped_looks_ahead(us_iran: Case) -> None:
    for when in ("2024-12-31", "2026-02-27", "2026-06-12", "2026-10-06T16:12Z"):
        limit = contracts_as_of(us_iran, when)
        endings = [c.resolution.settled_at for c in limit if c.resolution and c.resolution.settled_at]
        instant = datetime.fromisoformat(when).replace(tzinfo=UTC) if "T" in when else None
        end = instant or datetime.fromisoformat(f"{when}T23:59:59+00:00")
        assert all(at <= end for at in endings)
        assert all(q.fetched_at <= end for q in quotes_as_of(us_iran, when))
    minute = [q for q in quotes_as_of(us_iran, "2026-10-06T16:12Z") if q.venue == "kalshi" and q.fetched_at.day == 6]
    assert not [q for q in minute if q.fetched_at.month == 10]  # Kalshi was read at 16:14, Polymarket at 16:10


def test_what_comes_later_changes_nothing(us_iran: Case, tmp_path: Path) -> None:
    """Turn every later price, ending and rule about; what an earlier as-of time sees must stay as it was."""
    cut = "2026-06-12"
    folder = shutil.copytree(SHIPPED / "us_iran", tmp_path / "poisoned")

    def quote(row: dict[str, str]) -> dict[str, str]:
        return row if row["published_at"][:10] <= cut else {**row, "bid": "", "ask": "", "shown": "0.987"}

    def contract(row: dict[str, str]) -> dict[str, str]:
        turned = {"resolution": "no" if row["resolution"] == "yes" else "yes"} if row["settled_at"][:10] > cut else {}
        told = {"rules": "Anything goes."} if row["rules_since"][:10] > cut else {}
        return {**row, **turned, **told}

    for name, edit in ((QUOTES, quote), (CONTRACTS, contract)):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(edit(row) for row in rows)
    poisoned = load_case(folder)
    assert quotes_as_of(poisoned, cut) == quotes_as_of(us_iran, cut)
    assert contracts_as_of(poisoned, cut) == contracts_as_of(us_iran, cut)
    assert contracts_as_of(poisoned, "2026-10-09") != contracts_as_of(us_iran, "2026-10-09")  # the poison is real


def test_market_files_are_no_part_of_what_a_model_sees(us_iran: Case, tmp_path: Path) -> None:
    bare = shutil.copytree(SHIPPED / "us_iran", tmp_path / "bare")
    for name in (CONTRACTS, QUOTES, FILE):
        (bare / name).unlink()
    case = load_case(bare)
    assert case.model_dump(exclude={"folder"}) == us_iran.model_dump(exclude={"folder"})
    assert as_of(case, "2026-10-09").digest() == as_of(us_iran, "2026-10-09").digest()
