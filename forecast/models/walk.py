"""Carry the ladders forward: one step of a rung's own generative process, for many paths of many draws at once.

A walker holds the state of all paths [draw, path] and advances it by a week. Its hazards are those of the fit (same
features, same tables); whatever drives them (mediation, composites, durations, deadlines, the term of office) is
carried along.
"""

from typing import Protocol

import numpy as np
import xarray as xr

from forecast.case import LADDERS
from forecast.models.base_rate import BANDS
from forecast.models.history import Origin, feature_array
from forecast.models.moves import (
    COERCION,
    COMPREHENSIVE,
    CONFLICT,
    LIMITED,
    MOVE_NAMES,
    MOVES,
    NONE,
    TALKS,
    allowed,
    driver_placement,
    gap_placement,
    gap_weight,
    ladder_moves,
    placement,
)


class Walker(Protocol):
    """Something that can be asked for the next week of all paths."""

    diplomacy: np.ndarray
    force: np.ndarray

    def step(self, week: int) -> None:
        """Advance every path by step ``week`` (counted from 0); levels [draw, path] are then those at its end."""


class HazardWalker:
    """Paths of the hazard rungs (R1, R3, R4 to R6).

    Parameters
    ----------
    draws
        Posterior draws with the dimension ``sample``.
    origin
        Where the paths start.
    paths
        Paths per draw.
    rng
        Source of randomness.
    """

    def __init__(self, draws: xr.Dataset, origin: Origin, *, paths: int, rng: np.random.Generator) -> None:
        self._origin = origin
        self._rng = rng
        shape = (draws.sizes["sample"], paths)
        self._base = _base_with_own_dyad(draws)[:, None, :]
        self._weights = np.tensordot(_values(draws, "term"), placement(), axes=([1], [2]))
        self._chance = {str(n): _values(draws, "chance")[:, [j]] for j, n in enumerate(draws["chance_of"].values)}
        self.diplomacy = np.full(shape, origin.diplomacy)
        self.force = np.full(shape, origin.force)
        self._weeks = {"diplomacy": np.full(shape, origin.diplomacy_weeks), "force": np.full(shape, origin.force_weeks)}
        self._mediation = np.full(shape, origin.mediation)
        self._composites = _Composites(draws, origin, shape) if "driver" in draws.data_vars else None
        self._gap = _Gap(draws, shape) if "gap_effect" in draws else None

    def step(self, week: int) -> None:
        """Advance every path by one step of the origin's plan."""
        exposure = float(self._origin.exposure[week])
        eta = self._log_odds(week) + np.log(exposure)
        before = {"diplomacy": self.diplomacy, "force": self.force}
        after = {ladder: self._moved(ladder, before[ladder], eta) for ladder in LADDERS}
        for ladder in LADDERS:
            stayed = after[ladder] == before[ladder]
            self._weeks[ladder] = np.where(stayed, self._weeks[ladder] + exposure, exposure)
        self.diplomacy, self.force = after["diplomacy"], after["force"]
        mediated = _later(
            self._mediation, self._chance["mediation_persists"], self._chance["mediation_starts"], exposure
        )
        self._mediation = self._rng.random(self._mediation.shape) < mediated
        if self._composites is not None:
            self._composites.step(exposure, self._rng)
        if self._gap is not None:
            self._gap.step(self.force == CONFLICT, exposure, self._rng)

    def _log_odds(self, week: int) -> np.ndarray:
        plan = self._origin.plan
        features = feature_array(
            diplomacy=self.diplomacy,
            force=self.force,
            diplomacy_weeks=self._weeks["diplomacy"],
            force_weeks=self._weeks["force"],
            mediation=self._mediation,
            deadline=plan.deadline[week],
            hard_deadline=plan.hard_deadline[week],
            log_term_left=plan.log_term_left[week],
        )
        eta = self._base + features @ self._weights
        for driven in (self._composites, self._gap):
            if driven is not None:
                eta = eta + driven.log_odds()
        return np.asarray(eta)

    def _moved(self, ladder: str, level: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Draw the move of each path and return the new levels."""
        moves = ladder_moves(ladder)
        odds = np.where(allowed(ladder, level), np.exp(eta[..., list(moves)]), 0.0)
        cumulative = np.cumsum(odds, axis=-1)
        drawn = self._rng.random(level.shape) * (1.0 + cumulative[..., -1]) - 1.0
        made = (drawn[..., None] >= cumulative).sum(axis=-1)  # drawn < 0 is staying; made counts the moves passed over
        targets = np.array([MOVES[i].target for i in moves])
        new = np.where(drawn < 0, level, targets[np.minimum(made, len(moves) - 1)])
        if ladder == "diplomacy":
            lapsed = (level >= LIMITED) & (new == NONE)
            to_talks = self._rng.random(level.shape) < self._chance["lapse_to_talks"]
            new = np.where(lapsed & to_talks, TALKS, new)
        return new


class _Composites:
    """First-order autoregressions of the composites [draw, path, composite] and their part of the log-odds."""

    def __init__(self, draws: xr.Dataset, origin: Origin, shape: tuple[int, int]) -> None:
        self._persistence = _values(draws, "persistence")[:, None, :]
        self._innovation = _values(draws, "innovation")[:, None, :]
        self._effects = _values(draws, "driver") @ driver_placement()
        self._values = np.broadcast_to(origin.composites, (*shape, len(origin.composites))).copy()

    def log_odds(self) -> np.ndarray:
        """Contribution to every move's log-odds [draw, path, move]."""
        return np.asarray(self._values @ self._effects)

    def step(self, share: float, rng: np.random.Generator) -> None:
        """Advance by a share of a week; the law of whole weeks is that of the fit."""
        kept = self._persistence**share
        innovation = self._innovation * np.sqrt((1.0 - kept**2) / (1.0 - self._persistence**2))
        self._values *= kept
        self._values += innovation * rng.standard_normal(self._values.shape)


class _Gap:
    """Latent leverage carried on from the last week [draw, path, latent], and the gap's part of the log-odds.

    What drivers add stays as it is in the last week; misperception fades faster on paths that fight.
    """

    def __init__(self, draws: xr.Dataset, shape: tuple[int, int]) -> None:
        latents = [str(name) for name in draws["latent"].values]
        self._effects = (_values(draws, "gap_effect") @ gap_placement())[:, None, :]
        self._weights = np.array([gap_weight(name) for name in latents])
        of_states = draws.sel(state=latents)
        self._persistence = _values(of_states, "persistence")[:, None, :]
        self._scale = _values(of_states, "scale")[:, None, :]
        learning = _values(draws, "learning") if "learning" in draws else np.zeros(shape[0])
        learns = np.array([name.startswith("misperception") for name in latents])
        self._kept_in_conflict = np.exp(-learning[:, None, None] * learns)
        self._shift = _values(draws, "shift")[:, None, :]
        now = _values(draws.isel(week=-1), "leverage")[:, None, :] - self._shift
        self._values = np.broadcast_to(now, (*shape, len(latents))).copy()

    def log_odds(self) -> np.ndarray:
        """Contribution to every move's log-odds [draw, path, move]."""
        gap = (self._values + self._shift) @ self._weights
        return np.asarray(gap[..., None] * self._effects)

    def step(self, fighting: np.ndarray, share: float, rng: np.random.Generator) -> None:
        """Advance by a share of a week, given which paths end it in conflict [draw, path]: the law of the fit."""
        self._values *= (self._persistence * np.where(fighting[..., None], self._kept_in_conflict, 1.0)) ** share
        innovation = self._scale * np.sqrt(1.0 - self._persistence ** (2.0 * share))
        self._values += innovation * rng.standard_normal(self._values.shape)


class BaseRateWalker:
    """Paths of R0: a first deal and a first escalation, independent, each uniform within its band.

    A base rate has no clock of its own: it counts from the as-of time, and the steps before that change nothing.
    A base rate knows first passages only: levels wait below what may come (from the start, even with a deal in force or
    in conflict, so that a step up is there to see), step up once, and stay there.
    """

    def __init__(self, draws: xr.Dataset, origin: Origin, *, paths: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._lead = origin.lead_steps
        self._deal = _values(draws, "deal")
        self._escalation = _values(draws, "escalation")
        shape = (draws.sizes["sample"], paths)
        self._below = {"diplomacy": min(origin.diplomacy, TALKS), "force": min(origin.force, COERCION)}
        self._waiting = {ladder: np.ones(shape, dtype=bool) for ladder in LADDERS}
        self.diplomacy = np.full(shape, self._below["diplomacy"])
        self.force = np.full(shape, self._below["force"])

    def step(self, week: int) -> None:
        """Advance every path by one week beyond the as-of time; beyond the last band its rate goes on."""
        if week < self._lead:
            return
        band, passed = _band_of(week - self._lead)
        width = BANDS[band] - (BANDS[band - 1] if band else 0)
        kinds = _weekly(self._deal[:, band, 1:], width, passed)
        drawn = self._rng.random(self.diplomacy.shape)
        limited, either = kinds[:, [0]], kinds.sum(axis=1, keepdims=True)
        new = np.where(drawn < limited, LIMITED, COMPREHENSIVE)
        self.diplomacy = self._stepped("diplomacy", self.diplomacy, drawn < either, new)
        rate = _weekly(self._escalation[:, band, 1:], width, passed)
        escalates = self._rng.random(self.force.shape) < rate
        self.force = self._stepped("force", self.force, escalates, np.asarray(self._below["force"] + 1))

    def _stepped(self, ladder: str, level: np.ndarray, comes: np.ndarray, new: np.ndarray) -> np.ndarray:
        waiting = self._waiting[ladder]
        stepped = np.where(waiting & comes, new, level)
        self._waiting[ladder] = waiting & ~comes
        return stepped


def _later(on: np.ndarray, persists: np.ndarray, starts: np.ndarray, share: float) -> np.ndarray:
    """Chance that a two-state chain is on a share of a week later, given whether it is on and its weekly chances.

    What is left of a state's lead over the other, ``persists - starts``, fades by that factor a week.
    """
    if share == 1.0:  # exactly, also where the chain alternates (persists < starts) and has no parts of weeks
        return np.where(on, persists, starts)
    in_the_long_run = starts / (1.0 - persists + starts)
    left = np.maximum(persists - starts, 0.0) ** share
    return np.asarray(in_the_long_run + left * (on - in_the_long_run))


def _weekly(chance: np.ndarray, width: int, passed: int) -> np.ndarray:
    """Chance in one week of a band, given nothing before, when the band's chance is spread evenly over its weeks."""
    survived = 1.0 - chance.sum(axis=1, keepdims=True) * passed / width
    return np.asarray(chance / width / np.maximum(survived, 1e-12))


def _band_of(week: int) -> tuple[int, int]:
    """Index of the band that a week lies in, and how many of the band's weeks are over when it begins."""
    for band, end in enumerate(BANDS):
        if week < end:
            return band, week - (BANDS[band - 1] if band else 0)
    width = BANDS[-1] - BANDS[-2]
    return len(BANDS) - 1, (week - BANDS[-2]) % width


def _base_with_own_dyad(draws: xr.Dataset) -> np.ndarray:
    """Base log-odds plus the case's own dyad effects [draw, move]."""
    base = _values(draws, "base").copy()
    own = _values(draws, "own_dyad")
    for name, column in (("limited", 0), ("comprehensive", 0), ("collapse", 1)):
        base[:, MOVE_NAMES.index(name)] += own[:, column]
    return base


def _values(draws: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(draws[name].transpose("sample", ...).values, dtype=float)
