"""Whatever is published after the as-of time, the outlook is the same digit by digit.

`tests/observations/test_vintage.py` holds a vintage to that; here the whole command is held to it, sampling included.
"""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.case import Case, load_case
from forecast.cli import main
from forecast.errors import DataError
from forecast.inference import Settings, fit
from forecast.models import RUNGS, build_history, get_rung, load_priors
from forecast.observations import as_of
from tests.runs import without_times

pytestmark = pytest.mark.slow

CUT = "2026-04-14"
DRAWS = {"R0": 1000, "R3": 300}  # few, but enough to pass the gate
NEVER = "2099-01-01"

type Cells = dict[str, str]


@pytest.fixture(scope="module")
def poisoned(us_iran: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The shipped case with every later row made absurd, and a month of deals, wars and wild prices made up."""
    folder = tmp_path_factory.mktemp("poisoned") / "case"
    shutil.copytree(us_iran.folder, folder)
    poisons = {"episodes": poisoned_episode, "breakdowns": poisoned_breakdown}
    for path in (folder / "data").glob("*.csv"):
        if path.stem in {"base_rates", "contracts", "quotes"}:  # what was elicited, and what others say: not fitted
            continue
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        spoilt = [poisons.get(path.stem, poisoned_observation)(row) for row in rows]
        if path.stem == "events":
            spoilt += invented(rows[0])
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(spoilt)
    return load_case(folder)


def is_later(text: str) -> bool:
    """Whether a date or time lies after the as-of day."""
    return text[:10] > CUT


def poisoned_observation(row: Cells) -> Cells:
    if not is_later(row["published_at"]):
        return row
    return {**row, "signal": "absurd", "side": "nobody", "value": "-1e300", "unit": "furlong", "source": ""}


def poisoned_episode(row: Cells) -> Cells:
    """That public talks are under way is known; how they end, and what follows, is the future's."""
    if row["published_at"] and not is_later(row["published_at"]):
        return row
    outcome = "escalation" if row["outcome"] == "comprehensive_deal" else "comprehensive_deal"
    ended = {"ended_on": NEVER, "published_at": f"{NEVER}T23:59:59Z", "outcome": outcome, "note": "?", "source": "?"}
    followed = {flag: "0" if row[flag] == "1" else "1" for flag in ("kinetic_90d", "adverse_90d")}
    stormed_out = bool(row["walkout_on"]) and not is_later(row["walkout_on"])
    walkout = {} if stormed_out else {"walkout": "1", "walkout_by": "nobody", "walkout_on": NEVER}
    return {**row, **ended, **followed, **walkout}


def poisoned_breakdown(row: Cells) -> Cells:
    what_followed = {"deal_on": ("deal", "deal_kind"), "escalated_on": ("escalation",)}
    spoilt = dict(row)
    for day, texts in what_followed.items():
        if is_later(row[day]) or not any(row[name] for name in (day, *texts)):
            spoilt |= {day: NEVER, **dict.fromkeys(texts, "comprehensive")}
    if is_later(row["published_at"]):
        spoilt |= {"dyad": "absurd", "what": "absurd", "kind": "absurd"}
    return spoilt


def invented(example: Cells) -> list[Cells]:
    """Rows that would turn any forecast over, all public after the cut, some of them about days before it."""
    made = []
    for day in range(15, 31):
        public = {**example, "published_at": f"2026-04-{day}T00:00:00Z", "note": "invented"}
        for signal in ("comprehensive_deal_start", "limited_deal_end", "strike", "ceasefire", "talks_round"):
            happened = {"event_time": f"2026-04-{day - 13:02}T00:00:00Z", "side": "both", "value": "1"}
            made.append({**public, **happened, "signal": signal, "id": f"X-{signal}-{day}"})
        price = {"signal": "rial", "side": "iran", "value": f"{day - 10}0000000", "unit": "IRR/USD"}
        made.append({**public, **price, "id": f"X-rial-{day}", "event_time": "2026-04-10T00:00:00Z"})
    return made


def run(case: str, rung: str, out: Path) -> dict[str, Any]:
    """Run the command as of the cut and return its document without what tells the time or the case's path."""
    command = ["run", case, "--rung", rung, "--as-of", CUT, "--draws", str(DRAWS[rung]), "--out", str(out)]
    assert main(command) == 0
    document = without_times(json.loads((out / "outlook.json").read_text()))
    document["manifest"].pop("command")
    return document


@pytest.mark.parametrize("rung", ["R0", "R3"])
def test_the_outlook_is_the_same_whatever_the_future_holds(poisoned: Case, tmp_path: Path, rung: str) -> None:
    told = run(str(poisoned.folder), rung, tmp_path / "poisoned")
    assert told == run("us-iran", rung, tmp_path / "true")


@pytest.mark.parametrize("rung", list(RUNGS))
def test_every_rung_is_given_the_same_data_whatever_the_future_holds(poisoned: Case, us_iran: Case, rung: str) -> None:
    histories = [build_history(as_of(case, CUT), plan_weeks=60) for case in (poisoned, us_iran)]
    told, true = (get_rung(rung).data(history) for history in histories)
    assert told.keys() == true.keys()
    for name, array in true.items():
        np.testing.assert_array_equal(told[name], array, err_msg=name)


def test_the_posterior_of_leverage_is_the_same_whatever_the_future_holds(poisoned: Case, us_iran: Case) -> None:
    """Too few draws to publish, but enough to differ if anything did: latents, hyperparameters, gap."""
    told, true = (
        fit(
            get_rung("R6"),
            build_history(as_of(case, CUT), plan_weeks=60),
            priors=load_priors(),
            settings=Settings(draws=100, tune=100, chains=2),
        ).draw_digest()
        for case in (poisoned, us_iran)
    )
    assert told == true


def test_the_poison_is_real(poisoned: Case) -> None:
    with pytest.raises(DataError, match=r"and \d+ more rows"):
        as_of(poisoned, poisoned.coded_until)


def test_nothing_in_a_vintage_was_published_later(poisoned: Case, us_iran: Case) -> None:
    end = pd.Timestamp(f"{CUT}T23:59:59Z")
    for case in (poisoned, us_iran):
        vintage = as_of(case, CUT)
        assert vintage.instant == end
        assert vintage.last_published <= end
        for table in (vintage.observations, vintage.episodes, vintage.breakdowns):
            assert not (table["published_at"] > end).any()
        assert not vintage.observations["note"].eq("invented").any()
