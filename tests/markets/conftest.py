import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from forecast.case import Case
from forecast.markets.mapping import FILE
from forecast.markets.tables import CONTRACTS, QUOTES, ContractRow, QuoteRow
from tests.conftest import TinyCase

Row = Mapping[str, str]
CONTRACT = {
    "venue": "kalshi",
    "title": "A pact over the valley?",
    "opened_at": "2020-03-01T00:00:00Z",
    "source": "the venue",
    "licence": "facts",
    "confidence": "high",
}
QUOTE = {"venue": "kalshi", "contract": "PACT-20SEP", "source": "the venue", "licence": "facts", "confidence": "high"}
CONTRACTS_ROWS: tuple[Row, ...] = (
    {
        "id": "PACT-20SEP", "deadline": "2020-09-01T04:00:00Z", "rules": "A signed pact before Sep 1, 2020.",
        "rules_since": "2020-05-01T00:00:00Z", "resolution": "yes", "settled_at": "2020-08-21T12:00:00Z",
        "fee_rate": "0.07",
    },
    {
        "id": "PACT-20DEC", "deadline": "2020-12-01T05:00:00Z", "resolution": "0.45",
        "settled_at": "2020-11-30T23:59:59Z",
    },
    {"id": "RAIN", "venue": "manifold", "title": "Rain?", "opened_at": ""},
)  # fmt: skip
QUOTES_ROWS: tuple[Row, ...] = (
    {"quoted_at": "2020-04-01T12:00:00Z", "published_at": "2020-04-01T12:00:00Z", "bid": "0.20", "ask": "0.30"},
    {"quoted_at": "2020-06-01T12:00:00Z", "published_at": "2020-06-05T12:00:00Z", "bid": "0.40", "ask": "0.44"},
    {"quoted_at": "2020-06-03T12:00:00Z", "published_at": "2020-06-03T12:00:00Z", "shown": "0.41"},
    {
        "contract": "PACT-20DEC", "quoted_at": "2020-06-01T12:00:00Z",
        "published_at": "2020-06-01T12:00:00Z", "ask": "0.9",
    },
    {
        "venue": "manifold", "contract": "RAIN", "quoted_at": "2020-06-02T00:00:00Z",
        "published_at": "2020-06-02T00:00:00Z", "shown": "0.5",
    },
)  # fmt: skip
MARKETS = """
[[mappings]]
id = "kalshi-pact"
venue = "kalshi"
event = "deal"
relation = "narrower"
label = "Kalshi: a pact before …"
stated_on = 2020-03-01
legs = [
  { contract = "PACT-20SEP", by = 2020-09-01T04:00:00Z },
  { contract = "PACT-20DEC", by = 2020-12-01T05:00:00Z },
]
[mappings.compared]
actors = "the same"
act = "signed; ours need not be"
threshold = "the same"
geography = "the upper valley"
source = "the herald"
deadline = "midnight, four hours behind"
carve_outs = "none"
void = "none"
[mappings.yes_if_event]
alpha = 8
beta = 2
rationale = "pacts are mostly signed"
[mappings.yes_if_not]
alpha = 1
beta = 49
rationale = "nothing else would pay"
"""


@dataclass(frozen=True, slots=True)
class MarketCase:
    """A small case with contracts, quotes and mappings that a test may change."""

    tiny: TinyCase

    def write(
        self,
        *,
        contracts: Sequence[Row] | None = CONTRACTS_ROWS,
        quotes: Sequence[Row] | None = QUOTES_ROWS,
        markets: str | None = MARKETS,
    ) -> Case:
        case = self.tiny.write()
        if contracts is not None:
            self._table(CONTRACTS, list(ContractRow.model_fields), [{**CONTRACT, **row} for row in contracts])
        if quotes is not None:
            self._table(QUOTES, list(QuoteRow.model_fields), [{**QUOTE, **row} for row in quotes])
        if markets is not None:
            (case.folder / FILE).write_text(markets, encoding="utf-8")
        return case

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with (self.tiny.folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def market_case(tiny_case: TinyCase) -> MarketCase:
    return MarketCase(tiny_case)
