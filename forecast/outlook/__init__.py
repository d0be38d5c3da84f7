"""Simulated paths, questions, the outlook and its document."""

from forecast.outlook.document import Fallback, to_document
from forecast.outlook.outlook import Answer, Outlook, build_outlook, plan_weeks_for
from forecast.outlook.probabilities import Probability

__all__ = ["Answer", "Fallback", "Outlook", "Probability", "build_outlook", "plan_weeks_for", "to_document"]
