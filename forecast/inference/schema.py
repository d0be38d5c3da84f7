"""The posterior on disk: names, dimensions and units, public and pinned by a test.

A change here is a breaking change of the file format: raise :data:`SCHEMA` and say so in the changelog.
"""

from typing import Final

SCHEMA: Final = "forecast-posterior/2"
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
        "own_dyad": (("dyad_on",), "log odds; the case's own dyad against others"),
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
_LEVERAGE: dict[str, tuple[tuple[str, ...], str]] = {
    **VARIABLES["R1"],
    "gap_effect": (("gap_on",), "log odds ratio per unit of the gap"),
    "loading_true": (("true_item",), "per unit of true leverage"),
    "loading_believed": (("believed_item",), "per unit of believed leverage"),
    "level_normal": (("normal_item",), "standard deviations of the item"),
    "level_count": (("count_item",), "log share of the events on record"),
    "level_binary": (("binary_item",), "log odds"),
    "noise": (("normal_item",), "standard deviations of the item"),
    "own_sd": (("own_state",), "standard deviations of the item"),
    "theatre": (("count_item",), "log rate ratio per log(1 + own recent events)"),
    "in_conflict": (("count_item",), "log rate ratio in weeks of conflict"),
    "driver_effect": (("driver",), "units of true leverage per standard deviation of the driver"),
    "persistence": (("state",), "correlation from week to week"),
    "scale": (("state",), "units of true leverage"),
    "leverage": (("week", "latent"), "units of true leverage, from what is usual for the side"),
    "gap": (("week",), "units of true leverage, from what is usual"),
    "shift": (("latent",), "units of true leverage that drivers add in the last week"),
}
VARIABLES["R4"] = _LEVERAGE
VARIABLES["R5"] = _LEVERAGE
VARIABLES["R6"] = {
    **_LEVERAGE,
    "misperception_sd": (("misperception_state",), "units of true leverage"),
    "learning": ((), "log decay of misperception per week of fighting"),
}
OF_SOME_ITEMS: Final = frozenset(
    {"level_normal", "level_count", "level_binary", "noise", "own_sd", "theatre", "in_conflict"}
)
"""Variables of the leverage rungs that are there only if the case has items of their kind."""
SAMPLE_STATS: Final = ("diverging", "energy", "n_steps", "depth", "step_size")
