from forecast.inference.schema import SAMPLE_DIMS, SAMPLE_STATS, SCHEMA, VARIABLES

HAZARDS = {
    "base": ("move",),
    "term": ("coefficient",),
    "chance": ("chance_of",),
    "dyad_sd": ("dyad_on",),
    "own_dyad": ("dyad_on",),
    "reference_offset": ("episode_end",),
}
DRIVERS = {
    "global_scale": (),
    "slab_scale": (),
    "local_scale": ("composite", "driven"),
    "driver": ("composite", "driven"),
    "persistence": ("composite",),
    "innovation": ("composite",),
}

LEVERAGE = {
    "gap_effect": ("gap_on",),
    "loading_true": ("true_item",),
    "loading_believed": ("believed_item",),
    "level_normal": ("normal_item",),
    "level_count": ("count_item",),
    "level_binary": ("binary_item",),
    "noise": ("normal_item",),
    "own_sd": ("own_state",),
    "theatre": ("count_item",),
    "in_conflict": ("count_item",),
    "driver_effect": ("driver",),
    "persistence": ("state",),
    "scale": ("state",),
    "leverage": ("week", "latent"),
    "gap": ("week",),
    "shift": ("latent",),
}


def test_the_schema_is_pinned() -> None:
    """A failure here is a breaking change of the posterior's file format: raise SCHEMA and say so in the changelog."""
    assert SCHEMA == "forecast-posterior/2"
    assert SAMPLE_DIMS == ("chain", "draw")
    assert SAMPLE_STATS == ("diverging", "energy", "n_steps", "depth", "step_size")
    assert {rung: {name: dims for name, (dims, _) in variables.items()} for rung, variables in VARIABLES.items()} == {
        "R0": {"deal": ("band", "deal_kind"), "escalation": ("band", "escalated")},
        "R1": HAZARDS,
        "R3": {**HAZARDS, **DRIVERS},
        "R4": {**HAZARDS, **LEVERAGE},
        "R5": {**HAZARDS, **LEVERAGE},
        "R6": {**HAZARDS, **LEVERAGE, "misperception_sd": ("misperception_state",), "learning": ()},
    }


def test_every_variable_has_a_unit() -> None:
    assert all(unit for variables in VARIABLES.values() for _, unit in variables.values())
