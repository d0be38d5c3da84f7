"""What each item says about leverage now: leave it out, and see where the latent paths go.

Items are left out by masking their values, so nothing is compiled anew. Hyperparameters are held as they were drawn:
this is what the item's values say through the model as it was learned, not what would have been learned without it.
"""

from dataclasses import dataclass

import numpy as np

from forecast.inference.target import Target
from forecast.models.history import History
from forecast.models.leverage import layout_of, measure_columns

DRAWS = 40  # of the posterior, evenly spaced: their mean is what is shown, and it is smooth in them


@dataclass(frozen=True, slots=True)
class Lessons:
    """How far each item moves the latents of the last week.

    Attributes
    ----------
    items, states
        Ids of the items, names of the latent states.
    moved
        Posterior mean of a state with all items less that without the item [item, state].
    gap
        The same of the gap [item].
    """

    items: tuple[str, ...]
    states: tuple[str, ...]
    moved: np.ndarray
    gap: np.ndarray


def lessons(target: Target, rung: str, history: History, data: dict[str, np.ndarray], flat: np.ndarray) -> Lessons:
    """Leave every item out in turn.

    Parameters
    ----------
    target
        The compiled rung.
    rung
        Its name.
    history
        The history that it was fitted to.
    data
        Its data arrays.
    flat
        Draws of the hyperparameters [chain, draw, element].

    Raises
    ------
    EngineError
        The search for the latents' mode fails, with all items or without one.
    """
    layout = layout_of(history.case, rung)
    known = measure_columns(layout)["known"]
    last = history.weeks.n_weeks - 1
    rows = flat.reshape(-1, flat.shape[-1])
    rows = rows[np.linspace(0, len(rows) - 1, min(DRAWS, len(rows))).astype(int)]
    full = target.density.arrange(data)
    told = [target.latents_at(x, np.zeros(target.states or ()), full, what=rung) for x in rows]
    moved = np.empty((len(layout.items), len(layout.states)))
    for k in range(len(layout.items)):
        masked = data["measures"].copy()
        masked[:, known.start + k] = 0.0
        what = f"{rung} without item {layout.items[k].id!r}"
        without = target.density.arrange(data | {"measures": masked})
        means = [
            mean[last] - target.latents_at(x, mode, without, what=what)[1][last]
            for x, (mode, mean, _lower) in zip(rows, told, strict=True)
        ]
        moved[k] = np.mean(means, axis=0)
    return Lessons(tuple(i.id for i in layout.items), layout.states, moved, moved @ layout.gap)
