import re
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from scipy import stats

from forecast.errors import PriorError
from forecast.models import Priors, check_priors, load_priors
from forecast.models.moves import MOVE_NAMES, TERM_NAMES
from forecast.models.priors import DirichletPrior, priors_folder

ENTRY = """
[{name}]
family = "{family}"
parameters = {parameters}
statement = "90 % between a and b: a statement of enough length"
elicited = {{ scale = "identity", probability = 0.9, lower = -1.645, upper = 1.645 }}
rationale = "A reason of enough length."
source = "Nowhere"
date = 2026-11-21
"""


def entry(name: str = "drift", *, family: str = "Normal", parameters: str = "{ mu = 0.0, sigma = 1.0 }") -> str:
    return ENTRY.format(name=name, family=family, parameters=parameters)


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def copied(folder: Path, block: str, old: str, new: str) -> Path:
    """Copy the shipped priors with one replacement, which must have something to replace."""
    shutil.copytree(priors_folder(), folder, dirs_exist_ok=True)
    path = folder / f"{block}.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


# --- what a file may say ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        pytest.param(entry() + 'weight = "heavy"\n', "weight", id="unknown key"),
        pytest.param(entry(family="Normall"), "Normall", id="typo in the family"),
        pytest.param(entry(parameters="{ mu = 0.0, scale = 1.0 }"), "scale", id="unknown parameter"),
        pytest.param(entry(parameters="{ mu = 0.0 }"), "parameters", id="missing parameter"),
        pytest.param(entry(parameters='{ mu = "low", sigma = 1.0 }'), "mu", id="text for a number"),
        pytest.param(entry(parameters="{ mu = 0.0, sigma = -1.0 }"), "sigma", id="negative scale"),
        pytest.param(entry(family="Beta", parameters="{ alpha = 0.0, beta = 1.0 }"), "alpha", id="Beta at 0"),
        pytest.param(entry().replace('source = "Nowhere"', ""), "source", id="no source"),
        pytest.param(entry().replace("probability = 0.9", "probability = 90"), "probability", id="percent"),
        pytest.param("drift = 3", "drift", id="no table"),
    ],
)
def test_a_malformed_entry_is_refused_by_file_and_field(tmp_path: Path, text: str, culprit: str) -> None:
    with pytest.raises(PriorError) as caught:
        load_priors(written(tmp_path, odd=text))
    path, field, *_ = str(caught.value).split("'")
    assert path == f"{tmp_path / 'odd.toml'}, field "
    assert field.split(".")[0] == "drift"
    assert culprit in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(entry(parameters="{ mu = nan, sigma = 1.0 }"), id="not a number"),
        pytest.param(
            entry(family="TruncatedNormal", parameters="{ mu = 0.0, sigma = 1.0, lower = 2.0, upper = 1.0 }"),
            id="bounds the wrong way round",
        ),
        pytest.param(
            entry(family="Dirichlet").replace(
                "parameters = { mu = 0.0, sigma = 1.0 }", 'weights = [5.0, 1.0]\ncategories = ["no", "yes", "maybe"]'
            ),
            id="more categories than weights",
        ),
    ],
)
def test_a_value_that_no_distribution_has_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PriorError, match="drift"):
        load_priors(written(tmp_path, odd=text))


def test_a_folder_without_priors_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(PriorError, match=re.escape(str(folder))):
            load_priors(folder)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[drift\n", id="no closing bracket"),
        pytest.param(entry() + entry(), id="the same name twice"),
        pytest.param(entry().replace("2026-11-21", "2026-13-21"), id="no such date"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PriorError, match=r"odd\.toml: not valid TOML"):
        load_priors(written(tmp_path, odd=text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    written(tmp_path, early=entry())
    (tmp_path / "late.toml").mkdir()
    with pytest.raises(PriorError, match=r"late\.toml: cannot be read"):
        load_priors(tmp_path)


def test_a_file_may_begin_with_the_mark_that_some_editors_put_there(tmp_path: Path) -> None:
    assert load_priors(written(tmp_path, early="\ufeff" + entry()))["drift"].family == "Normal"


def test_a_dirichlet_where_the_model_has_one_number_is_refused(priors: Priors) -> None:
    odd = Priors(priors.folder, {**priors.blocks, "force": {**priors.blocks["force"], "coerce": priors["deal_to_13"]}})
    with pytest.raises(PriorError, match=r"'coerce'.*one number"):
        odd.variable("coerce")
    with pytest.raises(PriorError, match=r"'coerce'.*one number"):
        odd.vector("base", ("conflict", "coerce"), dim="move")


def test_a_name_in_two_files_is_refused_and_both_are_named(tmp_path: Path) -> None:
    folder = written(tmp_path, early=entry("other") + entry("drift"), late=entry("drift"))
    with pytest.raises(PriorError, match=r"late\.toml, field 'drift': also in early\.toml"):
        load_priors(folder)


def test_a_prior_that_is_not_there_is_asked_for_by_name(tmp_path: Path) -> None:
    folder = written(tmp_path, early=entry("drift"))
    with pytest.raises(PriorError, match=r"no prior named 'collapse'.*early\.toml"):
        load_priors(folder)["collapse"]


def test_the_digest_sees_what_is_said_and_not_how_it_is_laid_out(tmp_path: Path, priors: Priors) -> None:
    sections = (priors_folder() / "force.toml").read_text(encoding="utf-8").split("\n[")
    upside_down = "\n[".join(["", *reversed(sections[1:])]).replace(" = ", "   =  ")
    shutil.copytree(priors_folder(), tmp_path, dirs_exist_ok=True)
    written(tmp_path, force=f"# another comment\n{upside_down}\n\n")
    assert load_priors(tmp_path).digest() == priors.digest()
    said = copied(tmp_path / "other", "force", "mu = -4.2, sigma = 0.7", "mu = -4.2, sigma = 0.71")
    assert load_priors(said).digest() != priors.digest()


# --- families and statements -----------------------------------------------------------------------------------------


def test_every_shipped_prior_reproduces_its_statement(priors: Priors) -> None:
    checks = check_priors(priors)
    assert len(checks) == sum(len(block) for block in priors.blocks.values())
    assert not [c for c in checks if not c.ok]


def test_the_numbers_in_every_statement_are_those_elicited(priors: Priors) -> None:
    form = re.compile(r"^([\d.]+) % between ([\d.e-]+)( %)? and ([\d.e-]+)( %)?:")
    for block in priors.blocks.values():
        for name, prior in block.items():
            said = form.match(prior.statement)
            assert said is not None, name
            share, low, low_percent, high, high_percent = said.groups()
            bounds = [float(low) / (100 if low_percent else 1), float(high) / (100 if high_percent else 1)]
            assert [float(share) / 100, *bounds] == pytest.approx(
                [prior.elicited.probability, prior.elicited.lower, prior.elicited.upper]
            ), name


@pytest.mark.parametrize(
    ("block", "old", "new"),
    [
        ("force", "mu = -3.0, sigma = 0.8", "mu = -2.8, sigma = 0.8"),
        ("force", "lower = 0.013, upper = 0.16", "lower = 0.013, upper = 0.18"),
        ("pooling", "sigma = 0.5 ", "sigma = 0.55 "),
        ("diplomacy", "mu = 0.5, sigma = 0.5, lower = 0.0", "mu = 0.6, sigma = 0.5, lower = 0.0"),
        ("diplomacy", "alpha = 2.0, beta = 3.0", "alpha = 2.0, beta = 2.5"),
        ("base_rate", "[3.9, 1.7, 0.32]", "[3.9, 1.2, 0.32]"),
    ],
)
def test_a_family_that_strays_from_its_statement_is_found(tmp_path: Path, block: str, old: str, new: str) -> None:
    checks = check_priors(load_priors(copied(tmp_path, block, old, new)))
    assert [c.block for c in checks if not c.ok] == [block]


def test_every_parameter_of_the_hazards_has_a_prior_and_no_prior_is_idle(priors: Priors) -> None:
    hazard_blocks = ("diplomacy", "force", "coupling")
    named = {name for block in hazard_blocks for name in priors.blocks[block]}
    chances = {"lapse_to_talks", "mediation_starts", "mediation_persists"}
    assert named == {*MOVE_NAMES, *TERM_NAMES} | chances


def _reference(priors: Priors, name: str) -> stats.rv_continuous:
    prior = priors[name]
    p = prior.parameters
    match prior.family:
        case "Normal":
            return stats.norm(p["mu"], p["sigma"])
        case "HalfNormal":
            return stats.halfnorm(0, p["sigma"])
        case "Beta":
            return stats.beta(p["alpha"], p["beta"])
        case "TruncatedNormal":
            a, b = (np.array([p["lower"], p["upper"]]) - p["mu"]) / p["sigma"]
            return stats.truncnorm(a, b, p["mu"], p["sigma"])
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["open", "deadline_soft", "permanence", "lapse_to_talks", "dyad_sd_deal"])
def test_draws_have_the_moments_of_their_family(priors: Priors, name: str) -> None:
    n = 40_000
    drawn = priors.draw(name, n, np.random.default_rng(3))
    reference = _reference(priors, name)
    mean, variance, kurtosis = reference.stats("mvk")
    assert abs(drawn.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(drawn.var() - variance) < 4 * variance * np.sqrt((kurtosis + 2) / n)
    assert stats.kstest(drawn, reference.cdf).pvalue > 1e-3


def test_draws_of_a_dirichlet_have_its_moments(priors: Priors) -> None:
    prior = priors["deal_to_52"]
    assert isinstance(prior, DirichletPrior)
    drawn = priors.draw("deal_to_52", 40_000, np.random.default_rng(4))
    weights = np.array(prior.weights)
    mean = weights / weights.sum()
    spread = np.sqrt(mean * (1 - mean) / (weights.sum() + 1))
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * spread / np.sqrt(len(drawn))).all()
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.03)


def test_draws_take_any_shape(priors: Priors) -> None:
    assert priors.draw("open", (2, 5), np.random.default_rng(1)).shape == (2, 5)
    assert priors.draw("deal_to_4", (2, 5), np.random.default_rng(1)).shape == (2, 5, 3)


# --- in a model ------------------------------------------------------------------------------------------------------

BOUNDED = "{{ mu = 0.0, sigma = 1.0, lower = 0.0, upper = {upper} }}"


@pytest.mark.parametrize(
    "uppers", [("inf", "1.0", "2.0", "inf"), ("1.0", "inf", "inf", "2.0"), ("1.0", "2.0", "3.0", "3.0")]
)
def test_a_vector_keeps_the_bounds_of_every_member(tmp_path: Path, uppers: tuple[str, ...]) -> None:
    import pymc as pm

    names = tuple("abcd")
    parameters = [BOUNDED.format(upper=upper) for upper in uppers]
    entries = [entry(n, family="TruncatedNormal", parameters=p) for n, p in zip(names, parameters, strict=True)]
    priors = load_priors(written(tmp_path, odd="".join(entries)))
    with pm.Model(coords={"of": list(names)}):
        vector = priors.vector("vector", names, dim="of")
    drawn = pm.draw(vector, draws=1000, random_seed=1, mode=_plain_mode())
    for name, column in zip(names, drawn.T, strict=True):
        assert stats.kstest(column, _reference(priors, name).cdf).pvalue > 1e-3, name


def test_a_vector_of_several_families_keeps_the_order_of_its_names(priors: Priors) -> None:
    import pymc as pm

    names = ("deadline_soft", "open", "dyad_sd_deal", "limited", "permanence", "mediation_starts")
    with pm.Model(coords={"of": list(names)}):
        vector = priors.vector("many", names, dim="of")
    drawn = pm.draw(vector, draws=1000, random_seed=2, mode=_plain_mode())
    for name, column in zip(names, drawn.T, strict=True):
        assert stats.kstest(column, _reference(priors, name).cdf).pvalue > 1e-3, name


def _plain_mode() -> object:
    """PyTensor without a compiler."""
    from pytensor.compile.mode import Mode

    return Mode(linker="py", optimizer=cast("str", None))
