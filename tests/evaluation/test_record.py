import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import LedgerError, ScoreError
from forecast.evaluation.due import Reach
from forecast.evaluation.published import read_published
from forecast.evaluation.reconstructed import read_tables
from forecast.evaluation.record import short_record, track_record
from forecast.ledger import Forecast, Ledger, append, open_ledger, read_entries
from forecast.ledger.resolution import Finding
from tests.evaluation.records import CASE, MADE_AT, START, backtest_tables, issued, record, settled, write_tables
from tests.ledger.conftest import tamper

SAID = {"R0": [0.2, 0.3, 0.4, 0.1], "R1": [0.6, 0.2, 0.7, 0.05]}
CAME: list[int | None] = [1, 0, 1, 0]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/ledger.db")


def made(**given_: Any) -> dict[str, Any]:
    return track_record(case=CASE, made_at=MADE_AT, **given_)


def end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), UTC)


# --- reconstructed ----------------------------------------------------------------------------------------------------


def test_scores_and_skill_are_those_worked_out_by_hand() -> None:
    part = made(reconstructed=backtest_tables(SAID, CAME))["reconstructed"]
    y = np.array(CAME, dtype=float)
    for row in part["overall"]:
        p = np.array(SAID[row["forecaster"]])
        log = -np.log(np.where(y == 1, p, 1 - p))
        assert row["brier"] == pytest.approx(((p - y) ** 2).mean(), abs=1e-6)
        assert row["log"] == pytest.approx(log.mean(), abs=1e-6)
        assert (row["n"], row["clusters"]) == (4, 4)  # two events, two quiet years
    base, own = (next(r for r in part["overall"] if r["forecaster"] == f) for f in ("R0", "R1"))
    assert own["log_skill"] == pytest.approx(1 - own["log"] / base["log"], abs=1e-5)
    assert base["log_skill"] is None


def test_rps_is_the_headline_of_what_comes_first() -> None:
    part = made(reconstructed=backtest_tables({"R0": [0.5]}, [1]))["reconstructed"]
    (row,) = part["ordered"]["overall"]
    # 0.1, 0.45, 0.45, 0 with the third true: cuts at 0.1, 0.55 and 1 against 0, 0, 1
    assert row["rps"] == pytest.approx((0.1**2 + 0.55**2) / 3, abs=1e-6)
    assert row["rps_lower"] is None  # one event gives no interval


def test_skill_is_on_shared_questions_alone_and_scores_on_all() -> None:
    tables = backtest_tables(SAID, CAME)
    cut = tables.forecasts[~((tables.forecasts["forecaster"] == "R0") & (tables.forecasts["origin"].dt.year == 2024))]
    part = made(reconstructed=replace(tables, forecasts=cut))["reconstructed"]
    own = next(r for r in part["overall"] if r["forecaster"] == "R1")
    shared = int((cut["forecaster"] == "R0").sum())
    assert own["n"] == 4
    assert own["skill_n"] == shared < 4


def test_failed_fits_and_open_questions_are_not_scored() -> None:
    tables = backtest_tables({"R1": [0.6, 0.2, 0.7, 0.05]}, [1, 0, 1, None])
    tables.forecasts.loc[0, "gate"] = "fail"
    part = made(reconstructed=tables)["reconstructed"]
    assert part["counts"] == {"forecasts": 3, "settled": 2, "early": 0}
    assert part["overall"][0]["n"] == 2


def test_what_was_settled_early_waits_for_its_deadline() -> None:
    """Of two questions the later was met at once; until its deadline has passed only the other is scored."""
    tables = backtest_tables({"R1": [0.6, 0.7]}, [0, 1])
    day = end_of(tables.forecasts["by"].max())
    before = made(reconstructed=tables, reach=Reach(day - timedelta(days=1)))["reconstructed"]
    assert (before["counts"]["settled"], before["counts"]["early"], before["overall"][0]["n"]) == (2, 1, 1)
    assert before["overall"][0]["brier"] == pytest.approx(0.36)
    assert before["ordered"]["overall"][0]["n"] == 1
    assert any("1 forecasts are settled by an event before their deadline" in line for line in before["reading"])
    after = made(reconstructed=tables, reach=Reach(day))["reconstructed"]
    assert (after["counts"]["early"], after["overall"][0]["n"]) == (0, 2)
    first = end_of(tables.forecasts["by"].min())
    nothing = made(reconstructed=tables, reach=Reach(first - timedelta(days=1)))["reconstructed"]
    assert nothing["overall"] == []
    assert nothing["reading"][0].startswith("None of 2 forecasts can be scored yet")


def test_an_older_backtest_is_scored_as_far_as_its_own_outcomes_reach() -> None:
    """The case has been coded on since: what the backtest saw of that are the events alone."""
    tables = backtest_tables({"R1": [0.6, 0.7]}, [0, 1])
    old = replace(tables, decided_as_of=end_of(tables.forecasts["by"].max()) - timedelta(days=1))
    part = made(reconstructed=old)["reconstructed"]
    assert (part["counts"]["early"], part["overall"][0]["n"], part["ordered"]["overall"][0]["n"]) == (1, 1, 1)


def test_revisions_of_a_calibrated_forecaster_show_no_excess_while_questions_are_open() -> None:
    """Every history of an event that comes with 1/2 in each period, as often as it should; two of three seen."""
    rows = []
    for name, came in enumerate([1, 1, 1, 1, 2, 2, None, None]):
        for period, belief in enumerate((7 / 8, 3 / 4, 1 / 2)):
            over = came is not None and period >= came  # the same words are then another question
            origin = START + timedelta(weeks=4 * period)
            rows.append(
                {
                    **backtest_tables({"R1": [0.5]}, [None]).forecasts.iloc[0].to_dict(),
                    "question": f"q{name}",
                    "origin": origin,
                    "by": START.date() + timedelta(weeks=12),
                    "probability": 0.0 if over else belief,
                    "outcome": None if over or came is None else 1,
                    "decided_on": None if over or came is None else (START + timedelta(weeks=4 * came - 1)).date(),
                    "settled_by": "" if over or came is None else f"e{name}",
                }
            )
    tables = backtest_tables({"R1": [0.5]}, [None])
    asked = pd.DataFrame(rows).astype({"outcome": "Int8"})
    reach = Reach(START + timedelta(weeks=8))

    def excess(kept: pd.DataFrame) -> float:
        (line,) = made(reconstructed=replace(tables, forecasts=kept), reach=reach)["reconstructed"]["revisions"]
        return float(line["excess"])

    assert excess(asked) == pytest.approx(0, abs=1e-6)
    # asked in the first two periods alone, events of the second period are not stopped at: nothing shows their absence
    assert excess(asked[asked["origin"] <= START + timedelta(weeks=4)]) == pytest.approx(0, abs=1e-6)


def test_timing_is_scored_against_the_reference() -> None:
    part = made(reconstructed=backtest_tables({"R0": [0.5, 0.5], "R1": [1.0, 0.0]}, [1, 0]))["reconstructed"]
    base, own = part["passages"]
    # a uniform curve up to 13 weeks that reaches P = 1, event at 5: ∫0..5 (w/13)² + ∫5..13 (1 - w/13)²; then certainty
    exact = (5**3 / 3 + 8**3 / 3) / 13**2
    assert own["crps"] == pytest.approx(exact / 2, abs=1e-5)
    assert own["crps_skill"] == pytest.approx(1 - own["crps"] / base["crps"], abs=1e-5)


def test_misses_come_worst_first_with_what_settled_them() -> None:
    part = made(reconstructed=backtest_tables(SAID, CAME), events={"e0": "2024-02-09: Both signed."})["reconstructed"]
    logs = [row["log"] for row in part["misses"]]
    assert logs == sorted(logs, reverse=True)
    worst = part["misses"][0]
    assert (worst["forecaster"], worst["probability"]) == ("R0", 0.2)
    assert worst["facts"] == [{"id": "e0", "note": "2024-02-09: Both signed."}]


def test_one_line_of_misses_for_a_rung_a_question_and_an_event() -> None:
    tables = backtest_tables({"R1": [0.1, 0.2, 0.3]}, [1, 1, 1], settled_by=["same"] * 3)
    (row,) = made(reconstructed=tables)["reconstructed"]["misses"]
    assert (row["probability"], row["forecasts"]) == (0.1, 3)


def test_few_events_make_no_claim_and_many_may() -> None:
    few = made(reconstructed=backtest_tables(SAID, CAME))["reconstructed"]["reading"]
    assert any("no claim of skill or calibration is made" in line for line in few)
    n = 14
    said = {"R0": [0.3] * n, "R1": [0.9, 0.1] * (n // 2)}
    part = made(reconstructed=backtest_tables(said, [1, 0] * (n // 2)), reach=Reach(datetime(2040, 1, 1, tzinfo=UTC)))[
        "reconstructed"
    ]
    assert part["clusters"] >= 10
    assert not any("no claim" in line for line in part["reading"])
    assert any(line.startswith("R1 against the base rate R0") and line.endswith("better.") for line in part["reading"])


def test_rungs_are_compared_on_the_same_questions() -> None:
    part = made(reconstructed=backtest_tables(SAID, CAME))["reconstructed"]
    log, rps = part["comparisons"]
    means = {r["forecaster"]: r for r in part["overall"]}
    assert (log["a"], log["b"], log["score"], rps["score"]) == ("R1", "R0", "log", "rps")
    assert log["mean"] == pytest.approx(means["R1"]["log"] - means["R0"]["log"], abs=1e-5)
    assert log["hierarchical"] is None


# --- tables on disk ---------------------------------------------------------------------------------------------------


def test_tables_are_read_back(tmp_path: Path) -> None:
    folder = write_tables(backtest_tables(SAID, CAME), tmp_path)
    again = made(reconstructed=read_tables(folder, case="tiny"))
    assert again == made(reconstructed=backtest_tables(SAID, CAME))


def test_bad_tables_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"forecasts\.parquet: not there"):
        read_tables(tmp_path, case="tiny")
    tables = backtest_tables(SAID, CAME)
    write_tables(tables, tmp_path)
    with pytest.raises(ScoreError, match="case 'tiny', not 'other'"):
        read_tables(tmp_path, case="other")
    (tmp_path / "curves.parquet").write_bytes(b"no table")
    with pytest.raises(ScoreError, match=r"curves\.parquet: cannot be read"):
        read_tables(tmp_path, case="tiny")
    tables.categories.drop(columns="gate").to_parquet(tmp_path / "categories.parquet")
    with pytest.raises(ScoreError, match=r"categories\.parquet: no column 'gate'"):
        read_tables(tmp_path, case="tiny")


@settings(max_examples=20, deadline=None)
@given(row=st.integers(0, 7))
def test_a_published_row_among_reconstructed_ones_is_refused(
    row: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = backtest_tables(SAID, CAME)
    tables.forecasts.loc[row, "label"] = "published"
    folder = write_tables(tables, tmp_path_factory.mktemp("mixed"))
    with pytest.raises(ScoreError, match=f"row {row}: label 'published', not 'reconstructed'"):
        read_tables(folder, case="tiny")


# --- published --------------------------------------------------------------------------------------------------------


def test_an_absent_ledger_and_one_without_resolutions(ledger: Ledger) -> None:
    empty = made(published=read_published(ledger, "tiny"))["published"]
    assert empty["reading"] == ["No forecasts yet."]
    record(ledger, issued(0, 0.3), issued(1, 0.4))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert part["overall"] == []
    assert part["counts"]["open"] == part["counts"]["forecasts"] == 2
    assert "None of 2 forecasts can be scored yet" in part["reading"][0]


def test_what_the_data_decide_is_scored_before_anybody_enters_it(ledger: Ledger) -> None:
    """One question was met and entered, another was not and nobody ran resolve again: not the event alone is scored."""
    war, deal = issued(0, 0.3, question="escalation", event="escalation"), issued(0, 0.2)
    record(ledger, war, deal, settled(war, "yes"))
    finding = Finding("no", deal.by, end_of(deal.by), "Nothing came.")

    def decide(asked: Forecast) -> Finding | None:
        return finding if asked.question == "deal" else None

    found = read_published(ledger, "tiny", decide=decide)
    part = made(published=found)["published"]
    (row,) = part["overall"]
    assert (row["n"], row["base_rate"], row["brier"]) == (2, 0.5, pytest.approx((0.49 + 0.04) / 2))
    assert (part["counts"]["open"], part["counts"]["unrecorded"]) == (0, 1)
    assert any("`forecast resolve` enters them" in line for line in part["reading"])
    assert len(read_entries(ledger)) == 3  # looking enters nothing
    before = read_published(ledger, "tiny", known_at=end_of(deal.by) - timedelta(days=1), decide=decide)
    assert (before.unrecorded, sorted(before.table["state"])) == (0, ["open", "settled"])


def test_a_deadline_within_a_week_waits_for_the_week_to_be_coded(ledger: Ledger) -> None:
    """By a Wednesday: that nothing came is public on the Friday, and until then no event of before is scored either."""
    wednesday = date(2025, 4, 2)
    asked = issued(0, 0.3, by=wednesday, deadline=end_of(wednesday), horizon_weeks=None)
    record(ledger, asked, settled(asked, "yes"))
    published = read_published(ledger, "tiny")
    for day, scored in ((wednesday, 0), (date(2025, 4, 3), 0), (date(2025, 4, 4), 1)):
        short = short_record(published, known_at=end_of(day))
        assert (len(short["overall"]), short["counts"]["early"]) == (scored, 1 - scored)


def test_the_first_published_counts_and_reissues_are_listed(ledger: Ledger) -> None:
    first = issued(0, 0.3)
    record(ledger, first, issued(0, 0.9, data_digest="later"), issued(0, 0.8, rung="R1"), settled(first, "yes"))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert {r["forecaster"]: r["brier"] for r in part["overall"]} == pytest.approx({"R0": 0.49, "R1": 0.04})
    assert [(r["forecaster"], r["probability"]) for r in part["reissues"]] == [("R0", 0.9)]


def test_a_question_worded_anew_is_a_reissue(ledger: Ledger) -> None:
    record(ledger, issued(0, 0.3), issued(0, 0.9, wording="sha256:other", rung="R1"))
    found = read_published(ledger, "tiny")
    assert (len(found.table), len(found.reissues)) == (1, 1)


def test_what_was_recorded_too_late_is_counted_and_not_scored(ledger: Ledger) -> None:
    late = issued(0, 0.99, label="reconstructed")
    record(ledger, late, settled(late, "yes"))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert (part["counts"]["late"], part["counts"]["forecasts"], part["overall"]) == (1, 0, [])


def test_disputes_are_left_out_and_scored_under_both(ledger: Ledger) -> None:
    clear, doubtful, void = issued(0, 0.5), issued(1, 0.2), issued(2, 0.4)
    record(
        ledger,
        clear,
        doubtful,
        void,
        settled(clear, "no"),
        settled(doubtful, "yes"),
        settled(doubtful, "no", who="Ada"),
    )
    record(ledger, settled(void, "void"))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert part["counts"]["void_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert (part["counts"]["disputed"], part["counts"]["void"], part["overall"][0]["n"]) == (1, 1, 1)
    both = {r["reading"]: r["brier"] for r in part["disputes"]["overall"]}
    assert both == pytest.approx({"first": (0.25 + 0.64) / 2, "last": (0.25 + 0.04) / 2}, abs=1e-6)
    assert [r["outcome"] for r in part["disputes"]["rows"]] == [1, 0]


def test_a_dispute_over_the_day_of_the_origin_is_scored_by_what_came_after_it(ledger: Ledger) -> None:
    """A person has it decided on the day of the forecast, the data say no: only the latter is a forecast's outcome."""
    stale = issued(0, 0.2)
    told = {"decided_on": stale.origin.date(), "public_at": stale.origin, "settled_by": (), "who": "Ada"}
    record(ledger, stale, settled(stale, "yes", **told), settled(stale, "no"))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert (part["counts"]["disputed"], part["overall"]) == (1, [])
    assert [r["outcome"] for r in part["disputes"]["rows"]] == [None, 0]
    assert {r["reading"]: r["brier"] for r in part["disputes"]["overall"]} == pytest.approx({"last": 0.04})
    assert short_record(read_published(ledger, "tiny"), known_at=MADE_AT)["counts"]["disputed"] == 1


def test_what_was_decided_by_the_day_of_its_origin_is_not_scored(ledger: Ledger) -> None:
    stale = issued(0, 0.99)
    record(ledger, stale, settled(stale, "yes", decided_on=stale.origin.date()))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert (part["counts"]["closed"], part["overall"]) == (1, [])


def test_an_issue_recorded_after_an_event_had_settled_one_of_its_questions_is_left_out(ledger: Ledger) -> None:
    """Strikes of the day after the origin, public that day: of two issues the one recorded before them is scored."""
    origin = issued(0, 0.5).origin
    strikes = {"decided_on": origin.date() + timedelta(days=1), "public_at": origin + timedelta(days=1)}
    asked = {"question": "escalation", "event": "escalation"}
    prompt = [issued(0, 0.4), issued(0, 0.3, **asked)]
    late = [f.model_copy(update={"rung": "R1", "probability": 0.9}) for f in prompt]
    append(ledger, prompt, now=origin + timedelta(hours=8))
    append(ledger, late, now=origin + timedelta(days=6))  # whatever it says of when it was issued
    record(ledger, settled(prompt[1], "yes", **strikes), settled(prompt[0], "no"))
    part = made(published=read_published(ledger, "tiny"))["published"]
    assert [(row["forecaster"], row["n"]) for row in part["overall"]] == [("R0", 2)]
    assert (part["counts"]["overtaken"], part["counts"]["settled"]) == (2, 2)


def test_an_event_on_the_day_of_the_origin_overtakes_nothing(ledger: Ledger) -> None:
    stale, other = issued(0, 0.99), issued(0, 0.3, question="escalation", event="escalation")
    append(ledger, [stale, other], now=stale.issued_at)
    told = {"decided_on": stale.origin.date(), "public_at": stale.origin, "settled_by": (), "who": "Ada"}
    record(ledger, settled(stale, "yes", **told), settled(other, "no"))
    counts = made(published=read_published(ledger, "tiny"))["published"]["counts"]
    assert (counts["closed"], counts["settled"], counts["overtaken"]) == (1, 1, 0)


def test_what_a_person_settles_is_an_event_of_its_day(ledger: Ledger) -> None:
    one, two = issued(0, 0.5), issued(1, 0.5)
    day = two.origin.date() + timedelta(days=20)
    told = {"decided_on": day, "public_at": two.origin + timedelta(days=21), "settled_by": (), "who": "Ada"}
    record(ledger, one, two, settled(one, "yes", **told), settled(two, "yes", **told))
    found = read_published(ledger, "tiny").table
    assert set(found["cluster"]) == {f"event:fact of {day}"}


def test_that_nothing_came_is_a_quiet_year_whoever_says_so(ledger: Ledger) -> None:
    """One deadline after another passes with neither: a year of that is one piece of evidence."""
    asked = [issued(k, 0.5, question="neither", event="neither") for k in range(3)]
    no_deal = issued(0, 0.5)
    told = {"settled_by": (), "who": "Ada"}
    for f in asked:
        record(ledger, f)
    record(ledger, no_deal)
    ends = [settled(f, "yes", **told, decided_on=f.by, public_at=f.deadline) for f in asked]
    record(ledger, *ends, settled(no_deal, "no", **told))
    assert set(read_published(ledger, "tiny").table["cluster"]) == {"quiet:2025"}


@pytest.mark.parametrize("said", [(0.2, 0.5, 0.3), (0.205781, 0.376359, 0.417859)])  # the latter sum to 0.999999
def test_what_comes_first_is_put_together_from_the_races(ledger: Ledger, said: tuple[float, ...]) -> None:
    asked = dict(zip(("escalation_before_deal", "neither", "deal_before_escalation"), said, strict=True))
    races = {e: issued(0, p, question=e, event=e) for e, p in asked.items()}
    came = {
        e: settled(f, "no").model_copy(update={"outcome": "yes" if e == "neither" else "no"}) for e, f in races.items()
    }
    record(ledger, *races.values(), *came.values())
    (row,) = made(published=read_published(ledger, "tiny"))["published"]["ordered"]["overall"]
    assert row["rps"] == pytest.approx((said[0] ** 2 + said[2] ** 2) / 2, abs=1e-6)
    short = short_record(read_published(ledger, "tiny"), known_at=MADE_AT)
    assert short["ordered"]["overall"][0]["rps"] == row["rps"]


def test_a_report_of_a_past_day_sees_neither_later_forecasts_nor_later_outcomes(ledger: Ledger) -> None:
    early, late = issued(0, 0.3), issued(1, 0.6)
    record(ledger, early, late, settled(early, "yes"), settled(late, "no"))
    known = late.issued_at - timedelta(minutes=1)  # the deal came before that, the later forecast did not
    whole = short_record(read_published(ledger, "tiny"), known_at=MADE_AT)
    then = short_record(read_published(ledger, "tiny", known_at=known), known_at=known)
    before = read_published(ledger, "tiny", known_at=settled(early, "yes").public_at - timedelta(seconds=1))
    assert (whole["counts"]["forecasts"], whole["counts"]["settled"]) == (2, 2)
    assert (then["counts"]["forecasts"], then["counts"]["settled"]) == (1, 1)
    assert (then["counts"]["early"], then["overall"]) == (1, [])  # its deadline had not come
    assert [m["probability"] for m in whole["misses"]] == [0.3, 0.6]
    assert list(before.table["state"]) == ["open"]


def test_a_tampered_ledger_makes_no_record(ledger: Ledger) -> None:
    first = issued(0, 0.3)
    record(ledger, first, settled(first, "yes"))
    tamper(ledger, "UPDATE ledger SET payload = replace(payload, '0.3', '0.9') WHERE seq = 1")
    with pytest.raises(LedgerError, match="no track record is made from it"):
        read_published(ledger, "tiny")


# --- the document -----------------------------------------------------------------------------------------------------


@settings(max_examples=4, deadline=None)
@given(said=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5))
def test_neither_part_depends_on_the_other(said: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    book = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('apart')}/ledger.db")
    first = issued(0, 0.3)
    record(book, first, settled(first, "yes"))
    tables = backtest_tables({"R0": said}, [k % 2 for k in range(len(said))])
    published = read_published(book, "tiny")
    both = made(published=published, reconstructed=tables)
    assert both["published"] == made(published=published)["published"]
    assert both["reconstructed"] == made(reconstructed=tables)["reconstructed"]
    assert both["published"]["overall"][0]["n"] == 1


def test_it_is_json_without_infinities_and_the_same_each_time() -> None:
    one, two = (made(reconstructed=backtest_tables(SAID, CAME)) for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(two, allow_nan=False)
    assert one["schema"] == "forecast-record/1"
    assert json.loads(json.dumps(one)) == one
