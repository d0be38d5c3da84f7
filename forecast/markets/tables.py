"""The market tables of a case, ``data/contracts.csv`` and ``data/quotes.csv``, and the only door to them.

:func:`contracts_as_of` and :func:`quotes_as_of` give what was public at an instant; nothing else of the package may
read the tables for a comparison. They are no part of a vintage: prices do not enter the model, so its digest of the
data does not know them.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from forecast.case import Case
from forecast.errors import DataError, at
from forecast.markets.deadline import read_deadline
from forecast.markets.fields import Price
from forecast.markets.venue import Contract, Fees, Quote, Resolution, resolution_of
from forecast.observations import parse_instant

CONTRACTS = "data/contracts.csv"
QUOTES = "data/quotes.csv"
STALE = timedelta(days=7)
"""A quote older than this may not be what a contract still stands at."""

_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
_NEAR = timedelta(days=2)  # of a deadline and an end of trading: zones, and a close on the day before or after
_NEVER = datetime.min.replace(tzinfo=UTC)
_Blank = BeforeValidator(lambda value: None if value == "" else value)
_Time = Annotated[AwareDatetime, AfterValidator(lambda when: when.astimezone(UTC))]
_MaybeTime = Annotated[_Time | None, _Blank]
_MaybePrice = Annotated[Price | None, _Blank]
_MaybeNumber = Annotated[Decimal | None, _Blank]
_Confidence = Literal["high", "medium", "low"]
_Venue = Literal["polymarket", "kalshi", "manifold", "metaculus", "infer"]


class ContractRow(BaseModel):
    """A line of ``contracts.csv``.

    ``resolution`` is yes, no, void, or what YES paid; ``rules_since`` is from when the rules stood as they are told.
    """

    model_config = _STRICT
    venue: _Venue
    id: str
    title: str
    url: str
    opened_at: _MaybeTime
    closes_at: _MaybeTime
    deadline: _MaybeTime
    deadline_text: str
    resolution: str
    settled_at: _MaybeTime
    rules: str
    rules_since: _MaybeTime
    fee_rate: _MaybeNumber
    source: str
    licence: str
    confidence: _Confidence
    note: str


class QuoteRow(BaseModel):
    """A line of ``quotes.csv``; ``published_at`` is from when it was public.

    Where ``last`` is the only price, ``quoted_at`` is when that trade was; beside others the trade is undated.
    """

    model_config = _STRICT
    venue: _Venue
    contract: str
    quoted_at: _Time
    published_at: _Time
    bid: _MaybePrice
    ask: _MaybePrice
    bid_size: _MaybeNumber
    ask_size: _MaybeNumber
    last: _MaybePrice
    shown: _MaybePrice
    volume: _MaybeNumber
    liquidity: _MaybeNumber
    source: str
    licence: str
    confidence: _Confidence


def contracts_as_of(case: Case, when: str | date | datetime) -> list[Contract]:
    """Return the contracts that existed at an instant, with endings and rules only if they were known by then.

    A contract whose opening is not on record counts from its first public quote. Rules are clarified as time goes on:
    before the text that the table tells stood, there is none (the deadline, which does not move, is kept).

    Raises
    ------
    AsOfError
        The time is none, or has no zone.
    DataError
        A row breaks the table's rules.
    """
    instant = parse_instant(when)
    quoted = {(q.venue, q.contract_id) for q in quotes_as_of(case, instant)}
    known = []
    for contract in read_contracts(case):
        opened = contract.opened_at
        if (opened <= instant) if opened is not None else ((contract.venue, contract.id) in quoted):
            known.append(_as_known(contract, instant))
    return known


def quotes_as_of(case: Case, when: str | date | datetime) -> list[Quote]:
    """Return the quotes that were public at an instant, oldest first.

    Raises
    ------
    AsOfError
        The time is none, or has no zone.
    DataError
        A row breaks the table's rules.
    """
    instant = parse_instant(when)
    return [quote for quote in read_quotes(case) if quote.fetched_at <= instant]


def latest_quotes(quotes: list[Quote]) -> dict[tuple[str, str], Quote]:
    """Return the newest quote of every contract, by venue and id."""
    ordered = sorted(quotes, key=lambda q: (q.time or q.fetched_at, q.fetched_at))
    return {(quote.venue, quote.contract_id): quote for quote in ordered}


def read_contracts(case: Case) -> list[Contract]:
    """Return every contract of a case, endings included, whenever they became known; none without the table.

    Raises
    ------
    DataError
        Naming file, row and field.
    """
    contracts: dict[tuple[str, str], Contract] = {}
    for row, line in _rows(case.folder / CONTRACTS, ContractRow):
        where = at(CONTRACTS, row=line, field="id")
        if not row.id or not row.title or not row.source:
            raise DataError(f"{where}: every contract needs its id, its title and its source")
        if (row.venue, row.id) in contracts:
            raise DataError(f"{where}: {row.id!r}: the same contract twice: drop one")
        contracts[row.venue, row.id] = _contract(row, line)
    return list(contracts.values())


def read_quotes(case: Case) -> list[Quote]:
    """Return every quote of a case, oldest first; none without the table.

    Raises
    ------
    DataError
        Naming file, row and field.
    """
    contracts = {(contract.venue, contract.id): contract for contract in read_contracts(case)}
    quotes: dict[tuple[str, str, datetime], Quote] = {}
    for row, line in _rows(case.folder / QUOTES, QuoteRow):
        contract = contracts.get((row.venue, row.contract))
        if contract is None:
            where = at(QUOTES, row=line, field="contract")
            raise DataError(f"{where}: {row.contract!r} of {row.venue} is not in {CONTRACTS}")
        _check_quote(row, line, contract)
        key = (row.venue, row.contract, row.quoted_at)
        if key in quotes:
            raise DataError(f"{at(QUOTES, row=line)}: the same contract quoted twice at one time: drop one")
        quotes[key] = _quote(row)
    return sorted(quotes.values(), key=lambda quote: quote.fetched_at)


def _as_known(contract: Contract, instant: datetime) -> Contract:
    """Leave out an ending and rules that came later than an instant."""
    settled_at = contract.resolution.settled_at if contract.resolution else None
    return replace(
        contract,
        resolution=contract.resolution if settled_at is not None and settled_at <= instant else None,
        rules=contract.rules if contract.fetched_at <= instant else "",
    )


def _contract(row: ContractRow, line: int) -> Contract:
    _check_deadline(row, line)
    return Contract(
        venue=row.venue,
        id=row.id,
        title=row.title,
        rules=row.rules,
        outcomes=("Yes", "No"),
        deadline=row.deadline,
        deadline_text=row.deadline_text,
        closes_at=row.closes_at,
        opened_at=row.opened_at,
        resolution=_resolution(row, line),
        key="",
        fees=Fees(row.fee_rate) if row.fee_rate is not None else Fees(),
        url=row.url,
        fetched_at=row.rules_since or row.opened_at or _NEVER,
    )


def _check_deadline(row: ContractRow, line: int) -> None:
    """Refuse a row without a deadline whose end of trading, which would stand for it, is not the date in its title."""
    titled = read_deadline("", row.title)
    if row.deadline is None and row.closes_at is not None and titled and abs(titled.at - row.closes_at) > _NEAR:
        raise DataError(
            f"{at(CONTRACTS, row=line, field='deadline')}: the title says {titled.text!r}, but trading ends on "
            f"{row.closes_at:%Y-%m-%d}; state the deadline"
        )


def _resolution(row: ContractRow, line: int) -> Resolution | None:
    where = at(CONTRACTS, row=line, field="resolution")
    if (row.resolution == "") != (row.settled_at is None):
        raise DataError(f"{where}: {row.resolution!r}: a resolution goes with settled_at, and only with it")
    if row.resolution == "":
        return None
    if row.resolution == "void":
        return Resolution("void", None, row.settled_at)
    try:
        value = Decimal({"yes": "1", "no": "0"}.get(row.resolution, row.resolution))
    except InvalidOperation:
        raise DataError(f"{where}: {row.resolution!r}: must be yes, no, void, or what YES paid") from None
    if not value.is_finite() or not 0 <= value <= 1:
        raise DataError(f"{where}: {row.resolution!r}: YES pays between 0 and 1")
    return resolution_of(value, row.settled_at)


def _quote(row: QuoteRow) -> Quote:
    traded = row.bid is None and row.ask is None and row.shown is None
    return Quote(
        venue=row.venue,
        contract_id=row.contract,
        fetched_at=row.published_at,
        bid=row.bid,
        ask=row.ask,
        bid_size=row.bid_size,
        ask_size=row.ask_size,
        last=row.last,
        last_at=row.quoted_at if traded else None,
        shown=row.shown,
        time=row.quoted_at,
        volume=row.volume,
        liquidity=row.liquidity,
    )


def _check_quote(row: QuoteRow, line: int, contract: Contract) -> None:
    problem = ""
    if row.published_at < row.quoted_at:
        problem = f"published_at: {row.published_at:%Y-%m-%dT%H:%MZ} lies before the quote"
    elif row.bid is None and row.ask is None and row.last is None and row.shown is None:
        problem = "shown: a quote needs a bid, an ask, a last trade or what was shown"
    elif row.bid is not None and row.ask is not None and row.bid > row.ask:
        problem = f"ask: {row.ask} lies below the bid {row.bid}"
    elif contract.opened_at is not None and row.quoted_at < contract.opened_at:
        problem = f"quoted_at: the contract opened only on {contract.opened_at:%Y-%m-%d}"
    elif contract.resolution and contract.resolution.settled_at and row.quoted_at >= contract.resolution.settled_at:
        problem = (
            f"quoted_at: the contract was settled on {contract.resolution.settled_at:%Y-%m-%d}, so this is its ending"
        )
    elif not row.source:
        problem = "source: every row needs its source"
    if problem:
        field, _, reason = problem.partition(": ")
        raise DataError(f"{at(QUOTES, row=line, field=field)}: {reason}")


def _rows[Row: BaseModel](path: Path, model: type[Row]) -> Iterator[tuple[Row, int]]:
    """Yield the checked rows of a table with the line that each begins on; nothing if there is no such file."""
    if not path.exists():
        return
    name = f"{path.parent.name}/{path.name}"
    columns = list(model.model_fields)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if list(reader.fieldnames or ()) != columns:
                raise DataError(f"{at(name, row=1)}: the columns must be {', '.join(columns)}")
            begins = reader.line_num + 1
            for record in reader:
                yield _row(model, record, name, begins), begins
                begins = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{name}: not a readable CSV table: {error}") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); it must be a file that you may read") from None


def _row[Row: BaseModel](model: type[Row], record: dict[str, str], name: str, line: int) -> Row:
    if None in record or None in record.values():
        raise DataError(f"{at(name, row=line)}: not {len(model.model_fields)} fields; quote a field that holds a comma")
    try:
        return model.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise DataError(f"{at(name, row=line, field=field)}: {record.get(field, '')!r}: {first['msg']}") from None
