import numpy as np
import pytest

from forecast.models.moves import (
    DRIVEN,
    FEATURES,
    MOVE_NAMES,
    MOVES,
    TERM_NAMES,
    TERMS,
    allowed,
    driver_placement,
    duration_scale,
    ladder_moves,
    placement,
)
from tests.models.plain import GROUPS, STEPS, open_moves

# The model's tables as an analyst would write them on paper: which coefficient speaks of which move, through what.
FORCE_ON_DIPLOMACY = {
    "open": ("open",),
    "deal": ("limited", "comprehensive"),
    "collapse": ("collapse",),
    "lapse": ("lapse",),
}
ON_PAPER = {
    "limited_from_none": ("from_none", ("limited",)),
    "comprehensive_from_none": ("from_none", ("comprehensive",)),
    "comprehensive_from_limited": ("from_limited", ("comprehensive",)),
    "lapse_from_comprehensive": ("from_comprehensive", ("lapse",)),
    "conflict_from_calm": ("from_calm", ("conflict",)),
    **{
        f"duration_{m}": ("diplomacy_duration", (m,)) for m in ("open", "limited", "comprehensive", "collapse", "lapse")
    },
    **{f"duration_{m}": ("force_duration", (m,)) for m in ("coerce", "conflict", "ease", "deescalate")},
    "deadline_soft": ("deadline", ("limited", "comprehensive")),
    "deadline_hard": ("hard_deadline", ("limited", "comprehensive")),
    "deadline_conflict": ("deadline", ("conflict",)),
    "mediation_open": ("mediation", ("open",)),
    "mediation_deal": ("mediation", ("limited", "comprehensive")),
    "mediation_collapse": ("mediation", ("collapse",)),
    "permanence": ("log_term_left", ("comprehensive",)),
    **{f"{f}_on_{n}": (f, moves) for f in ("coercion", "conflict") for n, moves in FORCE_ON_DIPLOMACY.items()},
    **{f"{d}_on_up": (d, ("coerce", "conflict")) for d in ("talks", "agreement")},
    **{f"{d}_on_down": (d, ("ease", "deescalate")) for d in ("talks", "agreement")},
}


def test_terms_are_those_on_paper() -> None:
    assert {t.name: (t.feature, t.moves) for t in TERMS} == ON_PAPER
    assert len(set(TERM_NAMES)) == len(TERM_NAMES)


def test_every_coefficient_stands_once_for_each_of_its_moves() -> None:
    place = placement()
    assert place.shape == (len(FEATURES), len(MOVES), len(TERMS))
    for name, (feature, moves) in ON_PAPER.items():
        expected = np.zeros(place.shape[:2])
        for move in moves:
            expected[FEATURES.index(feature), MOVE_NAMES.index(move)] = 1
        np.testing.assert_array_equal(place[:, :, TERM_NAMES.index(name)], expected, err_msg=name)


def test_every_feature_speaks_of_some_move() -> None:
    assert (placement().sum(axis=(1, 2)) > 0).all()


def test_a_composite_acts_on_each_move_of_its_group_and_lapse_is_left_to_the_terms() -> None:
    assert dict(DRIVEN) == GROUPS
    np.testing.assert_array_equal(driver_placement().sum(axis=0), [m != "lapse" for m in MOVE_NAMES])


@pytest.mark.parametrize("ladder", ["diplomacy", "force"])
def test_moves_allowed_are_the_steps_that_a_ladder_can_make(ladder: str) -> None:
    levels = np.array(sorted({before for before, _ in STEPS[ladder]}))
    names = [MOVE_NAMES[i] for i in ladder_moves(ladder)]
    table = allowed(ladder, levels[None, :])
    assert table.shape == (1, len(levels), len(names))
    for level, row in zip(levels.tolist(), table[0], strict=True):
        assert {n for n, possible in zip(names, row, strict=True) if possible} == set(open_moves(ladder, level))


def test_a_move_leads_off_the_levels_it_starts_from() -> None:
    for move in MOVES:
        assert move.target not in move.origins
        assert all(STEPS[move.ladder][origin, move.target] == move.name for origin in move.origins)


def test_durations_are_counted_in_quarters_on_a_log_scale() -> None:
    np.testing.assert_allclose(duration_scale(np.array([0.0, 13.0, 52.0])), np.log([1.0, 2.0, 5.0]))
