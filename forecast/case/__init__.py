"""A case: a dyad with its signals, coding rules and questions, all of it data."""

from forecast.case.loader import available_cases, load_case
from forecast.case.schema import (
    LADDERS,
    LEVELS,
    LONGEST_WEEKS,
    Case,
    Component,
    Composite,
    Driver,
    Hold,
    Item,
    Question,
    ResolutionRules,
    Side,
    Signal,
    Term,
    deadline,
    last_whole_day,
)

__all__ = [
    "LADDERS",
    "LEVELS",
    "LONGEST_WEEKS",
    "Case",
    "Component",
    "Composite",
    "Driver",
    "Hold",
    "Item",
    "Question",
    "ResolutionRules",
    "Side",
    "Signal",
    "Term",
    "available_cases",
    "deadline",
    "last_whole_day",
    "load_case",
]
