"""Scores, calibration and comparison of forecasts that have been settled."""

from forecast.evaluation.calibration import decompose, reliability, two_parameter_check
from forecast.evaluation.comparison import biggest_misses, compare
from forecast.evaluation.revisions import check_revisions
from forecast.evaluation.summary import ordered_table, score_table
from forecast.evaluation.table import add_clusters, common_questions, join_outcomes

__all__ = [
    "add_clusters",
    "biggest_misses",
    "check_revisions",
    "common_questions",
    "compare",
    "decompose",
    "join_outcomes",
    "ordered_table",
    "reliability",
    "score_table",
    "two_parameter_check",
]
