import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from scipy import integrate, stats

from forecast.errors import RungError
from forecast.models import History, Priors
from forecast.models.hazards import CHANCES, Shapes, build_hazards, columns, hazard_data, shapes_of
from forecast.models.moves import DRIVEN, EPISODE_MOVES, FEATURES, MOVE_NAMES, TERM_NAMES
from forecast.models.reference import episode_weeks
from tests.models.plain import STEPS, Week, log_likelihood, log_odds, weeks_spent

type Values = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Laid:
    """A model with a history's data in it, as a function of a point in the sampler's space: one term a variable."""

    model: Any
    shapes: Shapes
    log_density: Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]

    def terms(self, point: Values) -> dict[str, float]:
        """Log-density by variable and potential, without the Jacobians of the transforms."""
        of = [*self.model.basic_RVs, *self.model.potentials]
        return {v.name: float(np.sum(t)) for v, t in zip(of, self.log_density(dict(point)), strict=True)}


def laid(history: History, priors: Priors, *, drivers: bool, shapes: Shapes | None = None) -> Laid:
    from pytensor.compile.mode import Mode

    shapes = shapes or shapes_of(history)
    model = build_hazards(priors, shapes, history.composites.names, drivers=drivers)
    with model:
        for name, value in hazard_data(history, shapes).items():
            if name in model.named_vars:
                model.set_data(name, value)
    mode = Mode(linker="py", optimizer=cast("str", None))  # no compiler
    return Laid(model, shapes, model.compile_logp(mode=mode, jacobian=False, sum=False))


@pytest.fixture(scope="module")
def without_drivers(history: History, priors: Priors) -> Laid:
    return laid(history, priors, drivers=False)


@pytest.fixture(scope="module")
def model(history: History, priors: Priors) -> Laid:
    return laid(history, priors, drivers=True)


# --- random points, in the model's own terms and in the sampler's ----------------------------------------------------


def random_values(priors: Priors, shapes: Shapes, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw every parameter from its prior, by name; arrays where the model repeats one over a dimension."""
    names = (*MOVE_NAMES, *TERM_NAMES, *CHANCES, "dyad_sd_deal", "dyad_sd_collapse")
    values = {name: priors.draw(name, 1, rng)[0] for name in (*names, "global_scale", "slab_scale")}
    return values | {
        "own_dyad_raw": rng.standard_normal(2),
        "reference_offset": priors.draw("reference_offset", 3, rng),
        "persistence": priors.draw("persistence", shapes.composite, rng),
        "innovation": priors.draw("innovation", shapes.composite, rng),
        "local_scale": np.abs(rng.standard_t(3, (shapes.composite, len(DRIVEN)))),
        "driver_raw": rng.standard_normal((shapes.composite, len(DRIVEN))),
    }


def rank_score(priors: Priors, name: str, value: Any) -> Any:
    """Standard normal of the same rank as a value has under its prior, a normal cut off below."""
    p = {"mu": 0.0, "lower": 0.0, **priors[name].parameters}
    above, kept = (stats.norm.sf((x - p["mu"]) / p["sigma"]) for x in (value, p["lower"]))
    return stats.norm.isf(above / kept)


def sampled_point(model: Any, priors: Priors, values: Values) -> dict[str, np.ndarray]:
    """Put parameters where the sampler looks: vectors by family, in logs, log-odds or by rank."""

    def of(names: tuple[str, ...], family: str) -> np.ndarray:
        return np.array([values[n] for n in names if priors[n].family == family])

    def rank(names: tuple[str, ...], family: str) -> np.ndarray:
        members = [n for n in names if priors[n].family == family]
        return np.array([rank_score(priors, n, values[n]) for n in members])

    named = {
        **values,
        "base_normal": of(MOVE_NAMES, "Normal"),
        "term_normal": of(TERM_NAMES, "Normal"),
        "term_truncatednormal": rank(TERM_NAMES, "TruncatedNormal"),
        "dyad_sd_halfnormal": rank(("dyad_sd_deal", "dyad_sd_collapse"), "HalfNormal"),
        "chance_beta": of(CHANCES, "Beta"),
    }
    transforms = {"log": np.log, "logodds": stats.logistic.ppf}
    point = {}
    for variable in (v.name for v in model.value_vars):  # such as base_normal, innovation_normal, local_scale_log__
        name = max((n for n in named if variable.startswith(n)), key=len)
        transform = transforms.get(variable.removesuffix("__").rpartition("_")[2], np.asarray)
        by_rank = variable == f"{name}_normal"
        point[variable] = np.asarray(rank_score(priors, name, named[name]) if by_rank else transform(named[name]))
    return point


# --- the same density, written out by hand ---------------------------------------------------------------------------


def driver_effects(values: Values) -> np.ndarray:
    overall, slab, local = values["global_scale"], values["slab_scale"], values["local_scale"]
    shrunk = np.sqrt(1 / (1 / slab**2 + 1 / (overall * local) ** 2))  # slab and horseshoe, in parallel
    return values["driver_raw"] * shrunk


def plain_ladders(history: History, values: Values, *, drivers: bool) -> dict[str, float]:
    levels, exposure = history.weeks.levels, history.weeks.exposure
    known = {name: history.features[:, FEATURES.index(name)] for name in ("deadline", "hard_deadline", "log_term_left")}
    week = Week(
        diplomacy=levels["diplomacy"][:-1],
        force=levels["force"][:-1],
        diplomacy_weeks=weeks_spent(levels["diplomacy"], exposure)[:-1],
        force_weeks=weeks_spent(levels["force"], exposure)[:-1],
        mediation=history.weeks.marks["mediation"][:-1].astype(float),
        **known,
    )
    own = values["own_dyad_raw"] * [values["dyad_sd_deal"], values["dyad_sd_collapse"]]
    parameters = {n: float(values[n]) for n in (*MOVE_NAMES, *TERM_NAMES)} | {
        "dyad_deal": own[0],
        "dyad_collapse": own[1],
    }
    drive = (
        dict(zip(DRIVEN, (history.composites.values[:-1] @ driver_effects(values)).T, strict=True)) if drivers else None
    )
    eta = log_odds(week, parameters, drive)
    return {"ladder_moves": sum(log_likelihood(name, levels[name], eta, exposure[1:]) for name in STEPS)}


def plain_counts(history: History, values: Values) -> dict[str, float]:
    ended, into_talks = 0, 0
    for before, after in zip(
        *(history.weeks.levels["diplomacy"][s] for s in (slice(None, -1), slice(1, None))), strict=True
    ):
        if before >= 2 and after < before:
            ended, into_talks = ended + 1, into_talks + (after == 1)
    mark = history.weeks.marks["mediation"]
    pairs = [(bool(mark[t - 1]), bool(mark[t])) for t in range(1, len(mark)) if history.weeks.exposure[t] == 1]
    out = [now for was, now in pairs if not was]
    on = [now for was, now in pairs if was]
    return {
        "ended_deals": stats.binom(ended, values["lapse_to_talks"]).logpmf(into_talks),
        "mediated_weeks": stats.binom(len(out), values["mediation_starts"]).logpmf(sum(out))
        + stats.binom(len(on), values["mediation_persists"]).logpmf(sum(on)),
    }


def plain_composites(history: History, values: Values) -> float:
    series, exposure = history.composites.values, history.weeks.exposure
    whole = [t for t in range(1, len(series)) if exposure[t] == exposure[t - 1] == 1]
    before, after = series[np.array(whole) - 1], series[whole]
    return float(stats.norm(values["persistence"] * before, values["innovation"]).logpdf(after).sum())


def plain_episodes(history: History, values: Values) -> float:
    rows = episode_weeks(history.vintage)
    spread = np.array([values["dyad_sd_deal"], values["dyad_sd_collapse"]])
    rates = np.array([plain_rates(values, rows.weeks[k], rows.mediated[k]) for k in range(rows.n_rows)])
    effects = [[0, 1], [2]]  # on both kinds of deal, on collapse

    def given(dyad: int, kind: int, u: float) -> float:
        """Log-likelihood of a dyad's deals or collapses, its effect being u."""
        mine, ends = rows.dyad == dyad, effects[kind]
        log_rates = np.log(rates[mine][:, ends]) + u
        return float((rows.moves[mine][:, ends] * log_rates).sum() - rows.weight[mine] @ np.exp(log_rates).sum(axis=1))

    total = sum(given(0, kind, values["own_dyad_raw"][kind] * spread[kind]) for kind in (0, 1))
    for dyad in range(1, len(rows.dyads)):
        for kind in (0, 1):
            effect = stats.norm(0, spread[kind])
            likelihood, _ = integrate.quad(
                lambda u, d=dyad, k=kind, e=effect: np.exp(given(d, k, u)) * e.pdf(u),
                -9 * spread[kind],
                9 * spread[kind],
            )
            total += np.log(likelihood)
    return total


def plain_rates(values: Values, weeks: float, mediated: float) -> list[float]:
    """Weekly rates of the three ways in which an episode ends, of a dyad like all others."""
    return [
        float(
            np.exp(
                values[move]
                + values["reference_offset"][j]
                + values[f"duration_{move}"] * np.log(1 + weeks / 13)
                + values["mediation_collapse" if move == "collapse" else "mediation_deal"] * mediated
            )
        )
        for j, move in enumerate(EPISODE_MOVES)
    ]


def plain_priors(priors: Priors, values: Values, *, drivers: bool) -> float:
    def density(name: str, value: np.ndarray) -> float:
        p = priors[name].parameters
        match priors[name].family:
            case "Normal":
                of = stats.norm(p["mu"], p["sigma"])
            case "Beta":
                of = stats.beta(p["alpha"], p["beta"])
            case _:  # declared by its rank, so that its density is a standard normal's
                of, value = stats.norm(), rank_score(priors, name, value)
        return float(np.sum(of.logpdf(value)))

    drive = ("global_scale", "slab_scale", "persistence", "innovation") if drivers else ()
    names = (*MOVE_NAMES, *TERM_NAMES, *CHANCES, "dyad_sd_deal", "dyad_sd_collapse", "reference_offset", *drive)
    total = sum(density(name, values[name]) for name in names) + stats.norm.logpdf(values["own_dyad_raw"]).sum()
    if drivers:
        total += (np.log(2) + stats.t(3).logpdf(values["local_scale"])).sum() + stats.norm.logpdf(
            values["driver_raw"]
        ).sum()
    return float(total)


# --- comparisons -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_the_log_density_is_that_of_the_model_written_out_by_hand(
    model: Laid, without_drivers: Laid, history: History, priors: Priors, seed: int
) -> None:
    values = random_values(priors, model.shapes, np.random.default_rng(seed))
    for rung, drivers in ((without_drivers, False), (model, True)):
        terms = rung.terms(sampled_point(rung.model, priors, values))
        expected = {
            **plain_ladders(history, values, drivers=drivers),
            **plain_counts(history, values),
            "reference_episodes": plain_episodes(history, values),
        }
        found = {name: terms.pop(name) for name in expected}
        for name in ("composite_slopes", "composite_residuals"):
            terms.pop(name, None)  # has its own test
        assert found == pytest.approx(expected)
        assert sum(terms.values()) == pytest.approx(plain_priors(priors, values, drivers=drivers))


def test_two_statistics_a_composite_say_what_its_weeks_say(model: Laid, history: History, priors: Priors) -> None:
    """The autoregression enters by sufficient statistics: equal to the product over weeks, up to a constant."""
    constants = []
    for seed in range(4):
        values = random_values(priors, model.shapes, np.random.default_rng(seed))
        terms = model.terms(sampled_point(model.model, priors, values))
        said = terms["composite_slopes"] + terms["composite_residuals"]
        constants.append(said - plain_composites(history, values))
    assert constants == pytest.approx([constants[0]] * 4)


def test_padding_changes_nothing(model: Laid, history: History, priors: Priors) -> None:
    """The same history in a model of other array lengths: dyads that no row names integrate to one."""
    small = model.shapes
    large = replace(small, week=small.week + 60, episode_week=small.episode_week + 90, dyad=small.dyad + 8)
    wide = laid(history, priors, drivers=True, shapes=large)
    for seed in (4, 5):
        values = random_values(priors, large, np.random.default_rng(seed))
        padded = sum(wide.terms(sampled_point(wide.model, priors, values)).values())
        assert padded == pytest.approx(sum(model.terms(sampled_point(model.model, priors, values)).values()))


def test_named_vectors_hold_each_parameter_in_its_place(model: Laid, priors: Priors) -> None:
    from pytensor.compile.mode import Mode

    values = random_values(priors, model.shapes, np.random.default_rng(6))
    point = sampled_point(model.model, priors, values)
    vectors = {
        "base": MOVE_NAMES,
        "term": TERM_NAMES,
        "chance": CHANCES,
        "dyad_sd": ("dyad_sd_deal", "dyad_sd_collapse"),
    }
    inputs = model.model.value_vars
    graphs = model.model.replace_rvs_by_values([model.model[name] for name in vectors])
    mode = Mode(linker="py", optimizer=cast("str", None))
    evaluate = model.model.compile_fn(graphs, inputs=inputs, mode=mode, on_unused_input="ignore")
    for (name, members), found in zip(vectors.items(), evaluate(point), strict=True):
        np.testing.assert_allclose(found, [values[m] for m in members], err_msg=name)
    coordinates = {"move": MOVE_NAMES, "coefficient": TERM_NAMES, "chance_of": CHANCES}
    assert {d: model.model.coords[d] for d in coordinates} == coordinates


# --- the data arrays -------------------------------------------------------------------------------------------------


def test_the_arrays_hold_moves_where_the_columns_say(history: History) -> None:
    shapes = shapes_of(history)
    weeks, at = hazard_data(history, shapes)["weeks"], columns(shapes)["weeks"]
    n = len(history.features)
    np.testing.assert_array_equal(weeks[:n, at["features"]], history.features)
    np.testing.assert_allclose(weeks[:n, at["log_exposure"]][:, 0], np.log(history.weeks.exposure[1:]))
    assert not weeks[n:].any()
    for ladder, steps in STEPS.items():
        level = history.weeks.levels[ladder]
        made = weeks[:n, at["made"]]
        expected = [steps.get((b, a), "") for b, a in itertools.pairwise(level)]
        for i, name in enumerate(MOVE_NAMES):
            if name in steps.values():
                np.testing.assert_array_equal(made[:, i], [float(e == name) for e in expected], err_msg=name)
        assert len(set(expected)) >= 4


def test_shapes_are_rounded_up_so_that_a_season_needs_no_compiler(history: History) -> None:
    shapes = shapes_of(history)
    rows = episode_weeks(history.vintage)
    sizes = Shapes(len(history.features), rows.n_rows, len(rows.dyads), len(history.composites.names))
    assert sizes.week <= shapes.week < sizes.week + 105
    assert sizes.episode_week <= shapes.episode_week < sizes.episode_week + 257
    assert sizes.dyad <= shapes.dyad < sizes.dyad + 33
    assert sizes.composite == shapes.composite
    season = replace(history, features=np.vstack([history.features[:-13]]))
    assert shapes_of(season) == shapes


def test_a_history_that_outgrows_a_model_is_refused(history: History) -> None:
    for cramped in (Shapes(400, 2000, 99, 7), Shapes(2000, 99, 99, 7), Shapes(2000, 2000, 9, 7)):
        with pytest.raises(RungError, match="do not fit a model compiled for"):
            hazard_data(history, cramped)


# --- conjugate pieces ------------------------------------------------------------------------------------------------


def test_chances_are_betas_that_count(model: Laid, history: History, priors: Priors) -> None:
    """Prior times likelihood of the three chances is, up to a constant, the Beta with the counts added."""
    ended, into_talks, off, on, starts, persists = hazard_data(history, model.shapes)["counts"].tolist()
    added = {
        "lapse_to_talks": (into_talks, ended - into_talks),
        "mediation_starts": (starts, off - starts),
        "mediation_persists": (persists, on - persists),
    }
    posteriors = {}
    for name, (came, not_come) in added.items():
        prior = priors[name].parameters
        posteriors[name] = stats.beta(prior["alpha"] + came, prior["beta"] + not_come)
    at_rest = random_values(priors, model.shapes, np.random.default_rng(7))
    differences = []
    for value in (0.1, 0.35, 0.6, 0.9):
        terms = model.terms(
            sampled_point(model.model, priors, {**at_rest, **dict.fromkeys(CHANCES, np.asarray(value))})
        )
        closed = sum(posterior.logpdf(value) for posterior in posteriors.values())
        differences.append(terms["chance_beta"] + terms["ended_deals"] + terms["mediated_weeks"] - closed)
    assert differences == pytest.approx([differences[0]] * len(differences))
    assert min(off, on, starts, persists) > 0
