"""Numbers in words: percent, small fractions, and a fixed scale of verbal probabilities.

The scale follows Intelligence Community Directive 203 (U.S. ODNI, 2015); a word never stands without its number.
"""

from fractions import Fraction

_SCALE = (
    (0.05, "almost no chance", "under 5 %"),
    (0.20, "very unlikely", "5–20 %"),
    (0.45, "unlikely", "20–45 %"),
    (0.55, "roughly even chance", "45–55 %"),
    (0.80, "likely", "55–80 %"),
    (0.95, "very likely", "80–95 %"),
    (1.01, "almost certain", "over 95 %"),
)
_DENOMINATORS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50, 100)


def percent(p: float) -> str:
    """Whole percent; never 0 % or 100 % for what is still open."""
    if p < 0.005:
        return "< 1 %"
    if p >= 0.995:
        return "> 99 %"
    return f"{100 * p:.0f} %"


def word(p: float) -> tuple[str, str]:
    """Return the verbal probability and the range that it stands for."""
    for below, name, span in _SCALE:
        if p < below:
            return name, span
    raise ValueError(p)


def fraction(p: float) -> str:
    """A small fraction near a probability: ``about 1 in 4``."""
    if p < 0.01:
        return "less than 1 in 100"
    if p > 0.99:
        return "more than 99 in 100"
    candidates = [Fraction(n, d) for d in _DENOMINATORS for n in range(1, d) if n == 1 or n == d - 1 or d <= 5]
    # The simplest fraction that is as near as rounding to whole percent can tell, else the nearest.
    near = [c for c in candidates if abs(float(c) - p) <= max(0.015, 0.06 * min(p, 1 - p))]
    best = (
        min(near, key=lambda c: (c.denominator, abs(float(c) - p)))
        if near
        else min(candidates, key=lambda c: abs(float(c) - p))
    )
    return f"about {best.numerator} in {best.denominator}"
