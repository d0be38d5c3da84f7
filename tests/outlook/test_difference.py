import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from forecast.cli.difference import difference_lines
from forecast.errors import DataError
from forecast.outlook import Outlook
from forecast.outlook.difference import Issued, difference, read_issued
from tests.outlook.test_document import written
from tests.report.sample import sample_document


@pytest.fixture
def before() -> dict[str, Any]:
    document = sample_document()
    document["issue"]["gate"] = "pass"
    document["probabilities"][0]["mean"] = 0.3
    return document


@pytest.fixture
def after(before: dict[str, Any]) -> dict[str, Any]:
    """A week later: talks broke off, a mark came on, one probability fell by nine points and one by noise."""
    later = copy.deepcopy(before)
    later["issue"]["as_of"] = "2026-10-16T23:59:59Z"
    later["state"]["marks"][0]["on"] = not later["state"]["marks"][0]["on"]
    event = {"id": "E1", "date": "2026-10-15", "note": "A walkout.", "signal": "walkout", "side": "iran"}
    step = {"week": "2026-10-16", "ladder": "diplomacy", "from": "talks", "to": "none", "events": [event]}
    later["history"]["steps"].append(step)
    first, second = later["probabilities"][:2]
    first["mean"] -= 0.09
    second["mean"] += second["mcse"]
    row = later["leverage"]["now"]["rows"][0]
    row["median"] += 0.5
    row["from_drivers"] += 0.3
    return later


def test_what_came_between_and_what_moved(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = difference(Issued.model_validate(after), Issued.model_validate(before))  # the order does not matter
    assert (found["before"]["as_of"], found["after"]["as_of"]) == ("2026-10-09T23:59:59Z", "2026-10-16T23:59:59Z")
    assert [s["week"] for s in found["steps"]] == ["2026-10-16"]
    assert [m["mark"] for m in found["marks"]] == [before["state"]["marks"][0]["mark"]]
    moved = found["probabilities"]
    assert moved[0]["change"] == pytest.approx(-0.09)
    assert [row["clear"] for row in moved[:3]] == [True, False, False]
    assert all(row["change"] == 0 for row in moved[2:])
    assert [row["change"] for row in found["leverage"]["rows"]][:2] == pytest.approx([0.5, 0.0])
    assert [row["change_from_drivers"] for row in found["leverage"]["rows"]][:2] == pytest.approx([0.3, 0.0])
    assert found["warnings"] == []


def test_a_step_of_a_week_that_was_not_over_is_not_new_once_it_is(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """An outlook of a Tuesday names its last week by that Tuesday, a later one the same week by its Friday."""
    tuesday = copy.deepcopy(after)
    tuesday["issue"]["as_of"] = "2026-10-13T23:59:59Z"
    tuesday["history"]["steps"][-1]["week"] = "2026-10-13"
    assert difference(Issued.model_validate(tuesday), Issued.model_validate(after))["steps"] == []
    (new,) = difference(Issued.model_validate(before), Issued.model_validate(tuesday))["steps"]
    assert (new["week"], new["from"], new["to"]) == ("2026-10-13", "talks", "none")


def test_what_else_changed_is_said(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["issue"] |= {"rung": "R1", "gate": "review"}
    after["manifest"]["prior_digest"] = "sha256:" + "ab" * 32
    after["leverage"] = None
    found = difference(Issued.model_validate(before), Issued.model_validate(after))
    told = " ".join(found["warnings"])
    assert "the model changed as well (R3 to R1)" in told
    assert "the priors changed as well" in told
    assert "has the gate 'review'" in told
    assert found["leverage"] is None


def test_the_lines_name_the_step_and_mark_noise(before: dict[str, Any], after: dict[str, Any]) -> None:
    lines = list(difference_lines(difference(Issued.model_validate(before), Issued.model_validate(after))))
    assert "week to 2026-10-16, diplomacy: talks -> none" in lines
    assert "  2026-10-15 E1: A walkout." in lines
    (fell,) = [line for line in lines if line.endswith(" -9.0")]
    assert before["probabilities"][0]["label"] in fell
    assert f"{before['probabilities'][0]['horizon_weeks']} weeks: {before['probabilities'][0]['by']}, " in fell
    assert any(line.endswith("~+0.0") for line in lines)
    assert any(re.search(r"\+0\.50 +\+0\.30", line) for line in lines)


def test_dates_of_ones_own_are_compared_by_date(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The one question that is the same question in both: by this day, whenever it is asked."""
    for document, mean in ((before, 0.4), (after, 0.3)):
        row = copy.deepcopy(document["probabilities"][0])
        document["probabilities"].append(row | {"horizon_weeks": None, "by": "2026-12-31", "mean": mean})
    only_later = after["probabilities"][-1] | {"by": "2027-03-31"}
    after["probabilities"].append(only_later)
    found = difference(Issued.model_validate(before), Issued.model_validate(after))
    rows = [row for row in found["probabilities"] if row["horizon_weeks"] is None]
    assert all(row["before"]["by"] == row["after"]["by"] != "2027-03-31" for row in rows)
    row = rows[-1]
    assert row["change"] == pytest.approx(-0.1)
    assert any(" 2026-12-31 " in line and line.endswith("-10.0") for line in difference_lines(found))


def test_what_an_outlook_of_earlier_days_does_not_say_is_unknown(before: dict[str, Any], after: dict[str, Any]) -> None:
    for row in before["leverage"]["now"]["rows"]:
        del row["from_drivers"]
    found = difference(Issued.model_validate(before), Issued.model_validate(after))
    assert {row["change_from_drivers"] for row in found["leverage"]["rows"]} == {None}
    assert any("unknown" in line for line in difference_lines(found))


def test_a_real_document_is_read(outlook: Outlook, tmp_path: Path) -> None:
    (tmp_path / "outlook.json").write_text(json.dumps(written(outlook)), encoding="utf-8")
    issued = read_issued(tmp_path)  # a folder will do
    assert issued.issue.rung == "R3"
    with pytest.raises(DataError, match="both outlooks are as of 2026-04-14"):
        difference(issued, issued)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ('{"schema": "forecast-outlook/2"}', "field 'schema'"),
        ('{"schema": "forecast-outlook/1"}', "field 'case'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": ' + "1" * 5000 + "}", "not JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_outlook_is_refused(content: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "outlook.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told) as refused:
        read_issued(file)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, 1e308, -0.1])
@pytest.mark.parametrize("key", ["mean", "upper"])
def test_a_probability_that_is_none_is_named(before: dict[str, Any], tmp_path: Path, key: str, number: float) -> None:
    before["probabilities"][1][key] = number
    (tmp_path / "outlook.json").write_text(json.dumps(before), encoding="utf-8")
    with pytest.raises(DataError, match=rf"outlook\.json, field 'probabilities\.1\.{key}': Input should be "):
        read_issued(tmp_path)


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_a_median_that_is_no_number_is_named(before: dict[str, Any], tmp_path: Path, number: float) -> None:
    before["leverage"]["now"]["rows"][0]["median"] = number
    (tmp_path / "outlook.json").write_text(json.dumps(before), encoding="utf-8")
    with pytest.raises(DataError, match=r"field 'leverage\.now\.rows\.0\.median': Input should be a finite number"):
        read_issued(tmp_path)


def test_outlooks_of_different_cases_are_refused(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["case"]["id"] = "elsewhere"
    with pytest.raises(DataError, match="different cases"):
        difference(Issued.model_validate(before), Issued.model_validate(after))
