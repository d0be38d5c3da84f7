from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.case import Question, load_case
from forecast.evaluation.own_past import OWN_PAST, Past, with_own_past
from forecast.evaluation.reading import readings
from forecast.evaluation.record import track_record
from forecast.outlook.outlook import OUTCOMES
from tests.conftest import TinyCase
from tests.evaluation.records import CASE, DECIDED, backtest_tables, of_case


def question(event: str) -> Question:
    lasting = 3 if event == "deal_lasting" else None
    return Question.model_validate(
        {"id": event, "event": event, "label": event, "definition": event, "lasting_weeks": lasting}
    )


def first(levels: list[int], *, at_least: int) -> float:
    """Week of the first step up to a level, by plain search."""
    for week in range(1, len(levels)):
        if levels[week] > levels[week - 1] and levels[week] >= at_least:
            return week
    return np.inf


@pytest.mark.parametrize("weeks", [1, 4, 13])
def test_a_share_is_that_of_all_windows_drawn_to_a_half(weeks: int) -> None:
    rng = np.random.default_rng(3)
    diplomacy, force = rng.choice(4, 90, p=[0.5, 0.3, 0.15, 0.05]), rng.choice(3, 90, p=[0.7, 0.2, 0.1])
    past = Past(diplomacy, force)
    came: dict[str, list[bool]] = {"deal": [], "escalation": [], "neither": [], "deal_before_escalation": []}
    for start in range(90 - weeks):
        window = slice(start, start + weeks + 1)
        deal, up = first(list(diplomacy[window]), at_least=2), first(list(force[window]), at_least=0)
        came["deal"].append(deal < np.inf)
        came["escalation"].append(up < np.inf)
        came["neither"].append(min(deal, up) == np.inf)
        came["deal_before_escalation"].append(deal < up)
    k = 90 / weeks
    for event, found in came.items():
        assert past.share(question(event), weeks) == pytest.approx((k * np.mean(found) + 0.5) / (k + 1)), event


def test_what_comes_first_adds_up_to_one() -> None:
    rng = np.random.default_rng(4)
    past = Past(rng.choice(4, 60), rng.choice(3, 60))
    assert sum(past.first(name, 8) for name in OUTCOMES) == pytest.approx(1.0)


def test_a_window_longer_than_the_past_has_no_share() -> None:
    past = Past(np.zeros(10, dtype=int), np.zeros(10, dtype=int))
    assert np.isnan(past.share(question("deal"), 10))
    assert np.isnan(past.share(question("deal_lasting"), 7))  # three more weeks must be seen
    assert past.share(question("deal"), 9) == pytest.approx(0.5 / (10 / 9 + 1))
    assert np.isnan(past.first("neither", 10))


def test_it_answers_what_any_forecaster_answered() -> None:
    """R0 has nothing as of the first origin, as where a rung could not be fitted."""
    case = load_case("us-iran")
    made = backtest_tables({"R0": [0.2, 0.3], "R1": [0.6, 0.2]}, [1, 0])
    tables = of_case(made, "us-iran")
    first = tables.forecasts["origin"].min()
    kept = tables.forecasts[(tables.forecasts["forecaster"] != "R0") | (tables.forecasts["origin"] != first)]
    found = with_own_past(replace(tables, forecasts=kept), case).forecasts
    own = found[found["forecaster"] == OWN_PAST]
    assert sorted(own["origin"]) == sorted(set(tables.forecasts["origin"]))


def test_it_answers_from_what_was_known_then() -> None:
    case = load_case("us-iran")
    made = backtest_tables({"R0": [0.2, 0.3], "R1": [0.6, 0.2]}, [1, 0])
    tables = of_case(made, "us-iran")
    found = with_own_past(tables, case)
    own = found.forecasts[found.forecasts["forecaster"] == OWN_PAST]
    deal = next(q for q in case.questions if q.id == "deal")
    for row in own.to_dict(orient="records"):
        past = Past.of(case, row["origin"])
        assert row["probability"] == past.share(deal, int(row["horizon_weeks"]))
        weeks = (row["origin"].date() - case.grid_start).days / 7
        assert len(past.diplomacy) == pytest.approx(weeks, abs=2)  # nothing after the origin
    assert len(own) == 2
    others = found.forecasts[found.forecasts["forecaster"] != OWN_PAST]
    pd.testing.assert_frame_equal(others, tables.forecasts, check_dtype=False)
    unknown = replace(tables, forecasts=tables.forecasts.assign(question="gone"))
    assert OWN_PAST not in set(with_own_past(unknown, case).forecasts["forecaster"])


def test_what_came_later_does_not_change_it(tiny_case: TinyCase) -> None:
    day = pd.Timestamp("2020-10-02T23:59:59Z")
    before = Past.of(load_case(tiny_case.folder), day)
    acts = Path(tiny_case.folder, "data", "acts.csv")
    lines = acts.read_text().splitlines()
    later = lines[1].replace("O0", "X1", 1).replace("2020-02-10", "2020-11-15")
    assert later != lines[1]
    acts.write_text("\n".join([*lines, later]) + "\n")
    after = Past.of(load_case(tiny_case.folder), day)
    np.testing.assert_array_equal(after.force, before.force)
    np.testing.assert_array_equal(after.diplomacy, before.diplomacy)


def test_the_reading_holds_everyone_against_it() -> None:
    n = 24
    said = {"R0": [0.5] * n, "R1": [0.9, 0.1] * (n // 2), OWN_PAST: [0.6, 0.4] * (n // 2)}
    tables = backtest_tables(said, [1, 0] * (n // 2))
    document = track_record(case=CASE, made_at=DECIDED, reconstructed=tables)
    part = document["reconstructed"]
    told = [line for line in readings(part, reference="R0") if "the case's own past (" in line]
    assert [line.split()[0] for line in told] == ["R0", "R1"]
    assert "worse" in told[0]
    assert "better" in told[1]
    expected = -np.log(0.9) + np.log(0.6)
    assert f"{expected:+.3f}" in told[1]
