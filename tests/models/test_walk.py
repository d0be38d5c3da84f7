from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
import xarray as xr

from forecast.models import History, Origin
from forecast.models.base_rate import BANDS
from forecast.models.hazards import CHANCES
from forecast.models.history import Plan, weeks_in_level
from forecast.models.moves import DRIVEN, FEATURES, MOVE_NAMES, TERM_NAMES, placement
from forecast.models.walk import BaseRateWalker, HazardWalker, _later
from tests.models.given import drawn, real_history
from tests.models.plain import STEPS, Week, chances, log_odds

type Parameters = dict[str, float]

WEEKS = 20
PATHS = 20_000
# Brisk hazards, so that every corner of the two ladders is visited, and couplings of both signs.
BASE = {
    "open": -1.5,
    "limited": -2.0,
    "comprehensive": -3.0,
    "collapse": -1.5,
    "lapse": -2.0,
    "coerce": -1.4,
    "conflict": -2.0,
    "ease": -1.5,
    "deescalate": -1.0,
    "dyad_deal": 0.5,
    "dyad_collapse": -0.4,
}
COUPLED = {
    "limited_from_none": -1.0,
    "comprehensive_from_none": -1.0,
    "comprehensive_from_limited": 1.0,
    "lapse_from_comprehensive": -0.5,
    "conflict_from_calm": -0.7,
    "mediation_open": 0.8,
    "mediation_deal": 0.6,
    "mediation_collapse": -0.6,
    "coercion_on_open": 0.4,
    "conflict_on_open": -0.5,
    "coercion_on_deal": -0.4,
    "conflict_on_deal": 0.7,
    "coercion_on_collapse": 0.5,
    "conflict_on_collapse": 0.9,
    "coercion_on_lapse": 0.3,
    "conflict_on_lapse": 1.0,
    "talks_on_up": -0.6,
    "talks_on_down": 0.5,
    "agreement_on_up": -1.0,
    "agreement_on_down": 0.7,
}
CHANCE = {"lapse_to_talks": 0.3, "mediation_starts": 0.15, "mediation_persists": 0.8}


def parameters(**changed: float) -> Parameters:
    return {**BASE, **dict.fromkeys(TERM_NAMES, 0.0), **COUPLED, **CHANCE, **changed}


def as_draws(*sets: Parameters) -> xr.Dataset:
    """Lay parameters out as posterior draws with the dimension ``sample``."""
    own = np.array([[p["dyad_deal"], p["dyad_collapse"]] for p in sets])
    return xr.Dataset(
        {
            "base": (("sample", "move"), [[p[m] for m in MOVE_NAMES] for p in sets]),
            "term": (("sample", "coefficient"), [[p[t] for t in TERM_NAMES] for p in sets]),
            "chance": (("sample", "chance_of"), [[p[c] for c in CHANCES] for p in sets]),
            "own_dyad": (("sample", "dyad_on"), own),
        },
        coords={"chance_of": list(CHANCES)},
    )


def origin_at(
    diplomacy: int = 0,
    force: int = 0,
    *,
    mediation: bool = False,
    exposure: np.ndarray | None = None,
    plan: Plan | None = None,
) -> Origin:
    lengths = np.ones(WEEKS) if exposure is None else exposure
    nothing = np.zeros(len(lengths))
    return Origin(
        day=date(2026, 4, 10),
        as_of=date(2026, 4, 10),
        lead_steps=0,
        exposure=lengths,
        diplomacy=diplomacy,
        force=force,
        diplomacy_weeks=1.0,
        force_weeks=1.0,
        mediation=mediation,
        composites=np.empty(0),
        plan=plan or Plan(nothing, nothing, nothing),
    )


def walked(
    draws: xr.Dataset, origin: Origin, weeks: int, *, paths: int = PATHS, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Levels of both ladders at the end of each week, the origin first [week, draw, path]."""
    walker = HazardWalker(draws, origin, paths=paths, rng=np.random.default_rng(seed))
    levels = [(walker.diplomacy, walker.force)]
    for week in range(weeks):
        walker.step(week)
        levels.append((walker.diplomacy, walker.force))
    return np.stack([d for d, _ in levels]), np.stack([f for _, f in levels])


# --- a Markov chain over both ladders and the mediator, built by hand ------------------------------------------------

STATES = [(d, f, m) for d in range(4) for f in range(3) for m in range(2)]
TARGETS = {
    "open": 1,
    "limited": 2,
    "comprehensive": 3,
    "collapse": 0,
    "coerce": 1,
    "conflict": 2,
    "ease": 0,
    "deescalate": 1,
}


def next_levels(
    ladder: str, level: int, eta: Mapping[str, np.ndarray], p: Parameters, exposure: float
) -> dict[int, float]:
    """Distribution of a ladder's level a week on."""
    reached = dict.fromkeys(range(4), 0.0)
    for move, chance in chances(ladder, level, dict(eta), exposure).items():
        if move == "lapse":
            reached[1] += chance * p["lapse_to_talks"]
            reached[0] += chance * (1 - p["lapse_to_talks"])
        else:
            reached[TARGETS[move]] += chance
    reached[level] += 1 - sum(reached.values())
    return reached


def transition(p: Parameters, *, exposure: float = 1.0) -> np.ndarray:
    """Transition matrix [state, next state]; durations, deadlines and terms of office play no part."""
    matrix = np.zeros((len(STATES), len(STATES)))
    for i, (d, f, m) in enumerate(STATES):
        at = {"diplomacy": d, "force": f, "mediation": m}
        rest = dict.fromkeys(
            ("diplomacy_weeks", "force_weeks", "deadline", "hard_deadline", "log_term_left"), np.array(0.0)
        )
        eta = log_odds(Week(**{k: np.array(v) for k, v in at.items()}, **rest), p)
        diplomacy, force = (next_levels(n, level, eta, p, exposure) for n, level in (("diplomacy", d), ("force", f)))
        on = p["mediation_persists"] if m else p["mediation_starts"]
        for j, (d2, f2, m2) in enumerate(STATES):
            matrix[i, j] = diplomacy[d2] * force.get(f2, 0.0) * (on if m2 else 1 - on)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    return matrix


def start_at(diplomacy: int, force: int, mediation: int = 0) -> np.ndarray:
    return np.array([state == (diplomacy, force, mediation) for state in STATES], dtype=float)


def assert_close(found: np.ndarray, expected: np.ndarray | np.floating[Any], n: int = PATHS) -> None:
    """Hold shares of ``n`` independent paths to their probabilities, within 4.5 standard errors."""
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(found - expected) <= 4.5 * error + 1e-12).all(), (found, expected)


def shares(diplomacy: np.ndarray, force: np.ndarray) -> np.ndarray:
    """Share of paths in each pair of levels [diplomacy, force]."""
    return np.bincount((3 * diplomacy + force).ravel(), minlength=12).reshape(4, 3) / diplomacy.size


def pairs(distribution: np.ndarray) -> np.ndarray:
    return distribution.reshape(4, 3, 2).sum(axis=2)


# --- hazards ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("diplomacy", "force", "mediation"), [(0, 0, 0), (1, 1, 1), (2, 2, 0), (3, 1, 0)])
def test_two_coupled_ladders_are_occupied_like_their_markov_chain(diplomacy: int, force: int, mediation: int) -> None:
    p = parameters()
    chain, now = transition(p), start_at(diplomacy, force, mediation)
    levels = walked(as_draws(p), origin_at(diplomacy, force, mediation=bool(mediation)), WEEKS)
    for week in range(WEEKS + 1):
        if week in (0, 1, 2, 5, WEEKS):
            assert_close(shares(levels[0][week], levels[1][week]), pairs(now))
        now = now @ chain


def test_first_deals_come_when_the_chain_is_first_absorbed() -> None:
    p = parameters()
    chain = transition(p)
    dealt = np.array([d >= 2 for d, _, _ in STATES])
    chain[dealt] = np.eye(len(STATES))[dealt]
    diplomacy, _ = walked(as_draws(p), origin_at(1, 1), WEEKS)
    now, by = start_at(1, 1), np.zeros(diplomacy.shape[1:], dtype=bool)
    for week in range(1, WEEKS + 1):
        now, by = now @ chain, by | (diplomacy[week] >= 2)
        assert_close(by.mean(), now[dealt].sum())


def test_each_draw_goes_by_its_own_parameters() -> None:
    calm, tense = parameters(coerce=-6.0, conflict=-6.0), parameters(coerce=0.5, conflict_on_collapse=2.0)
    levels = walked(as_draws(calm, tense), origin_at(1, 0), 6)
    for draw, p in enumerate((calm, tense)):
        expected = start_at(1, 0) @ np.linalg.matrix_power(transition(p), 6)
        assert_close(shares(levels[0][6, draw], levels[1][6, draw]), pairs(expected))


def test_a_part_of_a_week_scales_the_odds_of_moving() -> None:
    p = parameters(mediation_starts=0.0)  # a mediator's coming is not a hazard
    exposure = np.array([3 / 7, 1.0, 1.0])
    levels = walked(as_draws(p), origin_at(1, 1, exposure=exposure), 2)
    now = start_at(1, 1)
    for week, length in enumerate(exposure[:2], start=1):
        now = now @ transition(p, exposure=length)
        assert_close(shares(levels[0][week], levels[1][week]), pairs(now))


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_ended_deal_leaves_talks_standing_in_its_share_of_cases(level: int, share: float) -> None:
    p = parameters(lapse_to_talks=share)
    diplomacy, _ = walked(as_draws(p), origin_at(level, 0), 1)
    after = diplomacy[1]
    ended = after < level
    assert ended.sum() > 500
    assert_close((after[ended] == 1).mean(), np.float64(share), int(ended.sum()))
    assert set(np.unique(after[ended])) <= {0, 1}


def test_ladders_make_all_the_steps_they_can_make_and_no_others() -> None:
    never_simulated = {"diplomacy": {(3, 2)}, "force": {(2, 0)}}  # seen in no history: a lapse ends in none or in talks
    for name, level in zip(STEPS, walked(as_draws(parameters()), origin_at(0, 0), WEEKS, paths=2000), strict=True):
        made = {(int(b), int(a)) for b, a in zip(level[:-1].ravel(), level[1:].ravel(), strict=True) if b != a}
        assert made == set(STEPS[name]) - never_simulated[name]


def test_deadlines_and_terms_of_office_move_the_odds_in_their_week() -> None:
    plan = Plan(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0]), np.array([-1.0, -1.0, -2.0]))
    p = parameters(deadline_soft=0.7, deadline_hard=0.9, deadline_conflict=0.8, permanence=0.6)
    walker = HazardWalker(
        as_draws(p), origin_at(1, 1, exposure=np.ones(3), plan=plan), paths=1, rng=np.random.default_rng(1)
    )
    eta = np.array([walker._log_odds(week)[0, 0] for week in range(3)])
    gained = {name: (eta[:, j] - eta[0, j]).tolist() for j, name in enumerate(MOVE_NAMES)}
    assert gained.pop("limited") == pytest.approx([0, 0.7, 1.6])
    assert gained.pop("comprehensive") == pytest.approx([0, 0.7, 1.6 - 0.6])
    assert gained.pop("conflict") == pytest.approx([0, 0.8, 0.8])
    assert list(gained.values()) == [pytest.approx([0, 0, 0])] * 6


# --- no drift between what is fitted and what is simulated -----------------------------------------------------------


def test_features_of_a_path_are_those_of_the_history_in_the_same_state(history: History) -> None:
    """The log-odds that the walker starts from equal the fit's, week by week of the real case."""
    draws = drawn("R3", history, chains=2, draws=2).stack(sample=("chain", "draw"), create_index=False)
    draws = draws.transpose("sample", ...)
    weights = np.einsum("fmk,sk->sfm", placement(), draws["term"].values)
    driver = draws["driver"].values
    columns = {m: g for g, moves in enumerate(DRIVEN.values()) for m in moves}
    own = draws["own_dyad"].values
    for t in range(0, len(history.features), 23):
        row = history.features[t]
        expected = draws["base"].values + np.einsum("f,sfm->sm", row, weights)
        for j, move in enumerate(MOVE_NAMES):
            if move in columns:
                expected[:, j] += history.composites.values[t] @ driver[:, :, columns[move]].T
            expected[:, j] += own[:, 0] * (move in DRIVEN["deal"]) + own[:, 1] * (move == "collapse")
        walker = HazardWalker(draws, _state_at(history, t), paths=1, rng=np.random.default_rng(1))
        np.testing.assert_allclose(walker._log_odds(0)[:, 0], expected, atol=1e-9)


def _state_at(history: History, t: int) -> Origin:
    """The origin that a forecast at the end of week ``t`` would have had, by the coding of today."""
    spent = {n: weeks_in_level(level, history.weeks.exposure)[t] for n, level in history.weeks.levels.items()}
    known = {n: history.features[[t], FEATURES.index(n)] for n in ("deadline", "hard_deadline", "log_term_left")}
    return replace(
        history.origin,
        diplomacy=int(history.weeks.levels["diplomacy"][t]),
        force=int(history.weeks.levels["force"][t]),
        diplomacy_weeks=float(spent["diplomacy"]),
        force_weeks=float(spent["force"]),
        mediation=bool(history.weeks.marks["mediation"][t]),
        composites=history.composites.values[t],
        plan=Plan(**known),
    )


def test_durations_of_a_path_are_those_that_its_levels_would_be_coded_with() -> None:
    exposure = np.array([4 / 7, *np.ones(WEEKS - 1)])
    origin = replace(origin_at(0, 0, exposure=exposure), diplomacy_weeks=1.0, force_weeks=1.0)
    walker = HazardWalker(as_draws(parameters()), origin, paths=40, rng=np.random.default_rng(5))
    levels = [(walker.diplomacy[0], walker.force[0])]
    for week in range(WEEKS):
        walker.step(week)
        levels.append((walker.diplomacy[0], walker.force[0]))
        for ladder, series in zip(STEPS, zip(*levels, strict=True), strict=True):
            lengths = np.array([1.0, *exposure[: week + 1]])
            coded = [weeks_in_level(path, lengths)[-1] for path in np.stack(series, axis=1)]
            np.testing.assert_allclose(walker._weeks[ladder][0], coded)


@pytest.mark.parametrize("lead", [1.0, 3 / 7])
def test_composites_of_paths_go_by_their_autoregressions(history: History, lead: float) -> None:
    """Mean and variance after k weeks: phi^k x and s^2 (1 - phi^2k) / (1 - phi^2), off the log-odds of one move."""
    draws = drawn("R3", history, chains=1, draws=2).stack(sample=("chain", "draw"), create_index=False)
    draws = draws.transpose("sample", ...)
    start = np.linspace(-1, 2, len(history.composites.names))
    exposure = np.array([lead, *np.ones(7)])
    origin = replace(origin_at(0, 0, exposure=exposure), composites=start)
    walker = HazardWalker(draws, origin, paths=PATHS, rng=np.random.default_rng(2))
    assert walker._composites is not None
    for week in range(5):
        walker.step(week)
    effect = draws["driver"].sel(driven="open").values
    phi, s = draws["persistence"].values, draws["innovation"].values
    mean = (effect * phi ** (4 + lead) * start).sum(axis=1)
    variance = (effect**2 * s**2 * (1 - phi ** (8 + 2 * lead)) / (1 - phi**2)).sum(axis=1)
    felt = walker._composites.log_odds()[..., MOVE_NAMES.index("open")]
    assert (np.abs(felt.mean(axis=1) - mean) < 4.5 * np.sqrt(variance / PATHS)).all()
    np.testing.assert_allclose(felt.var(axis=1), variance, rtol=4.5 * np.sqrt(2 / PATHS))


def test_mediation_comes_and_goes_by_its_weekly_chances_in_parts_of_weeks_too() -> None:
    """Two-state chain: a third of a week and then two thirds of one are a week."""
    persists, starts = np.array(CHANCE["mediation_persists"]), np.array(CHANCE["mediation_starts"])
    off_on = np.array([False, True])
    third, rest = (_later(off_on, persists, starts, share) for share in (1 / 3, 2 / 3))
    np.testing.assert_allclose((1 - third) * rest[0] + third * rest[1], [starts, persists])
    np.testing.assert_array_equal(_later(off_on, persists, starts, 1.0), [starts, persists])


# --- the base rate ---------------------------------------------------------------------------------------------------

DEAL = [[0.80, 0.15, 0.05], [0.70, 0.10, 0.20], [0.90, 0.08, 0.02], [0.60, 0.30, 0.10]]
ESCALATION = [[0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.7, 0.3]]


def base_rates(n: int = 1) -> xr.Dataset:
    return xr.Dataset(
        {
            "deal": (("sample", "band", "deal_kind"), np.array([DEAL] * n)),
            "escalation": (("sample", "band", "escalated"), np.array([ESCALATION] * n)),
        }
    )


def walked_base_rate(origin: Origin, weeks: int) -> tuple[np.ndarray, np.ndarray]:
    walker = BaseRateWalker(base_rates(), origin, paths=PATHS, rng=np.random.default_rng(3))
    levels = [(walker.diplomacy[0], walker.force[0])]
    for week in range(weeks):
        walker.step(week)
        levels.append((walker.diplomacy[0], walker.force[0]))
    return np.stack([d for d, _ in levels]), np.stack([f for _, f in levels])


def expected_by(week: int, chance: Callable[[int], float]) -> float:
    """Probability of a first passage by a week: evenly within a band, given nothing in those before."""
    waiting, start = 1.0, 0
    for band, end in enumerate((*BANDS, BANDS[-1] + (BANDS[-1] - BANDS[-2]))):
        share = chance(min(band, len(BANDS) - 1))
        if week <= end:
            return 1 - waiting * (1 - share * (week - start) / (end - start))
        waiting, start = waiting * (1 - share), end
    raise AssertionError(week)


def test_a_base_rate_spreads_the_chance_of_a_band_evenly_over_its_weeks() -> None:
    """Weeks 53 to 78 go on at the rate of the last band."""
    diplomacy, force = walked_base_rate(origin_at(1, 1), 78)
    for week in (1, 3, 4, 5, 10, 13, 20, 26, 40, 52, 60, 78):
        assert_close((diplomacy[week] >= 2).mean(), np.float64(expected_by(week, lambda b: 1 - DEAL[b][0])))
        assert_close((force[week] == 2).mean(), np.float64(expected_by(week, lambda b: ESCALATION[b][1])))
    first = diplomacy[4] >= 2
    assert_close((diplomacy[4][first] == 3).mean(), np.float64(0.05 / 0.20), int(first.sum()))


def test_weekly_chances_of_a_band_compound_to_the_bands_chance() -> None:
    from forecast.models.walk import _band_of, _weekly

    for band, end in enumerate(BANDS):
        begin, waiting = BANDS[band - 1] if band else 0, 1.0
        for week in range(begin, end):
            assert _band_of(week) == (band, week - begin)
            waiting *= 1 - _weekly(np.array([DEAL[band][1:]]), end - begin, week - begin).sum()
        assert waiting == pytest.approx(DEAL[band][0])
    assert [_band_of(week) for week in (52, 77, 78)] == [(3, 0), (3, 25), (3, 0)]


@pytest.mark.parametrize(("diplomacy", "force"), [(0, 0), (1, 1), (2, 0), (2, 2), (3, 2)])
def test_a_base_rate_has_its_chances_wherever_it_starts_and_stays_on_the_ladders(diplomacy: int, force: int) -> None:
    """The first week counts too: a step up must be there to see, even with a deal in force or in a conflict."""
    levels = walked_base_rate(origin_at(diplomacy, force), 13)
    assert levels[0].max() <= 3
    assert levels[1].max() <= 2
    climbed = [np.cumsum(np.diff(level, axis=0) > 0, axis=0) > 0 for level in levels]
    for week in (1, 4, 13):
        assert_close(climbed[0][week - 1].mean(), np.float64(expected_by(week, lambda b: 1 - DEAL[b][0])))
        assert_close(climbed[1][week - 1].mean(), np.float64(expected_by(week, lambda b: ESCALATION[b][1])))


@pytest.mark.parametrize("lead", [1, 6])
def test_a_base_rate_counts_from_the_as_of_time(lead: int) -> None:
    """However long ago the coding ended: it has no clock of its own."""
    late = replace(origin_at(1, 1), lead_steps=lead)
    waited, at_once = walked_base_rate(late, lead + 26), walked_base_rate(origin_at(1, 1), 26)
    for after, straight in zip(waited, at_once, strict=True):
        np.testing.assert_array_equal(after[: lead + 1], np.broadcast_to(after[0], after[: lead + 1].shape))
        np.testing.assert_array_equal(after[lead:], straight)


def test_a_base_rate_keeps_the_kinds_of_deals_apart_when_a_deal_is_in_force() -> None:
    """With a limited deal in force a comprehensive one has its own share, not that of all deals."""
    diplomacy, _ = walked_base_rate(origin_at(2, 0), 4)
    assert_close((diplomacy[4] == 3).mean(), np.float64(DEAL[0][2]))


def test_real_origins_can_be_walked_from() -> None:
    history = real_history("2026-04-14")
    flat = drawn("R1", history).stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)
    walker = HazardWalker(flat, history.origin, paths=10, rng=np.random.default_rng(1))
    for week in range(len(history.origin.exposure)):
        walker.step(week)
    assert walker.diplomacy.shape == walker.force.shape == (200, 10)
    assert np.isfinite(walker._log_odds(0)).all()
