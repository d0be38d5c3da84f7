"""What a backtest plans: origins, seeds, and keys that change with whatever the numbers depend on."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from forecast.errors import AsOfError, CaseError, RungError
from forecast.evaluation.plan import origins_between, spacing, task_seed
from forecast.evaluation.task import Task, history_at
from forecast.models import RUNGS, load_priors, sizes_of
from tests.conftest import TinyCase
from tests.evaluation.backtesting import FEW, FRIDAYS, keys, request_of


def test_origins_step_from_the_first_to_no_later_than_the_last(tiny_case: TinyCase) -> None:
    case = tiny_case.write()
    assert origins_between(case, FRIDAYS[0], date(2020, 12, 3), spacing("4w")) == FRIDAYS
    assert origins_between(case, FRIDAYS[0], FRIDAYS[0], spacing("10d")) == FRIDAYS[:1]
    with pytest.raises(AsOfError, match="from 2020-10-30 to 2020-10-02: the last lies before the first"):
        origins_between(case, FRIDAYS[1], FRIDAYS[0], spacing("4w"))
    with pytest.raises(AsOfError, match="coded to 2021-06-25"):
        origins_between(case, FRIDAYS[0], date(2021, 6, 26), spacing("4w"))


@pytest.mark.parametrize("text", ["4", "w", "0w", "-1w", "4m", "four weeks", "1.5w", ""])
def test_a_spacing_is_weeks_or_days(text: str) -> None:
    with pytest.raises(AsOfError, match="like 4w or 10d"):
        spacing(text)


def test_what_is_not_usable_fails_before_anything_runs(tiny_case: TinyCase) -> None:
    with pytest.raises(RungError, match="no rung 'R2'"):
        keys(request_of(tiny_case, rungs=("R0", "R2")))
    with pytest.raises(RungError, match=r"R6 needs leverage\.toml"):
        keys(request_of(tiny_case, rungs=("R6",)))
    with pytest.raises(AsOfError, match="the first usable as-of is 2020-07-04"):
        keys(request_of(tiny_case, origins=(date(2020, 5, 1), *FRIDAYS)))
    with pytest.raises(CaseError):
        keys(request_of(tiny_case, case="nowhere"))


def test_every_task_has_a_seed_of_its_own() -> None:
    seeds = {task_seed(s, o, r) for s in (1, 2) for o in FRIDAYS for r in RUNGS}
    assert len(seeds) == 2 * len(FRIDAYS) * len(RUNGS)
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_key_changes_with_whatever_the_numbers_depend_on(tiny_case: TinyCase, tmp_path: Path) -> None:
    request = request_of(tiny_case, rungs=("R0", "R1"))
    before = keys(request)
    assert len(set(before.values())) == 6
    for settings in (replace(FEW, seed=1), replace(FEW, draws=101), replace(FEW, tune=101), replace(FEW, chains=3)):
        assert not set(keys(replace(request, settings=settings)).values()) & set(before.values())
    priors = tmp_path / "priors"
    shutil.copytree(load_priors().folder, priors)
    assert keys(replace(request, priors=priors)) == before
    text = (priors / "base_rate.toml").read_text()
    (priors / "base_rate.toml").write_text(text.replace("rationale = ", "rationale = 'Thought over again. ' # ", 1))
    assert not set(keys(replace(request, priors=priors)).values()) & set(before.values())
    coding = tiny_case.folder / "coding.toml"
    coding.write_text(coding.read_text().replace("for_days = 21", "for_days = 28"))
    assert not set(keys(request).values()) & set(before.values())


def test_keys_know_nothing_of_the_future(tiny_case: TinyCase) -> None:
    """A row added on 15 November, and the coding carried on, change the origin after it and none before."""
    request = request_of(tiny_case)
    before = keys(request)
    acts = tiny_case.folder / "data" / "acts.csv"
    first = acts.read_text().splitlines()[1]
    later = {"O0": "X1", "2020-02-10T00:00:00Z": "2020-10-01T00:00:00Z", "2020-02-10T23:59:59Z": "2020-11-15T12:00:00Z"}
    for old, new in later.items():
        assert old in first
        first = first.replace(old, new, 1)
    with acts.open("a") as file:
        file.write(first + "\n")
    toml = tiny_case.folder / "case.toml"
    toml.write_text(toml.read_text().replace("2021-06-25", "2021-08-27"))
    after = keys(request)
    assert [after["R0", o] == before["R0", o] for o in FRIDAYS] == [True, True, False]


def test_all_origins_share_one_shape() -> None:
    blank = Task("us-iran", "2026-09-04", "R6", 1, 100, 100, 2, None, {})
    latest = history_at(blank)
    alone = history_at(replace(blank, as_of="2024-01-05"))
    early = replace(alone, room=sizes_of(latest))
    for rung in RUNGS.values():
        assert rung.shape(early) == rung.shape(latest)
        assert (rung.shape(alone) != rung.shape(latest)) == (rung.name != "R0")
        of_early, of_latest = ({n: a.shape for n, a in rung.data(h).items()} for h in (early, latest))
        assert of_early == of_latest
