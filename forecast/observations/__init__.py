"""Observations, vintages and the weekly grid. ``as_of`` is the only door to data."""

from forecast.observations.composites import WeeklyComposites, weekly_composites
from forecast.observations.items import WeeklyItems, weekly_items
from forecast.observations.ladders import CodedWeeks, Interval, code_weeks, intervals_of, levels_on, week_ends
from forecast.observations.vintage import Vintage, as_of, parse_instant, refuse_future

__all__ = [
    "CodedWeeks",
    "Interval",
    "Vintage",
    "WeeklyComposites",
    "WeeklyItems",
    "as_of",
    "code_weeks",
    "intervals_of",
    "levels_on",
    "parse_instant",
    "refuse_future",
    "week_ends",
    "weekly_composites",
    "weekly_items",
]
