# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # A first outlook
#
# From the shipped case to a plotted outlook: what was known on 14 April 2026, two days after the talks in Islamabad
# broke off and one day after the blockade began. Set `FORECAST_FAST=1` for a quick run with few draws.

# %%
import os

import matplotlib.pyplot as plt

from forecast import as_of, build_outlook, fit, load_case
from forecast.case import LEVELS
from forecast.inference import Settings
from forecast.models import build_history, get_rung, load_priors

FAST = os.environ.get("FORECAST_FAST") == "1"

# %% [markdown]
# `as_of` is the only door to data: nothing published after that day gets through.

# %%
vintage = as_of(load_case("us-iran"), "2026-04-14")
history = build_history(vintage, plan_weeks=60)
history.origin

# %% [markdown]
# Fit the hazards of both ladders. The first time the model is compiled, which takes a minute or two.

# %%
settings = Settings(draws=200, tune=200, chains=2) if FAST else Settings()
posterior = fit(get_rung("R1"), history, priors=load_priors(), settings=settings, report=print)
outlook = build_outlook(posterior)
outlook.table()

# %% [markdown]
# How likely by when: the line is the probability, the band is how uncertain that probability is itself (90 %).

# %%
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for question, colour in (("deal", "#0072b2"), ("escalation", "#d55e00")):
    curve = outlook.curve(question, 52)
    weeks = range(53)
    axes.fill_between(weeks, curve["lower"], curve["upper"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(weeks, curve["mean"], color=colour)
    axes.text(52.5, curve["mean"][-1], question, color=colour, va="center")
axes.set(xlim=(0, 60), ylim=(0, 1.05), xlabel="weeks from 14 April 2026", ylabel="probability by then")
plt.show()

# %% [markdown]
# The two ladders that the hazards were learned from.

# %%
figure, panels = plt.subplots(2, 1, figsize=(7, 3.5), sharex=True, layout="constrained")
for axes, (ladder, level) in zip(panels, history.weeks.levels.items(), strict=True):
    axes.step(history.weeks.ends, level, where="post", color="black", linewidth=1)
    axes.set_yticks(range(len(LEVELS[ladder])), [name.replace("_", " ") for name in LEVELS[ladder]])
    axes.set_title(ladder, loc="left", fontsize=10)
plt.show()
