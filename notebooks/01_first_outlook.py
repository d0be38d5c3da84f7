# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # A first outlook
#
# How likely was a U.S.–Iran deal, and how likely was escalation, given what was publicly known on 14 April 2026: two
# days after the Islamabad talks ended in a walkout, one day after the blockade began?
#
# `FORECAST_FAST=1` in the environment makes a quick run with few draws.

# %%
import os

import matplotlib.pyplot as plt

from forecast import as_of, build_outlook, fit, load_case
from forecast.case import LEVELS
from forecast.inference import Settings
from forecast.models import build_history, get_rung, load_priors

# %% [markdown]
# ## What was known
#
# `as_of` is the only door to data: whatever was published later stays outside, so the forecast below is the one that
# could have been made on that day. The newest events that got through:

# %%
vintage = as_of(load_case("us-iran"), "2026-04-14")
vintage.observations.query("unit == 'event'").tail(6)[["event_time", "signal", "side", "note"]]

# %% [markdown]
# The rules of the case turn events into two ladders, week by week. They are separate because deals and force are not
# exclusive: in 2026 there were talks during a war.

# %%
history = build_history(vintage, plan_weeks=60)  # the plan reaches a year ahead, and eight weeks that a deal must last
figure, panels = plt.subplots(2, figsize=(8, 4), sharex=True, layout="constrained")
for axes, (ladder, level) in zip(panels, history.weeks.levels.items(), strict=True):
    axes.fill_between(history.weeks.ends, level, step="pre", color="#0072b2", alpha=0.25, linewidth=0)
    axes.step(history.weeks.ends, level, where="pre", color="#0072b2", linewidth=1.2)
    axes.set_yticks(range(len(LEVELS[ladder])), [name.replace("_", " ") for name in LEVELS[ladder]])
    axes.set_title(ladder, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# One comprehensive deal, left in May 2018; one limited deal, from August to October 2023; talks that come and go. Force
# steps up far more often, and since 2024 it has reached open conflict six times. That is little to learn from, so the
# intervals below are wide; other negotiations fill in what this history cannot tell.
#
# ## What follows from it
#
# The model is a chance of each step up or down each week. It is sampled with NUTS; the first time it must be compiled,
# which takes a minute or two. From the draws both ladders are simulated, and every question is answered from the same
# paths.

# %%
fast = os.environ.get("FORECAST_FAST") == "1"
settings = Settings(draws=200, chains=2) if fast else Settings()
posterior = fit(get_rung("R3"), history, priors=load_priors(), settings=settings, report=print)
outlook = build_outlook(posterior)
table = outlook.table()
table.pivot_table(index="question", columns="weeks", values="probability", sort=False).round(2)

# %% [markdown]
# Rows are questions, columns are weeks from 14 April. A deal before any escalation, escalation before any deal, and
# neither of the two add up to one in each column. And over time:

# %%
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
shown = {"escalation": "#d55e00", "deal": "#0072b2", "deal_comprehensive": "#009e73"}
for question, colour in shown.items():
    curve = outlook.curve(question, 52)
    axes.fill_between(range(53), curve["lower"], curve["upper"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(curve["mean"], color=colour, linewidth=2)
    label = f"{question.replace('deal_comprehensive', 'comprehensive deal')} {curve['mean'][-1]:.0%}"
    axes.text(52.8, curve["mean"][-1], label, color=colour, va="center")
axes.set(xlim=(0, 52), ylim=(0, 1), xticks=[0, 4, 13, 26, 39, 52], xlabel="weeks from 14 April 2026")
axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
axes.set_title("Probability that it has happened by then, with its 90 % band", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# Escalation is likelier than not within a quarter. A deal is a matter of many months, and most of that chance is a
# limited one: the reference class, the prior and the history all say that comprehensive deals are rare.
#
# The line is the forecast. The band is not where the outcome will lie, since it either happens or not; it says how
# uncertain the probability itself is, given so few events.
#
# What came, and could not be known: strikes from 4 May, a limited deal on 17 June, and its end on 8 July.
