from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from forecast.errors import PriorError
from forecast.models import History, Priors, build_history
from forecast.models.base_rate import (
    BANDS,
    Unit,
    band_counts,
    base_rate_data,
    build_base_rate,
    own_units,
    reference_units,
)
from forecast.observations import as_of
from tests.conftest import BREAKDOWNS, TinyCase

NEVER = np.inf


def with_levels(history: History, diplomacy: list[int], force: list[int]) -> History:
    """Put other levels into a history; the origin keeps up with the last of them."""
    levels = {"diplomacy": np.array(diplomacy), "force": np.array(force)}
    ends = history.weeks.ends[0] + np.arange(len(diplomacy)) * np.timedelta64(7, "D")
    weeks = replace(history.weeks, levels=levels, ends=ends, exposure=np.ones(len(diplomacy)))
    return replace(history, weeks=weeks, origin=replace(history.origin, diplomacy=diplomacy[-1], force=force[-1]))


def test_bands_count_what_came_first_among_units_still_waiting() -> None:
    units = [
        Unit(deal=3.0, kind=1, escalation=NEVER, watched=520.0, weight=1.0),  # in the first band
        Unit(deal=4.0, kind=2, escalation=5.0, watched=520.0, weight=1.0),  # on the edge: still the first
        Unit(deal=20.0, kind=1, escalation=NEVER, watched=520.0, weight=0.5),  # waits through two bands
        Unit(deal=NEVER, kind=0, escalation=30.0, watched=60.0, weight=0.25),  # nothing within the year
        Unit(deal=NEVER, kind=0, escalation=NEVER, watched=15.0, weight=1.0),  # lost from sight in the third band
        Unit(deal=90.0, kind=1, escalation=NEVER, watched=520.0, weight=1.0),  # a deal, but after the year
        Unit(deal=6.0, kind=1, escalation=1.0, watched=9.0, weight=1.0),  # in bands that others are still waiting in
    ]
    np.testing.assert_array_equal(
        band_counts(units, "deal"), [[3.75, 1, 1], [2.75, 0, 0], [1.25, 0.5, 0], [1.25, 0, 0]]
    )
    np.testing.assert_array_equal(band_counts(units, "escalation"), [[4.75, 1], [3.75, 1], [2.75, 0], [2.5, 0.25]])


def test_no_units_are_no_counts() -> None:
    np.testing.assert_array_equal(band_counts([], "deal"), np.zeros((4, 3)))


@pytest.mark.parametrize("when", ["2021-06-25", "2021-12-17"])
def test_out_of_none_the_reference_class_is_the_breakdowns(tiny_case: TinyCase, when: str) -> None:
    """Watched to the day that the case is coded to, whenever it is asked: later silence is no evidence."""
    broke = {**BREAKDOWNS[0], "dyad": "Ruritania-Strelsau", "broke_on": "2020-01-06", "deal_on": "2020-06-22"}
    history = build_history(as_of(tiny_case.write(breakdowns=[broke]), when), plan_weeks=40)
    assert history.origin.diplomacy == 0
    (unit,) = reference_units(history)
    assert unit == Unit(24.0, 1, NEVER, (date(2021, 6, 25) - date(2020, 1, 6)).days / 7, 0.25)


def test_out_of_talks_it_is_the_episodes_and_under_a_deal_nothing(history: History) -> None:
    talks = replace(history, origin=replace(history.origin, diplomacy=1))
    episodes = history.vintage.episodes
    ends = episodes.loc[episodes["level"] == "episode", "outcome"].value_counts()
    units = reference_units(talks)
    assert sum(u.kind == 2 for u in units) == ends["comprehensive_deal"]
    assert 0 < sum(u.kind == 1 for u in units) <= ends["limited_deal"]
    assert all(u.deal <= u.watched for u in units if u.kind)
    for level in (2, 3):
        assert reference_units(replace(history, origin=replace(history.origin, diplomacy=level))) == []


def test_the_cases_own_weeks_are_not_counted_again_as_reference(history: History) -> None:
    """A breakdown of this dyad inside the weekly grid is in the windows of the case's own past already."""
    own = history.vintage.breakdowns
    inside = own["dyad"].isin(history.case.dyads) & (own["broke_on"].dt.date >= history.case.grid_start)
    assert inside.sum() >= 4
    assert history.origin.diplomacy == 0
    assert len(reference_units(history)) == len(own) - inside.sum()


def test_own_windows_are_whole_years_back_from_the_origin_at_its_level(history: History) -> None:
    """Three years from four: the one that began in talks is no precedent for an origin at none."""
    diplomacy = [0] * 30 + [1] * 10 + [0] * 40 + [1] * 45 + [2] * 5 + [0] * 78 + [0]  # windows begin at 0, 52, 104, 156
    force = [0] * 100 + [1] * 20 + [0] * 89
    made = with_levels(history, diplomacy, force)
    units = own_units(made, "diplomacy")
    assert [(u.deal, u.kind) for u in units] == [(NEVER, 0), (NEVER, 0), (NEVER, 0)]
    assert [u.weight for u in units] == [1.0] * 3
    units = own_units(made, "force")
    assert [u.escalation for u in units] == [NEVER, 48.0, NEVER]  # 104 began under coercion
    from_talks = replace(made, origin=replace(made.origin, diplomacy=1))
    assert [(u.deal, u.kind) for u in own_units(from_talks, "diplomacy")] == [(21.0, 1)]


def test_the_data_of_the_real_case_are_its_windows(history: History) -> None:
    data = base_rate_data(history)
    years = (len(history.weeks.ends) - 1) // 52
    assert data["deal_own"].sum(axis=1).max() + data["escalation_own"].sum(axis=1).max() <= 2 * years
    for what, counts in data.items():
        assert (np.diff(counts.sum(axis=1)) <= 0).all(), what
        assert counts.shape == ((4, 3) if what.startswith("deal") else (4, 2))


def test_the_model_is_the_conjugate_posterior(history: History, priors: Priors) -> None:
    """Draws of the model against the marginals of the Dirichlet that prior, reference and own windows make."""
    import pymc as pm

    data = base_rate_data(history)
    model = build_base_rate(priors)
    with model:
        pm.set_data(data)
        drawn = pm.draw([model["deal"], model["escalation"]], draws=4000, random_seed=8)
    for what, draws in zip(("deal", "escalation"), drawn, strict=True):
        for b, end in enumerate(BANDS):
            counts = np.array(list(priors[f"{what}_to_{end}"].parameters.values()))
            counts = counts + data[f"{what}_reference"][b] + data[f"{what}_own"][b]
            for k, count in enumerate(counts):
                marginal = stats.beta(count, counts.sum() - count)
                assert stats.kstest(draws[:, b, k], marginal.cdf).pvalue > 1e-3, (what, end, k)


def test_a_base_rate_that_is_no_dirichlet_is_refused(priors: Priors, tmp_path: Path) -> None:
    odd = Priors(tmp_path, {"base_rate": {**priors.blocks["base_rate"], "deal_to_13": priors["open"]}})
    with pytest.raises(PriorError, match=r"base_rate\.toml.*'deal_to_13'.*Dirichlet"):
        build_base_rate(odd)


@pytest.mark.parametrize(
    "categories", [("no deal", "deal"), ("no deal", "comprehensive deal", "limited deal")], ids=["too few", "swapped"]
)
def test_the_categories_of_a_base_rate_are_those_of_the_model(
    priors: Priors, tmp_path: Path, categories: tuple[str, ...]
) -> None:
    """The model takes weights by position: swapped, limited deals would have had the weight of comprehensive ones."""
    prior = priors["deal_to_13"].model_copy(update={"weights": (5.0, 0.7, 0.1)[: len(categories)]})
    prior = prior.model_copy(update={"categories": categories})
    odd = Priors(tmp_path, {"base_rate": {**priors.blocks["base_rate"], "deal_to_13": prior}})
    with pytest.raises(PriorError, match=r"base_rate\.toml.*'deal_to_13'.*no deal, limited deal, comprehensive deal"):
        build_base_rate(odd)
