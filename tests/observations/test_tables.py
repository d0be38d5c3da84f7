import re
from pathlib import Path

import pandas as pd
import pytest

from forecast.case import Case
from forecast.errors import DataError
from forecast.observations import Vintage, as_of
from forecast.observations.tables import (
    EPISODE_COLUMNS,
    OBSERVATION_COLUMNS,
    OUTCOMES,
    check_values,
    read_breakdowns,
    read_episodes,
    read_observations,
)
from tests.conftest import ACTS, Row, TinyCase

GOOD: Row = {"signal": "parley", "event_time": "2020-02-10"}


def checked(case: Case) -> pd.DataFrame:
    """Read the observations and check their values, as `as_of` does for the rows it shows."""
    table = read_observations(case)
    check_values(case, table)
    return table


def refused(*places: str) -> str:
    """Pattern of a message that names these places, in this order."""
    return ".*".join(re.escape(p) for p in places)


# --- observations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("id", {"id": ""}),
        ("event_time", {"event_time": "", "published_at": "2020-02-10"}),
        ("event_time", {"event_time": "2020-02-30"}),
        ("event_time", {"event_time": "2021-02-29"}),
        ("event_time", {"event_time": "10/02/2020"}),
        ("event_time", {"event_time": "2020-02-10T00:00:00"}),
        ("event_time", {"event_time": "2020-02-10T25:00:00Z"}),
        ("published_at", {"published_at": ""}),
        ("published_at", {"published_at": "2020-02-30"}),
        ("published_at", {"published_at": "0001-01-01T00:00:00+05:00"}),
        ("published_at", {"published_at": "9999-12-31T23:59:59-05:00"}),
        ("published_at", {"published_at": "2020-02-11T23:59:59"}),
        ("published_at", {"published_at": "2020-02-11 23:59:59 CET"}),
        ("ingested_at", {"ingested_at": ""}),
        ("ingested_at", {"ingested_at": "2026-11-31"}),
        ("value", {"value": "many"}),
        ("value", {"value": "1,5"}),
        ("value", {"value": "inf"}),
        ("value", {"value": "2"}),
        ("value", {"value": "0"}),
        ("value", {"value": ""}),
        ("revision", {"revision": ""}),
        ("revision", {"revision": "-1"}),
        ("revision", {"revision": "0.5"}),
        ("revision", {"revision": "first"}),
        ("signal", {"signal": "parlay"}),
        ("signal", {"signal": ""}),
        ("side", {"side": "us"}),
        ("side", {"side": ""}),
        ("unit", {"unit": "events"}),
        ("source", {"source": ""}),
        ("confidence", {"confidence": "certain"}),
        ("published_at", {"event_time": "2020-02-10", "published_at": "2020-02-09"}),
        ("published_at", {"event_time": "2020-02-10", "published_at": "2020-02-10T00:30:00+01:00"}),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tiny_case: TinyCase, field: str, bad: Row) -> None:
    case = tiny_case.write([ACTS[1], ACTS[4], {**GOOD, **bad}, ACTS[5]])
    with pytest.raises(DataError, match=refused("acts.csv, row 4, field ", repr(field))):
        checked(case)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("side", {"side": "freedonia"}),  # known, but the crown is Sylvania's
        ("unit", {"unit": "FRD/SYC"}),
        ("value", {"value": "-0.1"}),
        ("value", {"value": "1000.1"}),
    ],
)
def test_a_measurement_must_be_what_its_signal_declares(tiny_case: TinyCase, field: str, bad: Row) -> None:
    crown = {"signal": "crown", "event_time": "2020-02-10", "value": "90"}
    with pytest.raises(DataError, match=refused("prices.csv, row 2, field ", repr(field))):
        checked(tiny_case.write([GOOD, {**crown, **bad}]))


def test_the_ends_of_a_range_are_inside_it(tiny_case: TinyCase) -> None:
    crowns = [{"signal": "crown", "event_time": "2020-02-10", "value": v, "note": v} for v in ("0", "1000")]
    assert checked(tiny_case.write(crowns))["value"].tolist() == [0, 1000]


def test_a_message_counts_the_other_bad_rows(tiny_case: TinyCase) -> None:
    case = tiny_case.write([{**a, "source": ""} for a in ACTS])
    with pytest.raises(DataError, match=refused("row 2", "'source'", "empty", f"{len(ACTS) - 1} more")):
        checked(case)


def test_only_an_appointment_may_be_public_before_it_happens(tiny_case: TinyCase) -> None:
    ahead = {"event_time": "2020-10-01", "published_at": "2020-08-20"}
    assert len(checked(tiny_case.write([{"signal": "harvest", **ahead}]))) == 1
    with pytest.raises(DataError, match="'published_at'"):
        checked(tiny_case.write([{"signal": "parley", **ahead}]))


def test_an_id_appears_once_per_revision(tiny_case: TinyCase) -> None:
    case = tiny_case.write([{**GOOD, "id": "A"}, ACTS[1], {**ACTS[4], "id": "A"}])
    with pytest.raises(DataError, match=refused("acts.csv, row 4, field 'id'", "'A'", "acts.csv, row 2")):
        read_observations(case)
    revised = tiny_case.write([{**GOOD, "id": "A"}, {**GOOD, "id": "A", "revision": "1", "note": "day mended"}])
    assert read_observations(revised)["revision"].tolist() == [0, 1]


def test_a_revision_never_comes_before_what_it_revises(tiny_case: TinyCase) -> None:
    """With a slip in its month the final value would show where only the first print was public."""
    crown = {"id": "A", "signal": "crown", "event_time": "2020-06-28"}
    rows = [
        {**crown, "revision": "2", "published_at": "2020-07-10", "value": "119"},
        {**crown, "revision": "0", "published_at": "2020-06-29", "value": "118"},
        {**crown, "revision": "1", "published_at": "2020-07-20", "value": ""},
    ]
    with pytest.raises(DataError, match=refused("prices.csv, row 2, field 'published_at'", "earlier revision")):
        read_observations(tiny_case.write(rows))
    at_once = {**rows[1], "revision": "1", "value": "117"}  # what was typed in wrongly was never public
    assert len(read_observations(tiny_case.write([at_once, rows[1]]))) == 2


def test_an_id_is_unique_across_files(tiny_case: TinyCase) -> None:
    case = tiny_case.write([{**GOOD, "id": "A"}, {"id": "A", "signal": "crown", "event_time": "2020-02-10"}])
    with pytest.raises(DataError, match=refused("prices.csv, row 2, field 'id'", "acts.csv, row 2")):
        read_observations(case)


def test_the_same_observation_under_two_ids_is_refused(tiny_case: TinyCase) -> None:
    case = tiny_case.write([{**GOOD, "id": "A"}, ACTS[1], {**GOOD, "id": "B"}])
    with pytest.raises(DataError, match=refused("acts.csv, row 4", "two ids", "row 2")):
        read_observations(case)
    tiny_case.write([{**GOOD, "id": "A"}, {**GOOD, "id": "B", "note": "the evening session"}])
    assert len(read_observations(case)) == 2


def test_two_observations_of_a_day_may_be_withdrawn_together(tiny_case: TinyCase) -> None:
    rows = [{**GOOD, "id": name, "note": f"the {name} session"} for name in ("morning", "evening")]
    taken_back = {"revision": "1", "published_at": "2020-03-01", "value": "", "note": "never took place"}
    case = tiny_case.write([*rows, *({**row, **taken_back} for row in rows)])
    assert read_observations(case)["value"].isna().sum() == 2


def test_times_are_utc_and_values_are_numbers(tiny_case: TinyCase) -> None:
    row = {"signal": "crown", "event_time": "2020-02-10T03:30:00+03:30", "published_at": "2020-02-10", "value": "9e1"}
    table = read_observations(tiny_case.write([row]))
    assert table["event_time"].tolist() == [pd.Timestamp("2020-02-10", tz="UTC")]
    assert table["published_at"].tolist() == [pd.Timestamp("2020-02-10T23:59:59", tz="UTC")]
    assert table["value"].tolist() == [90.0]
    assert set(OBSERVATION_COLUMNS) < set(table.columns)


# --- files -----------------------------------------------------------------------------------------------------------


def acts_file(tiny_case: TinyCase) -> Path:
    return tiny_case.folder / "data" / "acts.csv"


def test_a_row_number_is_the_line_in_the_file(tiny_case: TinyCase) -> None:
    """A note may hold a line break, and an editor may leave a blank line: the number still leads to the place."""
    case = tiny_case.write([{**GOOD, "note": "first line\nsecond line"}, ACTS[1], {**ACTS[4], "unit": "furlong"}])
    lines = acts_file(tiny_case).read_text().splitlines()
    lines.insert(4, "")
    acts_file(tiny_case).write_text("\n".join(lines) + "\n")
    bad = next(number for number, line in enumerate(lines, start=1) if "furlong" in line)
    assert bad == 6
    with pytest.raises(DataError, match=refused("acts.csv, row 6, field 'unit'")):
        checked(case)


@pytest.mark.parametrize("change", ["one field too many", "one field too few"])
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_row_has_as_many_fields_as_the_header(tiny_case: TinyCase, *, change: str, everywhere: bool) -> None:
    case = tiny_case.write()
    header, *rows = acts_file(tiny_case).read_text().splitlines()
    for number in range(len(rows)) if everywhere else [2]:
        rows[number] = rows[number] + ",stray" if change == "one field too many" else rows[number].rpartition(",")[0]
    acts_file(tiny_case).write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(DataError, match=refused("acts.csv")):
        read_observations(case)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (",".join(c for c in OBSERVATION_COLUMNS if c != "published_at"), "published_at"),
        (",".join((*OBSERVATION_COLUMNS, "colour")), "colour"),
        (",".join((*OBSERVATION_COLUMNS, "id")), "id"),
    ],
)
def test_the_columns_are_exactly_those_of_the_table(tiny_case: TinyCase, header: str, named: str) -> None:
    case = tiny_case.write()
    acts_file(tiny_case).write_text(header + "\n")
    with pytest.raises(DataError, match=refused("acts.csv", named)):
        read_observations(case)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00\x00PK\x03\x04\x9c", b'id,signal\n"never closed,parley\n', b'\x00\x01\x02,"\x00'],
    ids=["empty", "binary", "open quote", "zeros"],
)
def test_what_is_no_csv_is_refused(tiny_case: TinyCase, content: bytes) -> None:
    case = tiny_case.write()
    acts_file(tiny_case).write_bytes(content)
    with pytest.raises(DataError, match=refused("acts.csv")):
        read_observations(case)


@pytest.mark.parametrize("name", ["acts", "prices", "episodes", "breakdowns"])
def test_a_missing_file_is_named(tiny_case: TinyCase, name: str) -> None:
    case = tiny_case.write()
    (tiny_case.folder / "data" / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=refused(f"{name}.csv: missing")):
        as_of(case, "2021-01-01")


@pytest.mark.parametrize("table", ["observations", "episodes", "breakdowns"])
def test_a_name_that_no_file_can_have_is_shown(tiny_case: TinyCase, table: str) -> None:
    name = "data/a\0b.csv"
    case = tiny_case.write().model_copy(update={table: (name,) if table == "observations" else name})
    with pytest.raises(DataError, match=refused(r"data/a\x00b.csv", "null", "case.toml")):
        as_of(case, "2021-01-01")


def test_a_spreadsheet_may_have_saved_the_table(tiny_case: TinyCase) -> None:
    case = tiny_case.write()
    before = read_observations(case)
    text = acts_file(tiny_case).read_text()
    acts_file(tiny_case).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    pd.testing.assert_frame_equal(read_observations(case), before)


# --- episodes and breakdowns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("level", {"level": "summit"}),
        ("parent", {"level": "round", "parent": "nowhere"}),
        ("secret", {"secret": ""}),
        ("walkout", {"walkout": "yes"}),
        ("kinetic_90d", {"kinetic_90d": ""}),
        ("adverse_90d", {"adverse_90d": "2"}),
        ("started_on", {"started_on": ""}),
        ("started_on", {"started_on": "2020-02-30"}),
        ("started_on", {"started_on": "0000-01-01"}),
        ("ended_on", {"ended_on": "2019-12-31"}),
        ("ended_on", {"ended_on": "", "published_at": "2020-06-01"}),
        ("ended_on", {"ended_on": "June 2020"}),
        ("walkout_on", {"walkout": "1", "walkout_on": "2020-02-31; 2020-03-01"}),
        ("published_at", {"published_at": "2020-06-01T12:00:00"}),
    ],
)
def test_a_bad_episode_is_named(tiny_case: TinyCase, field: str, bad: Row) -> None:
    good = {"started_on": "2020-01-01", "ended_on": "2020-03-01"}
    case = tiny_case.write(episodes=[good, {**good, **bad}])
    with pytest.raises(DataError, match=refused("episodes.csv, row 3, field ", repr(field))):
        read_episodes(case)


def test_an_unknown_outcome_is_refused_once_it_is_public(tiny_case: TinyCase) -> None:
    case = tiny_case.write(episodes=[{"started_on": "2020-01-01", "ended_on": "2020-12-01", "outcome": "world peace"}])
    assert as_of(case, "2020-11-30").episodes["outcome"].tolist() == ["open"]
    with pytest.raises(DataError, match=refused("episodes.csv, row 2, field 'outcome'", "world peace", *OUTCOMES)):
        as_of(case, "2020-12-01")


def test_episodes_have_ids_of_their_own(tiny_case: TinyCase) -> None:
    row = {"id": "E", "started_on": "2020-01-01", "ended_on": "2020-03-01"}
    with pytest.raises(DataError, match=refused("episodes.csv, row 3, field 'id'", "episodes.csv, row 2")):
        read_episodes(tiny_case.write(episodes=[row, row]))


def test_episodes_come_with_types(tiny_case: TinyCase) -> None:
    row = {"started_on": "2020-01-01", "ended_on": "2020-03-01", "walkout": "1", "walkout_on": "2020-02-01; 2020-02-20"}
    (episode,) = read_episodes(tiny_case.write(episodes=[row])).to_dict("records")
    assert episode["walkout"] is True
    assert episode["secret"] is False
    assert episode["walkout_on"] == pd.Timestamp("2020-02-01")  # the first of two
    assert set(EPISODE_COLUMNS) < set(episode)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("broke_on", {"broke_on": "2020-02-30", "published_at": "2020-03-01"}),
        ("deal_on", {"deal_on": "2020-07-19"}),
        ("escalated_on", {"escalated_on": "2019-07-20"}),
        ("escalated_on", {"escalated_on": "soon"}),
        ("published_at", {"published_at": ""}),
        ("published_at", {"published_at": "2020-07-20T10:00:00"}),
    ],
)
def test_a_bad_breakdown_is_named(tiny_case: TinyCase, field: str, bad: Row) -> None:
    good = {"broke_on": "2020-07-20"}
    case = tiny_case.write(breakdowns=[good, {**good, **bad}])
    with pytest.raises(DataError, match=refused("breakdowns.csv, row 3, field ", repr(field))):
        read_breakdowns(case)


# --- the shipped case ------------------------------------------------------------------------------------------------


def test_every_row_of_the_shipped_case_keeps_the_rules(us_iran: Case, us_iran_now: Vintage) -> None:
    table = checked(us_iran)
    assert len(table) >= len(us_iran_now.observations) > 9000
    assert (table["ingested_at"] >= table["published_at"]).all()
    assert len(read_episodes(us_iran)) > 150
    assert len(read_breakdowns(us_iran)) >= 30
