"""Fixtures that several packages' tests share: the shipped case, and a small second case that is data alone."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from forecast.case import Case, load_case
from forecast.observations import Vintage, as_of
from forecast.observations.tables import BREAKDOWN_COLUMNS, EPISODE_COLUMNS, OBSERVATION_COLUMNS
from tests.servers import any_ledger, new_database, server  # noqa: F401  # fixtures, for the ledger and the archive

# Times vary with the machine's load, examples must not: a failure in CI has to repeat at a desk.
settings.register_profile("tests", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("tests")

Row = Mapping[str, str]

TOML = {
    "case.toml": """
id = "freedonia-sylvania"
title = "Freedonia and Sylvania over the upper valley"
summary = "Freedonia besieges, Sylvania holds out, heralds ride between."
dyads = ["Freedonia-Sylvania"]
grid_start = 2020-01-04
coded_until = 2021-06-25
media_weeks = 12
observations = ["data/acts.csv", "data/prices.csv"]
episodes = "data/episodes.csv"
breakdowns = "data/breakdowns.csv"
reference_weights = { sieges = 0.5 }
other_actors = ["herald", "markets"]

[[sides]]
id = "freedonia"
label = "Freedonia"
role = "coercer"

[[sides]]
id = "sylvania"
label = "Sylvania"
role = "target"

[[terms]]
starts = 2019-05-01
ends = 2024-05-01
""",
    "signals.toml": """
[[signals]]
id = "crown"
label = "Sylvanian crown"
kind = "level"
unit = "SYC/FRD"
sides = ["sylvania"]
minimum = 0.0
maximum = 1000.0

[[signals]]
id = "grain"
label = "Price of grain"
kind = "level"
unit = "FRD/t"
minimum = 1.0
maximum = 5000.0

[[signals]]
id = "parley"
label = "Parley"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0
rug = true

[[signals]]
id = "letter"
label = "Secret letter"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "storming_out"
label = "A side storms out"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "pact_start"
label = "Grazing pact in force"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "pact_end"
label = "Grazing pact ends"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "skirmish"
label = "Skirmish"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "armistice"
label = "Armistice"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "siege_start"
label = "Siege laid"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "siege_end"
label = "Siege lifted"
kind = "event"
unit = "event"
minimum = 1.0
maximum = 1.0

[[signals]]
id = "harvest"
label = "Harvest, by which terms are due"
kind = "scheduled"
unit = "hardness"
minimum = 1.0
maximum = 2.0
""",
    "coding.toml": """
[[holds]]
ladder = "diplomacy"
level = "talks"
opened_by = ["parley", "letter"]
by_sides = ["both"]
for_days = 21
closed_by = ["storming_out"]
reason = "Parleys come within three weeks of each other."

[[holds]]
ladder = "diplomacy"
level = "limited_deal"
opened_by = ["pact_start"]
closed_by = ["pact_end"]
reason = "The pact is in force until a side ends it."

[[holds]]
ladder = "force"
level = "coercion"
opened_by = ["siege_start"]
closed_by = ["siege_end"]
closed_by_sides = ["freedonia"]
reason = "A siege presses until the besieger lifts it."

[[holds]]
ladder = "force"
level = "coercion"
opened_by = ["skirmish"]
for_days = 28
reason = "Troops stay in the field for four weeks."

[[holds]]
ladder = "force"
level = "conflict"
opened_by = ["skirmish"]
for_days = 14
closed_by = ["armistice"]
reason = "Fighting goes on for two weeks or until an armistice."

[[holds]]
mark = "siege"
label = "Siege in force"
opened_by = ["siege_start"]
closed_by = ["siege_end"]
reason = "From the ring of the city to its end."

[[composites]]
id = "currency"
label = "Fall of the crown"
reason = "What the siege costs."
components = [{ signals = ["crown"], transform = "log_change", weeks = 4, stale_after_days = 14 }]

[[composites]]
id = "fighting"
label = "Fighting"
reason = "Skirmishes per unit of coverage."
components = [{ signals = ["skirmish"], transform = "decayed_count", weeks = 4 }]

[[composites]]
id = "dearth"
label = "Grain against its own mean"
reason = "What both publics pay."
components = [{ signals = ["grain"], transform = "log_gap", weeks = 8, stale_after_days = 28 }]
""",
    "questions.toml": """
horizons = [4, 8]

[[questions]]
id = "pact"
event = "deal"
label = "A pact"
definition = "The diplomacy ladder steps up to a limited or comprehensive deal by the date."
headline = true

[[questions]]
id = "war"
event = "escalation"
label = "War"
definition = "The force ladder steps up by the date."
""",
}

_KIND = {"crown": "prices", "grain": "prices"}
_UNIT = {"crown": "SYC/FRD", "grain": "FRD/t", "harvest": "hardness"}
_SIDE = {"crown": "sylvania", "grain": "markets", "siege_start": "freedonia", "siege_end": "freedonia"}
_DEFAULT_EPISODE = {
    "reference_class": "sieges",
    "level": "episode",
    "dyad": "Ruritania-Strelsau",
    "side_a": "Ruritania",
    "side_b": "Strelsau",
    "secret": "0",
    "outcome": "inconclusive",
    "walkout": "0",
    "kinetic_90d": "0",
    "adverse_90d": "0",
    "confidence": "high",
    "source": "chronicle",
}
_DEFAULT_BREAKDOWN = {"dyad": "Ruritania-Strelsau", "what": "talks break off", "kind": "walkout", "confidence": "high"}

ACTS: tuple[Row, ...] = (
    {"signal": "parley", "event_time": "2020-02-10"},
    {"signal": "storming_out", "side": "sylvania", "event_time": "2020-02-12"},
    {"signal": "siege_start", "event_time": "2020-03-01"},
    {"signal": "skirmish", "side": "sylvania", "event_time": "2020-05-04", "published_at": "2020-05-08"},
    {"signal": "armistice", "event_time": "2020-05-11"},
    {"signal": "parley", "event_time": "2020-08-03"},
    {"signal": "pact_start", "event_time": "2020-08-20"},
    {"signal": "siege_end", "event_time": "2020-08-21"},
    {"signal": "harvest", "event_time": "2020-10-01", "published_at": "2020-08-20", "value": "2"},
    {"signal": "pact_end", "side": "freedonia", "event_time": "2020-11-30"},
    {"signal": "skirmish", "side": "freedonia", "event_time": "2021-02-02"},
    {"signal": "skirmish", "side": "sylvania", "event_time": "2021-03-20", "published_at": "2021-03-29"},
)
PRICES: tuple[Row, ...] = (
    *({"signal": "crown", "event_time": f"2020-{m:02}-06", "value": str(90 + 3 * m * m)} for m in range(1, 13)),
    *({"signal": "grain", "event_time": f"2020-{m:02}-13", "value": str(200 + m % 4)} for m in range(1, 13)),
)
EPISODES: tuple[Row, ...] = (
    {"started_on": "1990-01-01", "ended_on": "1990-03-01", "outcome": "limited_deal"},
    {"started_on": "2020-09-01", "ended_on": "2020-12-01", "outcome": "escalation", "kinetic_90d": "1"},
    {"started_on": "2021-05-01", "ended_on": "", "outcome": ""},
)
BREAKDOWNS: tuple[Row, ...] = (
    {"broke_on": "2020-07-20", "deal_on": "2020-12-24", "deal_kind": "limited", "deal": "a truce for the feast"},
)


@dataclass(frozen=True, slots=True)
class TinyCase:
    """A case folder that a test may rewrite: two sides, twelve signals, six holds, three composites."""

    folder: Path

    def write(
        self,
        observations: Sequence[Row] = (*ACTS, *PRICES),
        *,
        episodes: Sequence[Row] = EPISODES,
        breakdowns: Sequence[Row] = BREAKDOWNS,
    ) -> Case:
        """Write all files of the case with these rows and load it.

        A row states what the test is about and the rest is filled in; a date alone means the start of the day of an
        event and the end of the day of a publication, as in the shipped tables. Rows keep their order, so row ``i`` of
        a table stands in line ``i + 2`` of its file.
        """
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        for name, text in TOML.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        rows = [_observation(row, number) for number, row in enumerate(observations)]
        for table in ("acts", "prices"):
            mine = [r for r in rows if _KIND.get(r["signal"], "acts") == table]
            self._write_table(table, OBSERVATION_COLUMNS, mine)
        self._write_table("episodes", EPISODE_COLUMNS, [_episode(r, n) for n, r in enumerate(episodes)])
        self._write_table("breakdowns", BREAKDOWN_COLUMNS, [_breakdown(r, n) for n, r in enumerate(breakdowns)])
        return load_case(self.folder)

    def vintage(self, when: str, observations: Sequence[Row] = (*ACTS, *PRICES)) -> Vintage:
        """Write the case with these observations and return what was known of it then, episodes left out."""
        return as_of(without_episodes(self.write(observations)), when)

    def _write_table(self, name: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with (self.folder / "data" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def without_episodes(case: Case) -> Case:
    """Drop the two tables of other talks from a case: most tests are not about them, and reading takes time."""
    return case.model_copy(update={"episodes": None, "breakdowns": None})


@pytest.fixture(scope="session", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ledger for whatever test issues a forecast without naming one: no test writes into anybody's own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('workspace')}/workspace.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORECAST_DB", url)
        yield url


@pytest.fixture(scope="session")
def us_iran() -> Case:
    """The shipped case."""
    return load_case("us-iran")


@pytest.fixture(scope="session")
def us_iran_at(us_iran: Case) -> Callable[[str], Vintage]:
    """What was known of the shipped case at some time; read once for all tests, so not to be changed by any."""
    return cache(lambda when: as_of(us_iran, when))


@pytest.fixture(scope="session")
def us_iran_now(us_iran_at: Callable[[str], Vintage], us_iran: Case) -> Vintage:
    """The shipped case at the end of what it is coded to."""
    return us_iran_at(us_iran.coded_until.isoformat())


@pytest.fixture
def tiny_case(tmp_path: Path) -> TinyCase:
    """The small case, written with its default rows, for a test to load or to rewrite."""
    tiny = TinyCase(tmp_path / "tiny")
    tiny.write()
    return tiny


@pytest.fixture(scope="session")
def new_tiny_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], TinyCase]:
    """Make a small case in a folder of its own at every call: for property tests, which share their fixtures."""
    return lambda: TinyCase(tmp_path_factory.mktemp("tiny"))


def _observation(row: Row, number: int) -> Row:
    event = row.get("event_time", "")
    filled = {
        "id": f"O{number}",
        "side": _SIDE.get(row["signal"], "both"),
        "ingested_at": "2026-11-21",
        "published_at": event,
        "value": "1",
        "unit": _UNIT.get(row["signal"], "event"),
        "source": "gazette",
        "revision": "0",
        "confidence": "high",
        **row,
    }
    filled["event_time"] = _at(filled.get("event_time", ""), "00:00:00Z")
    filled["ingested_at"] = _at(filled["ingested_at"], "00:00:00Z")
    filled["published_at"] = _at(filled["published_at"], "23:59:59Z")
    return filled


def _episode(row: Row, number: int) -> Row:
    filled = {"id": f"E{number}", "published_at": row.get("ended_on", ""), **_DEFAULT_EPISODE, **row}
    return {**filled, "published_at": _at(filled["published_at"], "23:59:59Z")}


def _breakdown(row: Row, number: int) -> Row:
    filled = {"id": f"B{number}", "published_at": row["broke_on"], **_DEFAULT_BREAKDOWN, **row}
    return {**filled, "published_at": _at(filled["published_at"], "23:59:59Z")}


def _at(text: str, clock: str) -> str:
    """Add the time of day to a date that stands alone; leave anything else as the test wrote it."""
    return f"{text}T{clock}" if len(text) == len("2020-01-01") else text
