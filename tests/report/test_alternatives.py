from typing import Any

from forecast.report.alternatives import history_text, occupancy_text, outcomes_text, recent_text, timing_text


def test_outcomes_name_every_category_with_dots_and_share(document: dict[str, Any]) -> None:
    text = outcomes_text(document["outcomes"])
    assert "by 9 April 2027" in text
    for row in document["outcomes"]["categories"]:
        assert f"{row['label']}: {row['dots']} dots, {round(100 * row['probability'])}" in text


def test_timing_gives_half_way_and_end_with_the_interval(document: dict[str, Any]) -> None:
    text = timing_text(document["timing"])
    assert "by 9 April 2027, then by 8 October 2027 with its 90 % interval" in text
    for curve in document["timing"]["curves"]:
        half, end = (round(100 * curve["mean"][week]) for week in (26, 52))
        assert f"{curve['label']}: {half}" in text
        assert f"then {end}" in text


def test_occupancy_gives_the_last_week(document: dict[str, Any]) -> None:
    text = " ".join(occupancy_text(document["occupancy"]).split())
    assert "on 8 October 2027" in text
    assert "Force ladder: calm 13 %, coercion 40 %, conflict 46 %." in text


def test_history_counts_steps_and_weeks_of_marks(document: dict[str, Any]) -> None:
    text = history_text(document["history"])
    assert "457 weeks" in text
    assert "Diplomacy ladder: 13 steps up and 12 down, in the end at none." in text
    assert "Blockade in force in 22 weeks." in text


def test_one_step_is_a_step(document: dict[str, Any]) -> None:
    history = document["history"]
    last = history["steps"][-1]
    history["counts"] = [{"ladder": last["ladder"], "up": 1, "down": 0}]
    history["steps"] = [last]
    name = last["ladder"].capitalize()
    assert f"{name} ladder: 1 step up and 0 down" in history_text(history)
    assert f"{name} ladder: 1 step, from" in recent_text(history, history["weeks"][-53])


def test_the_recent_chart_counts_only_its_own_steps(document: dict[str, Any]) -> None:
    history = document["history"]
    first = history["weeks"][-53]
    expected = sum(step["ladder"] == "force" and step["week"] > first for step in history["steps"])
    assert f"Force ladder: {expected} steps, from coercion to coercion." in recent_text(history, first)
