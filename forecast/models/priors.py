"""Prior files: what was elicited, the family that says it, why, from where, since when.

One file a block, one table a parameter. Pooling and dimensions live in the models, never in these files. Unknown keys
fail. :func:`check_priors` holds every family to its statement with PreliZ, an implementation of the distributions that
is independent of the sampler's.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from forecast.errors import PriorError, at
from forecast.files import read_toml

if TYPE_CHECKING:
    import pymc as pm

_PACKAGE = Path(__file__).resolve().parent.parent
_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
_PARAMETERS = {
    "Normal": ("mu", "sigma"),
    "HalfNormal": ("sigma",),
    "LogNormal": ("mu", "sigma"),
    "TruncatedNormal": ("mu", "sigma", "lower", "upper"),
    "Beta": ("alpha", "beta"),
}
_BY_RANK = ("HalfNormal", "TruncatedNormal")
_TOLERANCE = 0.06  # bounds are stated to two figures
_SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "exp": np.exp,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
}


class Elicited(BaseModel):
    """The central interval that was stated, on the scale on which it was stated."""

    model_config = _STRICT
    scale: Literal["identity", "exp", "logistic"]
    probability: float = Field(gt=0, lt=1)
    lower: float
    upper: float


class _Described(BaseModel):
    model_config = _STRICT
    statement: str = Field(min_length=10)
    elicited: Elicited
    rationale: str = Field(min_length=10)
    source: str = Field(min_length=3)
    date: date


class ScalarPrior(_Described):
    """A prior of one number: the family's name and parameters as PyMC and PreliZ both have them."""

    family: Literal["Normal", "HalfNormal", "LogNormal", "TruncatedNormal", "Beta"]
    parameters: dict[str, float]

    @model_validator(mode="after")
    def _complete(self) -> "ScalarPrior":
        wanted = _PARAMETERS[self.family]
        if set(self.parameters) != set(wanted):
            message = f"parameters are {sorted(self.parameters)}, a {self.family} has {sorted(wanted)}"
            raise ValueError(message)
        p = self.parameters
        for key in ("sigma", "alpha", "beta"):
            if not 0 < p.get(key, 1.0) < np.inf:
                message = f"{key} must be a number above 0"
                raise ValueError(message)
        if not np.isfinite(p.get("mu", 0.0)) or not p.get("lower", -np.inf) < p.get("upper", np.inf):
            message = "mu must be a number, and lower must lie below upper"
            raise ValueError(message)
        return self


class DirichletPrior(_Described):
    """Dirichlet(weights) over categories, the first of which is "nothing happens"; the statement is about the rest."""

    family: Literal["Dirichlet"]
    weights: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=2)
    categories: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _one_weight_a_category(self) -> "DirichletPrior":
        if len(self.weights) != len(self.categories):
            message = f"{len(self.weights)} weights for {len(self.categories)} categories"
            raise ValueError(message)
        return self

    @property
    def parameters(self) -> dict[str, float]:
        """Weights by category."""
        return dict(zip(self.categories, self.weights, strict=True))


Prior = ScalarPrior | DirichletPrior
_ADAPTER: TypeAdapter[Prior] = TypeAdapter(Annotated[Prior, Field(discriminator="family")])


@dataclass(frozen=True, slots=True)
class Priors:
    """Priors by block and name, with the folder they came from."""

    folder: Path
    blocks: Mapping[str, Mapping[str, Prior]]

    def __getitem__(self, name: str) -> Prior:
        """Return the prior of a parameter, whatever its block."""
        for block in self.blocks.values():
            if name in block:
                return block[name]
        message = f"{self.folder}: no prior named {name!r}; the model needs one in one of {', '.join(self.blocks)}.toml"
        raise PriorError(message)

    def digest(self) -> str:
        """SHA-256 of what the priors say, whatever the layout of the files."""
        said = {b: {n: p.model_dump(mode="json") for n, p in ps.items()} for b, ps in self.blocks.items()}
        return f"sha256:{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}"

    def variable(self, name: str, *, dims: tuple[str, ...] = ()) -> "pm.Distribution":
        """Declare one parameter in the current PyMC model, repeated over ``dims``."""
        import pymc as pm

        prior = self._scalar(name)
        if prior.family in _BY_RANK:
            parameters = {key: np.asarray(value) for key, value in prior.parameters.items()}
            return pm.Deterministic(name, _by_rank(f"{name}_normal", parameters, dims=dims or None), dims=dims or None)
        return getattr(pm, prior.family)(name, dims=dims or None, **prior.parameters)

    def vector(self, label: str, names: tuple[str, ...], *, dim: str) -> Any:
        """Declare many scalar parameters as one vector ``label`` of the current PyMC model, over ``dim``.

        Parameters of one family are declared together: the fewer the variables, the smaller the graph to compile.
        """
        import pymc as pm
        import pytensor.tensor as pt

        priors = [self._scalar(name) for name in names]
        families = sorted({prior.family for prior in priors})
        parts, order = [], []
        for family in families:
            members = [i for i, prior in enumerate(priors) if prior.family == family]
            rows = [priors[i].parameters for i in members]
            stacked = {key: np.array([row[key] for row in rows]) for key in rows[0]}
            own_name = f"{label}_{family.lower()}"
            parts.append(
                _by_rank(own_name, stacked) if family in _BY_RANK else getattr(pm, family)(own_name, **stacked)
            )
            order += members
        return pm.Deterministic(label, pt.concatenate(parts)[np.argsort(order)], dims=dim)

    def _scalar(self, name: str) -> ScalarPrior:
        prior = self[name]
        if not isinstance(prior, ScalarPrior):
            message = f"{at(self.folder, field=name)}: the model needs one number here, not a {prior.family}"
            raise PriorError(message)
        return prior

    def draw(self, name: str, size: int | tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw from the parameter's prior with SciPy, for prior predictive checks; shape ``size``."""
        from scipy import stats

        prior = self[name]
        if isinstance(prior, DirichletPrior):
            return rng.dirichlet(prior.weights, size)
        p = dict(prior.parameters)
        match prior.family:
            case "Normal":
                drawn = rng.normal(p["mu"], p["sigma"], size)
            case "HalfNormal":
                drawn = np.abs(rng.normal(0.0, p["sigma"], size))
            case "LogNormal":
                drawn = rng.lognormal(p["mu"], p["sigma"], size)
            case "Beta":
                drawn = rng.beta(p["alpha"], p["beta"], size)
            case "TruncatedNormal":
                a, b = (p["lower"] - p["mu"]) / p["sigma"], (p["upper"] - p["mu"]) / p["sigma"]
                drawn = stats.truncnorm.rvs(a, b, p["mu"], p["sigma"], size=size, random_state=rng)
        return np.asarray(drawn)


@dataclass(frozen=True, slots=True)
class PriorCheck:
    """Whether a family reproduces its statement."""

    block: str
    name: str
    stated: tuple[float, float]
    implied: tuple[float, float]
    ok: bool


def _by_rank(name: str, parameters: Mapping[str, np.ndarray], *, dims: tuple[str, ...] | None = None) -> Any:
    """Declare a normal that is cut off as the value of the same rank as a standard normal variable ``name``.

    In the logarithm of a scale the posterior has a long flat tail towards zero, which a sampler crosses slowly; here
    what the data leave open stays a standard normal. With S the survival function, ``S(x) = S(upper) + (S(lower) -
    S(upper)) S(u)``: written so, upper tails keep their precision.
    """
    import pymc as pm
    import pytensor.tensor as pt
    from scipy.stats import norm

    sigma = parameters["sigma"]
    mu, upper = parameters.get("mu", np.zeros_like(sigma)), parameters.get("upper", np.full_like(sigma, np.inf))
    above = norm.sf((upper - mu) / sigma)
    inside = norm.sf((parameters.get("lower", np.zeros_like(sigma)) - mu) / sigma) - above
    normal = pm.Normal(name, dims=dims, shape=None if dims else sigma.shape)
    return mu + sigma * np.sqrt(2.0) * pt.erfcinv(2.0 * above + inside * pt.erfc(normal / np.sqrt(2.0)))


def priors_folder() -> Path:
    """Folder of the shipped priors: beside the package in a checkout, inside it once installed from a wheel."""
    beside = _PACKAGE.parent / "priors"
    return beside if (beside / "diplomacy.toml").is_file() else _PACKAGE / "_priors"


def load_priors(folder: Path | None = None) -> Priors:
    """Read every ``*.toml`` of a folder of priors (default: the shipped ones).

    Raises
    ------
    PriorError
        The folder is empty, a file cannot be read or is not TOML, a key is unknown, a value is out of place, a name is
        used twice.
    """
    folder = folder or priors_folder()
    files = sorted(folder.glob("*.toml"))
    if not files:
        message = f"{folder}: no prior files (*.toml) here; give a folder that holds them"
        raise PriorError(message)
    blocks: dict[str, dict[str, Prior]] = {}
    for path in files:
        blocks[path.stem] = _read_block(path)
        for earlier in list(blocks)[:-1]:
            twice = blocks[earlier].keys() & blocks[path.stem].keys()
            if twice:
                message = f"{at(path, field=min(twice))}: also in {earlier}.toml; a parameter has one prior"
                raise PriorError(message)
    return Priors(folder, blocks)


def check_priors(priors: Priors) -> list[PriorCheck]:
    """Compare the interval that each family implies (PreliZ) with the one that was stated."""
    return [_check(block, name, prior) for block, ps in priors.blocks.items() for name, prior in ps.items()]


def _read_block(path: Path) -> dict[str, Prior]:
    return {name: _read_prior(path, name, entry) for name, entry in read_toml(path, PriorError).items()}


def _read_prior(path: Path, name: str, entry: Any) -> Prior:
    try:
        return _ADAPTER.validate_python(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join([name, *(str(part) for part in first["loc"][1:])])
        reason = first["msg"].removeprefix("Value error, ")
        message = f"{at(path, field=field)}: {reason}; see the other entries for the form"
        raise PriorError(message) from None


def _check(block: str, name: str, prior: Prior) -> PriorCheck:
    import preliz

    tail = (1 - prior.elicited.probability) / 2
    if isinstance(prior, DirichletPrior):
        distribution = preliz.Beta(sum(prior.weights[1:]), prior.weights[0])
    else:
        distribution = getattr(preliz, prior.family)(**prior.parameters)
    low, high = _SCALES[prior.elicited.scale](np.asarray(distribution.ppf(np.array([tail, 1 - tail])), dtype=float))
    stated = (prior.elicited.lower, prior.elicited.upper)
    ok = bool(np.allclose(stated, (low, high), rtol=_TOLERANCE, atol=1e-12))
    return PriorCheck(block, name, stated, (float(low), float(high)), ok)
