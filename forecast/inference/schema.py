"""The posterior on disk: names, dimensions and units, public and pinned by a test.

A change here is a breaking change of the file format: raise :data:`SCHEMA` and say so in the changelog.
"""

from typing import Final

SCHEMA: Final = "forecast-posterior/1"
ATTRIBUTE: Final = "forecast"
"""Name of the one attribute of the file's root: a JSON string with schema, rung, case, as-of, digests and versions."""

SAMPLE_DIMS: Final = ("chain", "draw")

VARIABLES: Final[dict[str, dict[str, tuple[tuple[str, ...], str]]]] = {
    "R0": {
        "deal": (("band", "deal_kind"), "probability within the band, nothing having come before"),
        "escalation": (("band", "escalated"), "probability within the band, nothing having come before"),
    },
    "R1": {
        "base": (("move",), "log-odds per week against staying"),
        "term": (("coefficient",), "log odds ratio per unit of the feature"),
        "chance": (("chance_of",), "probability"),
        "dyad_sd": (("dyad_on",), "log odds"),
        "dyad_effect": (("dyad", "dyad_on"), "log odds; dyad 0 is the case's own"),
        "reference_offset": (("episode_end",), "log odds of the reference episodes over a coded week"),
    },
}
VARIABLES["R3"] = {
    **VARIABLES["R1"],
    "global_scale": ((), "log odds ratio per standard deviation"),
    "slab_scale": ((), "log odds ratio per standard deviation"),
    "local_scale": (("composite", "driven"), "ratio"),
    "driver": (("composite", "driven"), "log odds ratio per standard deviation of the composite"),
    "persistence": (("composite",), "correlation from week to week"),
    "innovation": (("composite",), "standard deviations of the composite per week"),
}
SAMPLE_STATS: Final = ("diverging", "energy", "n_steps", "depth", "step_size")
