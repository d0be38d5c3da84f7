import csv
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from forecast.case import Case, load_case
from forecast.errors import AsOfError, DataError
from forecast.observations import Vintage, as_of, code_weeks, parse_instant, weekly_composites
from tests.conftest import ACTS, Row, TinyCase, without_episodes

type Rows = list[dict[str, str]]

# --- a poisoned future -----------------------------------------------------------------------------------------------

EVENTS_ALONE = {"observations": ("data/events.csv",), "episodes": None, "breakdowns": None}
CUTS = ("2019-06-30", "2026-04-14")
ABSURD = {"rial": "1e300", "stock_60": "-5", "oil_exports": "999"}


def rewritten(case: Case, folder: Path, edit: Callable[[str, Rows], Rows]) -> Case:
    """Copy a case and pass the rows of each of its tables through an editor."""
    shutil.copytree(case.folder, folder)
    for path in sorted((folder / "data").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = edit(path.stem, list(reader))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(reader.fieldnames or ()))
            writer.writeheader()
            writer.writerows(rows)
    return load_case(folder)


def poison(table: str, row: dict[str, str], cut: str) -> dict[str, str]:
    """Turn whatever a row says about the time after the cut into nonsense."""
    if table in {"base_rates", "contracts", "quotes"}:  # not of a vintage; tests/markets poisons the markets' tables
        return row
    unpublished = row["published_at"] == "" or row["published_at"][:10] > cut
    if table == "breakdowns":
        return _poisoned_breakdown(row, cut, unpublished=unpublished)
    if not unpublished:
        return row
    if table == "episodes":
        return _poisoned_episode(row, cut)
    nonsense = {"signal": f"no-{row['signal']}", "side": "nobody", "unit": "furlongs", "source": "", "confidence": "?"}
    keep_name = {"value": ABSURD[row["signal"]]} if row["signal"] in ABSURD else nonsense
    return {**row, "value": "-1e300", **keep_name}


def _poisoned_breakdown(row: dict[str, str], cut: str, *, unpublished: bool) -> dict[str, str]:
    later: dict[str, str] = {}
    for day, texts in (("deal_on", ("deal", "deal_kind")), ("escalated_on", ("escalation",))):
        if row[day] > cut:
            later |= {day: "2099-01-01", **dict.fromkeys(texts, "absurd")}
    if unpublished:
        later |= {"dyad": "absurd", "what": "absurd", "kind": "absurd", "source": "absurd"}
    return {**row, **later}


def _poisoned_episode(row: dict[str, str], cut: str) -> dict[str, str]:
    """Ends and whatever came of it are the future's; that public talks are under way is not."""
    later = {"ended_on": "2099-01-01", "published_at": "2099-01-02T23:59:59Z", "outcome": "world peace"}
    flags = {flag: "0" if row[flag] == "1" else "1" for flag in ("kinetic_90d", "adverse_90d")}
    texts = {"source": "absurd", "note": "absurd"}
    storming = {} if row["walkout_on"] and row["walkout_on"][:10] <= cut else {"walkout": "1", "walkout_by": "absurd"}
    if storming and row["walkout_on"]:
        storming["walkout_on"] = "2098-12-31"
    return {**row, **later, **flags, **texts, **storming}


def without_places(table: pd.DataFrame) -> pd.DataFrame:
    """Drop where a row stands in its file: that moves when others come and go."""
    return table.drop(columns=["file", "row"])


def assert_same(left: Vintage, right: Vintage) -> None:
    for name in ("observations", "episodes", "breakdowns"):
        assert_frame_equal(without_places(getattr(left, name)), without_places(getattr(right, name)))
    assert left.digest() == right.digest()


@pytest.mark.parametrize("cut", CUTS)
def test_a_poisoned_future_changes_nothing(
    us_iran: Case, us_iran_at: Callable[[str], Vintage], tmp_path: Path, cut: str
) -> None:
    poisoned = rewritten(us_iran, tmp_path / "case", lambda table, rows: [poison(table, r, cut) for r in rows])
    assert_same(us_iran_at(cut), as_of(poisoned, cut))
    with pytest.raises(DataError):  # the poison is real: it stops a later as-of
        as_of(poisoned.model_copy(update=EVENTS_ALONE), us_iran.coded_until)


def test_rows_that_come_later_change_nothing_nor_does_their_order(
    us_iran: Case, us_iran_at: Callable[[str], Vintage], tmp_path: Path
) -> None:
    cut = "2026-04-14"

    def truncated(table: str, rows: Rows) -> Rows:
        started = {"episodes": "started_on", "base_rates": "", "contracts": ""}.get(table, "published_at")
        return [r for r in rows if not started or r[started][:10] <= cut]

    def extended(table: str, rows: Rows) -> Rows:
        if table != "events":
            return rows[::-1]
        extra = {**rows[0], "event_time": "2026-04-15T00:00:00Z", "published_at": "2026-04-15T00:00:00Z"}
        return [{**extra, "id": f"X{i}", "note": f"invented {i}"} for i in range(50)] + rows[::-1]

    shorter = rewritten(us_iran, tmp_path / "shorter", truncated)
    longer = rewritten(us_iran, tmp_path / "longer", extended)
    assert_same(us_iran_at(cut), as_of(shorter, cut))
    assert_same(us_iran_at(cut), as_of(longer, cut))
    events = as_of(longer.model_copy(update=EVENTS_ALONE), "2026-04-15").observations
    assert sum(events["id"].str.startswith("X")) == 50


def test_the_digest_tells_a_changed_row(tiny_case: TinyCase) -> None:
    before = tiny_case.vintage("2021-01-01")
    (path,) = tiny_case.folder.glob("data/acts.csv")
    path.write_text(path.read_text().replace("gazette", "Gazette", 1))
    after = as_of(without_episodes(load_case(tiny_case.folder)), "2021-01-01")
    assert after.digest() != before.digest()
    assert before.digest() == tiny_case.vintage("2021-01-02").digest()  # nothing came out on that day


# --- revisions -------------------------------------------------------------------------------------------------------

CROWN: Row = {"id": "C", "signal": "crown", "event_time": "2020-09-01"}
REVISED: tuple[Row, ...] = (  # in no order
    {**CROWN, "revision": "2", "published_at": "2020-11-01", "value": ""},
    {**CROWN, "revision": "0", "published_at": "2020-09-02", "value": "10"},
    {**CROWN, "revision": "3", "published_at": "2020-12-01", "value": "12"},
    {**CROWN, "revision": "1", "published_at": "2020-10-01", "value": "11"},
    {"signal": "parley", "event_time": "2020-02-10"},
)


@pytest.mark.parametrize(
    ("when", "seen"),
    [
        ("2020-09-01", None),
        ("2020-09-02", 10),
        ("2020-09-30", 10),
        ("2020-10-01", 11),
        ("2020-10-31", 11),
        ("2020-11-01", None),  # withdrawn
        ("2020-12-01", 12),
    ],
)
def test_the_latest_public_revision_counts(tiny_case: TinyCase, when: str, seen: float | None) -> None:
    observations = tiny_case.vintage(when, REVISED).observations
    values = observations.loc[observations["id"].eq("C"), "value"].tolist()
    assert values == ([] if seen is None else [seen])


def test_an_empty_value_is_a_withdrawal_only_as_a_revision(tiny_case: TinyCase) -> None:
    rows: list[Row] = [*ACTS, {"signal": "crown", "event_time": "2020-09-01", "value": ""}]
    with pytest.raises(DataError, match=r"prices\.csv, row 2, field 'value': empty"):
        tiny_case.vintage("2020-12-01", rows)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, date, str]]:
    """Some ids with one to four revisions each: id, revision, day of publication, value or nothing."""
    found = []
    for number in range(draw(st.integers(3, 8))):
        days = sorted(draw(st.lists(st.integers(0, 60), min_size=1, max_size=4)))
        for revision, day in enumerate(days):
            value = draw(st.sampled_from(["", "1", "2.5", "40"])) if revision else "7"
            found.append((f"H{number}", revision, date(2020, 8, 1) + timedelta(days=day), value))
    return draw(st.permutations(found))


def visible_by_definition(rows: list[tuple[str, int, date, str]], day: date) -> dict[str, float]:
    newest: dict[str, tuple[int, str]] = {}
    for name, revision, published, value in rows:
        if published <= day and revision >= newest.get(name, (-1, ""))[0]:
            newest[name] = (revision, value)
    return {name: float(value) for name, (_, value) in newest.items() if value}


@settings(max_examples=10)
@given(rows=histories(), first=st.integers(0, 70), wait=st.integers(0, 30))
def test_what_is_visible_follows_from_the_definition_and_only_grows(
    new_tiny_case: Callable[[], TinyCase], rows: list[tuple[str, int, date, str]], first: int, wait: int
) -> None:
    written: list[Row] = [{"id": "first", "signal": "parley", "event_time": "2020-02-10"}]
    for name, revision, published, value in rows:
        row = {"id": name, "revision": str(revision), "signal": "crown", "value": value, "note": f"{name}, {revision}"}
        written.append({**row, "event_time": "2020-07-31", "published_at": published.isoformat()})
    case = without_episodes(new_tiny_case().write(written))
    seen: list[Mapping[str, float]] = []
    for day in (date(2020, 8, 1) + timedelta(days=first), date(2020, 8, 1) + timedelta(days=first + wait)):
        observations = as_of(case, day).observations
        levels = observations[observations["signal"].eq("crown")]
        seen.append(dict(zip(levels["id"], levels["value"], strict=True)))
        assert seen[-1] == visible_by_definition(rows, day)
        assert (observations["published_at"] <= pd.Timestamp(day, tz="UTC") + pd.Timedelta("1D")).all()
    gone = set(seen[0]) - set(seen[1])
    withdrawn = {name for name, _, _, value in rows if value == ""}
    assert gone <= withdrawn


# --- the as-of time --------------------------------------------------------------------------------------------------


def test_a_date_is_the_end_of_its_day() -> None:
    assert (
        parse_instant("2026-04-14") == parse_instant(date(2026, 4, 14)) == datetime(2026, 4, 14, 23, 59, 59, tzinfo=UTC)
    )


def test_a_time_is_taken_in_its_zone() -> None:
    tehran = timezone(timedelta(hours=3, minutes=30))
    expected = datetime(2026, 4, 14, 20, 30, tzinfo=UTC)
    for when in ("2026-04-15T00:00+03:30", "2026-04-14T20:30Z", datetime(2026, 4, 15, tzinfo=tehran)):
        assert parse_instant(when) == expected
        assert parse_instant(when).utcoffset() == timedelta(0)


@pytest.mark.parametrize("when", ["2026-06-17T00:00:00Z", "2026-06-17T12:00:00Z", "2026-06-17T23:59:58Z"])
def test_a_day_that_is_not_over_is_not_coded(us_iran: Case, when: str) -> None:
    vintage, before = as_of(us_iran, when), as_of(us_iran, "2026-06-16")
    assert vintage.day == vintage.coded_until == before.day == date(2026, 6, 16)
    assert code_weeks(vintage).ends[-1] == code_weeks(before).ends[-1] == np.datetime64("2026-06-16")


def test_a_row_shows_from_the_second_of_its_publication(tiny_case: TinyCase) -> None:
    row = {"id": "S", "signal": "skirmish", "event_time": "2020-08-01", "published_at": "2020-08-02T09:00:00+02:00"}
    case = without_episodes(tiny_case.write([*ACTS, row]))
    for when, shown in (("2020-08-02T06:59:59Z", False), ("2020-08-02T07:00:00Z", True), ("2020-08-01", False)):
        assert ("S" in set(as_of(case, when).observations["id"])) is shown


@pytest.mark.parametrize("when", ["2026-04-14T12:00", datetime(2026, 4, 14, 12), "2026-04-14 12:00:00"])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused(us_iran: Case, when: str | datetime) -> None:
    with pytest.raises(AsOfError, match="zone"):
        as_of(us_iran, when)


@pytest.mark.parametrize("when", ["yesterday", "2026-02-30", "2026-13-01", "14/04/2026", "", "2026-04-14T25:00Z"])
def test_what_is_no_time_is_refused(us_iran: Case, when: str) -> None:
    with pytest.raises(AsOfError, match="not a date"):
        as_of(us_iran, when)


def test_the_future_is_refused(us_iran: Case) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    for when in (ahead, ahead.date(), ahead.date().isoformat(), "9999-12-31"):
        with pytest.raises(AsOfError, match="future"):
            as_of(us_iran, when)


def test_half_a_year_of_history_is_needed(us_iran: Case, tiny_case: TinyCase) -> None:
    with pytest.raises(AsOfError, match="first usable as-of is 2018-07-07"):
        as_of(us_iran, "2018-07-06")
    small = without_episodes(us_iran).model_copy(update={"observations": ("data/events.csv",)})
    assert as_of(small, "2018-07-07").day == date(2018, 7, 7)
    with pytest.raises(AsOfError, match="2020-07-04"):
        as_of(tiny_case.write(), "1914-07-28")


def test_before_anything_was_public_there_is_no_vintage(tiny_case: TinyCase) -> None:
    case = tiny_case.write([{"signal": "parley", "event_time": "2020-02-10", "published_at": "2021-01-10"}])
    with pytest.raises(AsOfError, match="no observation"):
        as_of(case, "2021-01-09")
    assert len(as_of(case, "2021-01-10").observations) == 1


def test_without_a_time_the_whole_coded_history_is_meant(us_iran_now: Vintage, us_iran: Case) -> None:
    assert us_iran_now.day == us_iran.coded_until == date(2026, 10, 9)
    assert us_iran_now.last_published == datetime(2026, 10, 9, 23, 59, 59, tzinfo=UTC)


def test_silence_is_evidence_only_as_far_as_the_case_is_coded(
    us_iran: Case, us_iran_at: Callable[[str], Vintage]
) -> None:
    assert us_iran_at("2026-04-14").coded_until == date(2026, 4, 14)
    small = without_episodes(us_iran).model_copy(update={"observations": ("data/iaea.csv",)})
    assert as_of(small, "2026-11-01").coded_until == us_iran.coded_until


# --- publication lags of the shipped case ----------------------------------------------------------------------------


def test_the_rial_of_a_day_is_published_on_the_next(us_iran_at: Callable[[str], Vintage]) -> None:
    observations = us_iran_at("2026-04-14").observations
    rial = observations[observations["signal"].eq("rial")]
    assert rial["event_time"].max() == pd.Timestamp("2026-04-13", tz="UTC")


def test_the_agency_publishes_weeks_after_it_measures(us_iran: Case) -> None:
    reports = without_episodes(us_iran).model_copy(update={"observations": ("data/iaea.csv",)})

    def newest_stock(when: str) -> float:
        observations = as_of(reports, when).observations
        return float(observations.loc[observations["signal"].eq("stock_60"), "value"].iloc[-1])

    assert newest_stock("2025-05-30") == 274.8  # GOV/2025/8, measured on 8 February 2025
    assert newest_stock("2025-05-31") == 408.6  # GOV/2025/24, measured on 17 May, circulated on 31 May 2025
    assert newest_stock("2025-09-02") == 408.6
    assert newest_stock("2025-09-03") == 440.9  # GOV/2025/50, the estimate for 13 June 2025


def test_the_stock_is_unknown_after_access_ended(us_iran_now: Vintage) -> None:
    observations = us_iran_now.observations
    measured = observations.loc[observations["signal"].eq("stock_60"), "event_time"]
    assert measured.max() <= pd.Timestamp("2025-06-13", tz="UTC")
    silent = observations.loc[observations["signal"].eq("stock_unverified"), "event_time"]
    assert len(silent) >= 3
    assert silent.min() > pd.Timestamp("2025-06-13", tz="UTC")


def test_an_appointment_is_known_before_it_comes_due(tiny_case: TinyCase) -> None:
    for when, announced in (("2020-08-19", False), ("2020-08-20", True)):
        assert ("harvest" in set(tiny_case.vintage(when).observations["signal"])) is announced


# --- episodes and breakdowns -----------------------------------------------------------------------------------------


def known_episodes(tiny_case: TinyCase, when: str, episode: Row) -> list[dict[str, Any]]:
    table = as_of(tiny_case.write(episodes=[{"started_on": "2020-09-01", **episode}]), when).episodes
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def test_talks_under_way_are_open_until_their_end_is_public(tiny_case: TinyCase) -> None:
    episode = {
        "ended_on": "2020-12-01",
        "published_at": "2020-12-05",
        "outcome": "escalation",
        "kinetic_90d": "1",
        "adverse_90d": "1",
        "note": "it ended in fire",
    }
    assert known_episodes(tiny_case, "2020-08-31", episode) == []
    for when in ("2020-09-01", "2020-12-04"):
        (known,) = known_episodes(tiny_case, when, episode)
        assert known["outcome"] == "open"
        assert pd.isna(known["ended_on"])
        assert not known["kinetic_90d"]
        assert not known["adverse_90d"]
        assert known["note"] == ""
    (known,) = known_episodes(tiny_case, "2020-12-05", episode)
    assert known["outcome"] == "escalation"
    assert known["ended_on"] == pd.Timestamp("2020-12-01")


def test_an_end_reported_ahead_of_itself_is_not_an_end(tiny_case: TinyCase) -> None:
    """A secret track that leaks in October and ends in December is talks in October, with no outcome."""
    episode = {"ended_on": "2020-12-01", "published_at": "2020-10-10", "secret": "1", "outcome": "limited_deal"}
    assert known_episodes(tiny_case, "2020-10-09", episode) == []
    (known,) = known_episodes(tiny_case, "2020-10-10", episode)
    assert known["outcome"] == "open"
    assert pd.isna(known["ended_on"])
    assert known_episodes(tiny_case, "2020-12-01", episode)[0]["outcome"] == "limited_deal"


def test_what_follows_within_ninety_days_is_unknown_until_they_are_over(tiny_case: TinyCase) -> None:
    episode = {"ended_on": "2020-12-01", "outcome": "escalation", "kinetic_90d": "1", "adverse_90d": "1"}
    for when, known_by_then in (("2020-12-02", False), ("2021-02-28", False), ("2021-03-01", True)):
        (known,) = known_episodes(tiny_case, when, episode)
        assert (known["kinetic_90d"], known["adverse_90d"]) == (known_by_then, known_by_then)


def test_a_secret_track_does_not_exist_until_it_is_public(
    tiny_case: TinyCase, us_iran_at: Callable[[str], Vintage]
) -> None:
    episode = {"ended_on": "2020-10-01", "published_at": "2021-01-15", "secret": "1"}
    assert known_episodes(tiny_case, "2021-01-14", episode) == []
    assert len(known_episodes(tiny_case, "2021-01-15", episode)) == 1
    # The Burns-Sullivan channel of 2013 and the like: nothing secret is ever open.
    for when in CUTS:
        episodes = us_iran_at(when).episodes
        assert not (episodes["secret"] & episodes["outcome"].eq("open")).any()


def test_a_walkout_shows_from_its_day(tiny_case: TinyCase) -> None:
    episode = {
        "ended_on": "2020-12-01",
        "walkout": "1",
        "walkout_by": "Strelsau",
        "walkout_on": "2020-10-05; 2020-11-11",
    }
    (before,) = known_episodes(tiny_case, "2020-10-04", episode)
    assert not before["walkout"]
    assert pd.isna(before["walkout_on"])
    assert before["walkout_by"] == ""
    (after,) = known_episodes(tiny_case, "2020-10-05", episode)
    assert after["walkout"]
    assert after["walkout_on"] == pd.Timestamp("2020-10-05")


def test_a_walkout_of_unknown_day_shows_at_the_end(tiny_case: TinyCase) -> None:
    episode = {"ended_on": "2020-12-01", "walkout": "1", "walkout_by": "Strelsau"}
    assert not known_episodes(tiny_case, "2020-11-30", episode)[0]["walkout"]
    assert known_episodes(tiny_case, "2020-12-01", episode)[0]["walkout"]


def test_later_deals_and_escalations_of_a_breakdown_are_blank(us_iran: Case) -> None:
    small = us_iran.model_copy(update={"observations": ("data/iaea.csv",), "episodes": None})

    def islamabad(when: str) -> dict[str, Any]:
        breakdowns = as_of(small, when).breakdowns.set_index("id")
        return {str(k): v for k, v in breakdowns.loc["B30"].to_dict().items()}

    assert "B30" not in set(as_of(small, "2026-04-11").breakdowns["id"])
    first = islamabad("2026-04-12")
    assert pd.isna(first["deal_on"])
    assert pd.isna(first["escalated_on"])
    assert (first["deal"], first["deal_kind"], first["escalation"]) == ("", "", "")
    blockaded = islamabad("2026-04-13")
    assert blockaded["escalated_on"] == pd.Timestamp("2026-04-13")
    assert blockaded["deal"] == ""
    assert islamabad("2026-06-17")["deal_on"] == pd.Timestamp("2026-06-17")


def test_what_is_dated_by_day_alone_is_known_at_the_end_of_that_day(tiny_case: TinyCase) -> None:
    case = tiny_case.write(
        episodes=[{"started_on": "2020-09-01", "ended_on": ""}],
        breakdowns=[{"broke_on": "2020-08-01", "deal_on": "2020-09-01", "deal": "a truce"}],
    )
    morning, night = as_of(case, "2020-09-01T06:00Z"), as_of(case, "2020-09-01")
    assert morning.breakdowns["deal"].tolist() == [""]
    assert night.breakdowns["deal"].tolist() == ["a truce"]
    assert len(morning.episodes) == 0
    assert len(night.episodes) == 1


def test_a_case_may_do_without_episodes_and_breakdowns(tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "case.toml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("episodes", "breakdowns"))]
    path.write_text("\n".join(kept))
    shutil.move(tiny_case.folder / "data" / "episodes.csv", tiny_case.folder / "data" / "unused.csv")
    vintage = as_of(load_case(tiny_case.folder), "2021-01-01")
    assert len(vintage.episodes) == len(vintage.breakdowns) == 0
    assert vintage.digest() == as_of(load_case(tiny_case.folder), "2021-01-01").digest()


def test_a_second_case_needs_no_code(tiny_case: TinyCase) -> None:
    vintage = as_of(tiny_case.write(), "2020-12-31")
    weeks = code_weeks(vintage)
    composites = weekly_composites(vintage, weeks)
    assert vintage.case.id == "freedonia-sylvania"
    assert set(weeks.marks) == {"siege"}
    assert composites.names == ("currency", "fighting", "dearth")
    assert composites.known.any(axis=0).all()
    assert vintage.episodes["outcome"].tolist() == ["limited_deal", "escalation"]  # the third begins in 2021
    assert vintage.breakdowns["deal"].tolist() == ["a truce for the feast"]
