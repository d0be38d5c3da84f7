import math
import statistics
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from forecast.case import Case, Component, Composite
from forecast.observations import CodedWeeks, Vintage, as_of, week_ends, weekly_composites
from forecast.observations.composites import _series
from tests.conftest import Row, TinyCase

PARLEY: Row = {"signal": "parley", "event_time": "2020-01-06"}


def grid(vintage: Vintage) -> CodedWeeks:
    """Return the weeks of a vintage uncoded: composites look at nothing but their ends."""
    ends, exposure = week_ends(vintage.case.grid_start, vintage.coded_until)
    return CodedWeeks(ends, exposure, levels={}, marks={}, intervals=())


def raw(vintage: Vintage, component: Component) -> np.ndarray:
    """Return a component's weekly series before it is standardised."""
    return _series(vintage, component, grid(vintage))


def ends_of(vintage: Vintage) -> list[date]:
    return [date.fromisoformat(str(end)) for end in grid(vintage).ends]


def by_id(vintage: Vintage, composite: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values and the known weeks of one composite."""
    weekly = weekly_composites(vintage, grid(vintage))
    column = weekly.names.index(composite)
    return weekly.values[:, column], weekly.known[:, column]


def with_composite(case: Case, *components: Component) -> Case:
    composite = Composite(id="it", label="It", reason="for a test", components=components)
    return case.model_copy(update={"composites": (composite,)})


def crowns(values: Sequence[tuple[str, float]]) -> list[Row]:
    return [PARLEY, *({"signal": "crown", "event_time": day, "value": str(value)} for day, value in values)]


def standardised(values: Sequence[float]) -> list[float]:
    mean, sd = statistics.fmean(values), statistics.pstdev(values)
    return [(v - mean) / sd for v in values]


# --- levels ----------------------------------------------------------------------------------------------------------

LOG_CHANGE = Component(signals=("crown",), transform="log_change", weeks=4, stale_after_days=14)


def test_a_log_change_compares_with_the_value_of_some_weeks_ago(tiny_case: TinyCase) -> None:
    """The crown doubles in the fifth week and stands still otherwise; a change lives for four weeks."""
    mondays = [date(2020, 6, 1) + timedelta(weeks=k) for k in range(10)]
    rows = crowns([(day.isoformat(), 50 if k < 5 else 100) for k, day in enumerate(mondays)])
    vintage = tiny_case.vintage("2020-08-07", rows)
    assert ends_of(vintage)[-10:] == [day + timedelta(days=4) for day in mondays]
    nothing, doubled = 0.0, math.log(2)
    expected = [math.nan] * 4 + [nothing] + [doubled] * 4 + [nothing]
    np.testing.assert_allclose(raw(vintage, LOG_CHANGE)[-10:], expected, atol=1e-12)
    values, known = by_id(vintage, "currency")
    assert known.tolist() == [False] * (len(known) - 6) + [True] * 6
    np.testing.assert_allclose(values[known], standardised([0, doubled, doubled, doubled, doubled, 0]))
    assert (values[~known] == 0).all()


def test_a_value_counts_from_its_publication(tiny_case: TinyCase) -> None:
    """Measured on a Monday, published on the Saturday of the week after: it counts two weeks later."""
    row = {"signal": "crown", "event_time": "2020-08-10", "published_at": "2020-08-22", "value": "80"}
    vintage = tiny_case.vintage("2020-08-28", [*crowns([("2020-08-03", 50), ("2020-07-06", 50)]), row])
    assert ends_of(vintage)[-3:] == [date(2020, 8, 14), date(2020, 8, 21), date(2020, 8, 28)]
    gap = Component(signals=("crown",), transform="log_change", weeks=4)
    np.testing.assert_allclose(raw(vintage, gap)[-3:], [0, 0, math.log(80 / 50)], atol=1e-12)


def test_a_late_report_of_old_days_does_not_displace_newer_ones(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        *crowns([("2020-07-06", 50), ("2020-08-03", 100)]),
        {"signal": "crown", "event_time": "2020-06-01", "published_at": "2020-08-12", "value": "10"},
    ]
    gap = Component(signals=("crown",), transform="log_change", weeks=4)
    vintage = tiny_case.vintage("2020-08-14", rows)
    np.testing.assert_allclose(raw(vintage, gap)[-2:], [math.log(2), math.log(2)])


def test_a_stale_level_is_unknown(tiny_case: TinyCase) -> None:
    """Fourteen days after Friday 3 July is Friday 17 July: known then, unknown a week later."""
    days = ("2020-06-05", "2020-06-12", "2020-06-19", "2020-06-26", "2020-07-03")
    vintage = tiny_case.vintage("2020-07-24", crowns([(day, 50 + k) for k, day in enumerate(days)]))
    assert np.isfinite(raw(vintage, LOG_CHANGE)[-4:]).tolist() == [True, True, True, False]
    values, known = by_id(vintage, "currency")
    assert known[-4:].tolist() == [True, True, True, False]
    assert values[-1] == 0
    lasting = LOG_CHANGE.model_copy(update={"stale_after_days": None})
    assert np.isfinite(raw(vintage, lasting)[-4:]).all()


def test_a_log_gap_compares_with_the_mean_of_the_weeks_up_to_now(tiny_case: TinyCase) -> None:
    prices = [200, 220, 180, 240, 260, 210, 230, 250, 190, 300]
    days = [date(2020, 6, 5) + timedelta(weeks=k) for k in range(10)]
    rows: list[Row] = [
        PARLEY,
        *({"signal": "grain", "event_time": d.isoformat(), "value": str(v)} for d, v in zip(days, prices, strict=True)),
    ]
    vintage = tiny_case.vintage("2020-08-07", rows)
    component = Component(signals=("grain",), transform="log_gap", weeks=8, stale_after_days=28)
    logs = [math.log(v) for v in prices]
    expected = [logs[k] - statistics.fmean(logs[max(0, k - 7) : k + 1]) if k >= 3 else math.nan for k in range(10)]
    np.testing.assert_allclose(raw(vintage, component)[-10:], expected)  # from half of the eight weeks on


def test_a_zero_has_no_logarithm(tiny_case: TinyCase) -> None:
    vintage = tiny_case.vintage("2020-08-07", crowns([("2020-07-06", 0), ("2020-08-03", 50)]))
    assert np.isnan(raw(vintage, LOG_CHANGE)).all()
    values, known = by_id(vintage, "currency")
    assert not known.any()
    assert (values == 0).all()


def test_a_pegged_price_tells_nothing(tiny_case: TinyCase) -> None:
    """A mean of equal logs may differ from them by rounding; that must not be blown up to standard deviations."""
    days = [date(2020, 1, 10) + timedelta(weeks=k) for k in range(40)]
    rows: list[Row] = [PARLEY, *({"signal": "grain", "event_time": d.isoformat(), "value": "13.7"} for d in days)]
    values, known = by_id(tiny_case.vintage("2020-10-01", rows), "dearth")
    assert not known.any()
    assert (values == 0).all()


# --- events ----------------------------------------------------------------------------------------------------------

DECAYED = Component(signals=("skirmish",), transform="decayed_count", weeks=4)


def share_of_coverage(vintage: Vintage, signals: Sequence[str], half_life: float) -> list[float]:
    """Compute the log share by a plain loop over weeks and events."""
    kinds = {s.id: s.kind for s in vintage.case.signals}
    names = [str(name) for name in vintage.observations["signal"]]
    days: list[date] = vintage.observations["published_at"].dt.date.tolist()
    events = [(name, day) for name, day in zip(names, days, strict=True) if kinds[name] == "event"]
    media = vintage.case.media_weeks
    shares = []
    for end in ends_of(vintage):
        counted = coverage = 0.0
        for signal, published in events:
            age = (end - published).days / 7
            if age >= 0:
                coverage += 2 ** (-age / media)
                counted += 2 ** (-age / half_life) if signal in signals else 0
        shares.append(math.log(counted + 0.5) - math.log(coverage * half_life / media + 0.5))
    return shares


def test_a_decayed_count_is_that_of_a_plain_loop(tiny_case: TinyCase) -> None:
    vintage = as_of(tiny_case.write(), "2021-06-25")
    expected = share_of_coverage(vintage, ["skirmish"], 4)
    np.testing.assert_allclose(raw(vintage, DECAYED), expected)
    values, known = by_id(vintage, "fighting")
    assert known.all()
    np.testing.assert_allclose(values, standardised(expected), atol=1e-12)


def test_the_shipped_walkouts_are_those_of_a_plain_loop(us_iran_at: Callable[[str], Vintage]) -> None:
    vintage = us_iran_at("2026-04-14")
    values, known = by_id(vintage, "walkouts")
    assert known.all()
    np.testing.assert_allclose(values, standardised(share_of_coverage(vintage, ["walkout", "rejection"], 8)), atol=1e-9)


def test_an_event_counts_from_its_publication(tiny_case: TinyCase) -> None:
    """The skirmish of 20 March 2021 came out on Monday the 29th."""
    vintage = as_of(tiny_case.write(), "2021-06-25")
    series = dict(zip(ends_of(vintage), raw(vintage, DECAYED), strict=True))
    assert series[date(2021, 3, 26)] < series[date(2021, 3, 19)]  # still fading
    assert series[date(2021, 4, 2)] > series[date(2021, 3, 26)]


def test_a_correction_does_not_make_an_old_event_new(tiny_case: TinyCase) -> None:
    first = {"id": "S", "signal": "skirmish", "event_time": "2020-08-03"}
    mended = {**first, "revision": "1", "published_at": "2021-02-01", "note": "the day before dawn"}
    plain = raw(tiny_case.vintage("2021-06-25", [PARLEY, first]), DECAYED)
    corrected = raw(tiny_case.vintage("2021-06-25", [PARLEY, first, mended]), DECAYED)
    np.testing.assert_allclose(corrected, plain)


def test_only_the_named_sides_count(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        {"signal": "skirmish", "side": side, "event_time": day}
        for side, day in (("freedonia", "2020-03-02"), ("sylvania", "2020-06-01"))
    ]
    vintage = tiny_case.vintage("2020-12-31", rows)
    ours = DECAYED.model_copy(update={"sides": ("sylvania",)})
    series = dict(zip(ends_of(vintage), raw(vintage, ours), strict=True))
    coverage = 2 ** (-88 / 7 / 12) * 4 / 12  # the other side's skirmish is news all the same, by now 88 days old
    assert series[date(2020, 5, 29)] == pytest.approx(math.log(0.5) - math.log(0.5 + coverage))
    assert series[date(2020, 6, 5)] > series[date(2020, 5, 29)]


def dense(*, copies: int) -> list[Row]:
    """Three skirmishes a week in spring, one in summer, and two parleys a week throughout; each so many times over."""
    rows: list[Row] = []
    for week in range(52):
        fights = 3 if 10 <= week < 25 else 1
        days = [("skirmish", d) for d in range(fights)] + [("parley", d) for d in (4, 5)]
        for signal, day in days:
            when = date(2020, 1, 4) + timedelta(days=7 * week + day)
            rows += [{"signal": signal, "event_time": when.isoformat(), "note": f"copy {c}"} for c in range(copies)]
    return rows


def test_denser_sources_do_not_look_like_more_fighting(tiny_case: TinyCase) -> None:
    once = raw(tiny_case.vintage("2020-12-31", dense(copies=1)), DECAYED)
    twice = raw(tiny_case.vintage("2020-12-31", dense(copies=2)), DECAYED)
    settled = slice(8, None)  # the half event weighs on the first weeks
    assert np.abs(twice - once)[settled].max() < 0.1 < math.log(2) / 4
    assert np.ptp(once[settled]) > 5 * np.abs(twice - once)[settled].max()


def test_a_steady_stream_is_as_many_as_expected(tiny_case: TinyCase) -> None:
    """If all that is reported is skirmishes at a constant rate, their share settles at one: log 0."""
    rows = [
        {"signal": "skirmish", "event_time": (date(2016, 1, 4) + timedelta(days=d)).isoformat()}
        for d in range(0, 365 * 5, 1)
    ]
    series = raw(tiny_case.vintage("2020-12-31", rows), DECAYED)
    assert np.abs(series).max() < 0.06  # whole days and a half event away from the limit


# --- vintages and composites -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["2019-06-30", "2026-04-14"])
def test_what_was_known_in_a_week_does_not_depend_on_what_came_later(
    us_iran_at: Callable[[str], Vintage], us_iran_now: Vintage, cut: str
) -> None:
    then = us_iran_at(cut)
    whole = grid(then).n_weeks - 1  # the last is a part of a week
    for composite in us_iran_now.case.composites:
        for component in composite.components:
            np.testing.assert_allclose(
                raw(then, component)[:whole], raw(us_iran_now, component)[:whole], err_msg=composite.id
            )


def test_composites_are_standardised_within_their_vintage(us_iran_now: Vintage) -> None:
    weekly = weekly_composites(us_iran_now, grid(us_iran_now))
    assert weekly.names == tuple(c.id for c in us_iran_now.case.composites)
    assert weekly.values.shape == weekly.known.shape == (457, len(weekly.names))
    for column in range(len(weekly.names)):
        values = weekly.values[weekly.known[:, column], column]
        assert len(values) > 400
        assert values.mean() == pytest.approx(0, abs=1e-9)
        assert values.std() == pytest.approx(1)
    assert (weekly.values[~weekly.known] == 0).all()


def test_a_composite_is_the_mean_of_the_components_that_are_known(tiny_case: TinyCase) -> None:
    vintage = as_of(tiny_case.write(), "2020-12-31")
    falling = LOG_CHANGE.model_copy(update={"sign": -1})
    vintage = as_of(with_composite(vintage.case, DECAYED, falling), "2020-12-31")
    count, change = raw(vintage, DECAYED), raw(vintage, LOG_CHANGE)
    known = np.isfinite(change)
    assert 0 < known.sum() < len(known)
    first = np.array(standardised(list(count)))
    second = np.array(standardised(list(change[known])))
    mixed = first.copy()
    mixed[known] = (first[known] - second) / 2
    values, all_known = by_id(vintage, "it")
    assert all_known.all()
    np.testing.assert_allclose(values, standardised(list(mixed)), atol=1e-12)


def test_the_stock_fades_out_of_the_nuclear_composite_when_access_is_lost(us_iran_now: Vintage) -> None:
    """The estimate for 13 June 2025 stands for 150 days: by 14 November 2025 nobody knows."""
    nuclear = next(c for c in us_iran_now.case.composites if c.id == "nuclear")
    growth = next(k for k in nuclear.components if "stock_60" in k.signals)
    known = dict(zip(ends_of(us_iran_now), np.isfinite(raw(us_iran_now, growth)), strict=True))
    assert known[date(2025, 9, 5)]
    assert known[date(2025, 11, 7)]
    assert not any(on for end, on in known.items() if end >= date(2025, 11, 14))


def test_a_case_may_do_without_composites(tiny_case: TinyCase) -> None:
    case = tiny_case.write().model_copy(update={"composites": ()})
    vintage = as_of(case, "2020-12-31")
    weekly = weekly_composites(vintage, grid(vintage))
    assert weekly.names == ()
    assert weekly.values.shape == weekly.known.shape == (len(ends_of(vintage)), 0)
