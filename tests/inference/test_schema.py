from forecast.inference.schema import SAMPLE_DIMS, SAMPLE_STATS, SCHEMA, VARIABLES

HAZARDS = {
    "base": ("move",),
    "term": ("coefficient",),
    "chance": ("chance_of",),
    "dyad_sd": ("dyad_on",),
    "dyad_effect": ("dyad", "dyad_on"),
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


def test_the_schema_is_pinned() -> None:
    """A failure here is a breaking change of the posterior's file format: raise SCHEMA and say so in the changelog."""
    assert SCHEMA == "forecast-posterior/1"
    assert SAMPLE_DIMS == ("chain", "draw")
    assert SAMPLE_STATS == ("diverging", "energy", "n_steps", "depth", "step_size")
    assert {rung: {name: dims for name, (dims, _) in variables.items()} for rung, variables in VARIABLES.items()} == {
        "R0": {"deal": ("band", "deal_kind"), "escalation": ("band", "escalated")},
        "R1": HAZARDS,
        "R3": {**HAZARDS, **DRIVERS},
    }


def test_every_variable_has_a_unit() -> None:
    assert all(unit for variables in VARIABLES.values() for _, unit in variables.values())
