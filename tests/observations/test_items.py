from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.case import Item
from forecast.errors import DataError
from forecast.observations import Vintage, code_weeks, weekly_items
from forecast.observations.items import WeeklyItems

AS_OF = "2026-04-14"


@pytest.fixture(scope="module")
def vintage(us_iran_at: Callable[[str], Vintage]) -> Vintage:
    return us_iran_at(AS_OF)


@pytest.fixture(scope="module")
def items(vintage: Vintage) -> WeeklyItems:
    return weekly_items(vintage, code_weeks(vintage))


def column(items: WeeklyItems, name: str) -> int:
    return [item.id for item in items.items].index(name)


def test_counts_are_those_of_the_events_table(vintage: Vintage, items: WeeklyItems) -> None:
    weeks, k = code_weeks(vintage), column(items, "nuclear_steps")
    rows = vintage.observations[vintage.observations["signal"].isin(["enrichment_up", "access_cut"])]
    days = rows["event_time"].dt.tz_localize(None)
    for t in (60, 170, 300, weeks.n_weeks - 1):
        last = pd.Timestamp(weeks.ends[t])
        first = pd.Timestamp(weeks.ends[t - 1])
        assert items.values[t, k] == ((days > first) & (days <= last)).sum()
    inside = days >= pd.Timestamp(vintage.case.grid_start)
    assert items.values[:, k].sum() == inside.sum()
    assert items.known[:, k].all()


def test_the_rial_is_its_log_gap_to_its_own_year_standardised(vintage: Vintage, items: WeeklyItems) -> None:
    weeks, k = code_weeks(vintage), column(items, "rial")
    rows = vintage.observations[vintage.observations["signal"].eq("rial")]
    logs = pd.Series(np.log(rows["value"].to_numpy()), index=pd.DatetimeIndex(rows["event_time"].dt.tz_localize(None)))
    ends = pd.date_range(pd.Timestamp(weeks.ends[0]) - pd.Timedelta(weeks=60), weeks.ends[-2], freq="W-FRI")
    weekly = logs.resample("W-FRI").mean().reindex(ends)
    gap = (weekly - weekly.rolling(52, min_periods=26).mean()).to_numpy()[60:]
    known = items.known[: len(gap), k]
    slope, level = np.polyfit(gap[known], items.values[: len(gap), k][known], 1)
    np.testing.assert_allclose(items.values[: len(gap), k][known], level + slope * gap[known], atol=1e-6)
    assert items.values[items.known[:, k], k].mean() == pytest.approx(0.0, abs=1e-9)
    assert items.values[items.known[:, k], k].std() == pytest.approx(1.0)


def test_a_week_is_left_to_the_ladder_when_it_begins_where_the_ladder_would_move(
    vintage: Vintage, items: WeeklyItems
) -> None:
    weeks = code_weeks(vintage)
    force, talks = weeks.levels["force"][:-1], weeks.levels["diplomacy"][:-1]
    np.testing.assert_array_equal(items.known[1:, column(items, "maritime")], force != 0)
    np.testing.assert_array_equal(items.known[1:, column(items, "refusals_us")], ~np.isin(talks, [1, 2, 3]))
    assert not items.values[~items.known].any()


def test_a_report_without_a_figure_is_a_one_and_one_with_a_figure_a_zero(vintage: Vintage, items: WeeklyItems) -> None:
    k = column(items, "stock_hidden")
    counts = vintage.observations["signal"].value_counts()
    values = items.values[items.known[:, k], k]
    assert set(values) == {0.0, 1.0}
    assert values.sum() == counts["stock_unverified"]


def test_memory_looks_back_only(items: WeeklyItems) -> None:
    k = column(items, "threats_us")
    shares = np.where(items.known[:, k], items.values[:, k], 0.0)
    first = int(np.flatnonzero(items.memory[:, k])[0])
    assert items.memory[:first, k].sum() == 0.0
    assert shares[first - 1] > 0 or not items.known[first - 1, k]


def test_drivers_are_centred_and_oriented(vintage: Vintage, items: WeeklyItems) -> None:
    np.testing.assert_allclose(items.moved.mean(axis=0), 0.0, atol=1e-9)
    blockade = code_weeks(vintage).marks["blockade"]
    names = [d.id for d in items.drivers]
    assert items.moved[blockade, names.index("blockade")].min() > items.moved[~blockade, names.index("blockade")].max()
    assert items.moved[-1, names.index("pressure")] < 0  # much pressure lowers what walking away is worth to Iran


def test_a_level_without_a_log_names_its_row(vintage: Vintage) -> None:
    row = vintage.observations.index[vintage.observations["signal"].eq("brent_spot")][0]
    broken = vintage.observations.copy()
    broken.loc[row, "value"] = 0.0
    with pytest.raises(DataError, match=r"brent\.csv, row \d+, field 'value': 0\.0 of brent_spot has no log"):
        weekly_items(
            Vintage(vintage.case, vintage.instant, broken, vintage.episodes, vintage.breakdowns), code_weeks(vintage)
        )


def test_a_stock_that_was_shipped_out_is_a_zero_and_no_mistake(vintage: Vintage) -> None:
    table = vintage.observations.copy()
    last = table[table["signal"].eq("stock_60")].index[-1]
    table.loc[last, "value"] = 0.0
    weeks = code_weeks(vintage)
    found = weekly_items(replace(vintage, observations=table), weeks)
    k = column(found, "stock_60")
    assert found.values[found.known[:, k], k][-1] == found.values[found.known[:, k], k].min()


@pytest.mark.parametrize("peg", [0.0, 1.3, 2.0])  # 0.0 is below the floor
def test_a_level_that_never_moves_reveals_nothing(vintage: Vintage, peg: float) -> None:
    """The mean of equal logs differs from them by rounding, which made every week one standard deviation off."""
    rows = vintage.observations
    pegged = replace(
        vintage, observations=rows.assign(value=rows["value"].where(rows["signal"].ne("oil_exports"), peg))
    )
    found = weekly_items(pegged, code_weeks(pegged))
    k = column(found, "oil_exported")
    assert not found.known[:, k].any()
    assert not found.values[:, k].any()


def test_the_end_of_a_deal_is_no_refusal_as_well(us_iran_at: Callable[[str], Vintage]) -> None:
    """The memorandum was called over on 8 July 2026, in words that the table has as a walkout too."""
    after = us_iran_at("2026-08-14")
    weeks = code_weeks(after)
    found = weekly_items(after, weeks)
    week = int(np.searchsorted(weeks.ends, np.datetime64("2026-07-08")))
    assert weeks.levels["diplomacy"][week - 1] == 2
    assert weeks.levels["diplomacy"][week] < 2
    walkouts = after.observations[after.observations["signal"].eq("walkout")]["event_time"].dt.tz_localize(None)
    assert (walkouts == pd.Timestamp("2026-07-08")).any()
    for name in ("refusals_us", "refusals_iran", "relief"):
        assert not found.known[week, column(found, name)]


def test_a_likelihood_that_does_not_fit_its_signal_is_refused(vintage: Vintage) -> None:
    given = vintage.case.model_dump()
    given["items"] = [{**given["items"][0], "likelihood": "count", "weeks": None, "lasting": False}]
    with pytest.raises(ValueError, match="item rial: the likelihood count does not fit signal 'rial'"):
        type(vintage.case).model_validate(given)
    with pytest.raises(ValueError, match=r"otherwise .* goes with the likelihood binary"):
        Item.model_validate({**given["items"][0], "otherwise": ["stock_60"]})
