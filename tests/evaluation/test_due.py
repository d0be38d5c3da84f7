from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from forecast.evaluation.due import Reach, due
from forecast.evaluation.outcomes import realised
from forecast.observations import Vintage

FRIDAY = datetime(2026, 6, 26, 23, 59, 59, tzinfo=UTC)


def asked(by: list[date], question: str = "deal", **more: object) -> pd.DataFrame:
    return pd.DataFrame({"question": question, "by": by, "outcome": [1] * len(by), **more})


@pytest.mark.parametrize("lasting", [0, 8])
def test_what_is_due_is_what_the_data_can_decide_either_way(us_iran_now: Vintage, lasting: int) -> None:
    """A deadline is due from the day on which the absence of the event would be decided, by the rules of outcomes."""
    asked_on = date(2024, 1, 5)
    question = "deal_lasting" if lasting else "deal_comprehensive"  # of these there were none
    for ahead in range(1, 15):
        by = asked_on + timedelta(days=ahead)
        (outcome,) = [o for o in realised(us_iran_now, as_of=asked_on, by=[by]) if o.question == question]
        assert outcome.outcome == 0
        assert outcome.public_at is not None
        public_at = outcome.public_at + timedelta(weeks=lasting)  # had there been a deal, it would have had to last
        table = asked([by], question)
        for until, is_due in ((public_at - timedelta(seconds=1), False), (public_at, True)):
            assert due(table, Reach(until, {"deal_lasting": 8}))["outcome"].notna().all() == is_due


def test_a_deadline_that_ends_later_in_its_zone_is_waited_for() -> None:
    table = asked([FRIDAY.date()], deadline=FRIDAY + timedelta(hours=5))
    assert due(table, Reach(FRIDAY))["outcome"].isna().all()
    assert due(table, Reach(FRIDAY + timedelta(hours=5)))["outcome"].notna().all()


def test_a_vintage_reaches_to_the_end_of_its_coding(us_iran_at: Callable[[str], Vintage]) -> None:
    reach = Reach.of(us_iran_at("2026-06-24"))
    assert (reach.until, reach.lasting) == (datetime(2026, 6, 24, 23, 59, 59, tzinfo=UTC), {"deal_lasting": 8})
    assert reach.within(FRIDAY) == reach
    assert reach.within(reach.until - timedelta(days=3)).until == reach.until - timedelta(days=3)


def test_no_forecasts_are_none() -> None:
    assert due(asked([]), Reach(FRIDAY)).empty
