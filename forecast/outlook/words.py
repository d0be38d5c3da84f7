"""Numbers in words: counts, percent, small fractions, and a fixed scale of verbal probabilities.

The scale follows Intelligence Community Directive 203 (U.S. ODNI, 2015); a word never stands without its number.
"""

from fractions import Fraction

_SCALE = (
    (5, "almost no chance", "under 5 %"),
    (20, "very unlikely", "5–20 %"),
    (45, "unlikely", "20–45 %"),
    (55, "roughly even chance", "45–55 %"),
    (80, "likely", "55–80 %"),
    (96, "very likely", "80–95 %"),
    (101, "almost certain", "over 95 %"),
)
_UNIT = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 100)


def counted(number: int, what: str) -> str:
    """Count things: ``1 step``, ``13 steps``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def percent(p: float) -> str:
    """Whole percent; never 0 % or 100 % for what is still open."""
    if p <= 0.005:
        return "< 1 %"
    if p >= 0.995:
        return "> 99 %"
    return f"{100 * p:.0f} %"


def word(p: float) -> tuple[str, str]:
    """Return the verbal probability of the whole per cent that is shown, and the range that it stands for."""
    for below, name, span in _SCALE:
        if round(100 * p) < below:
            return name, span
    raise ValueError(p)


def fraction(p: float) -> str:
    """The nearest small fraction: ``about 1 in 4``; 1 in n, n - 1 in n, or fifths and coarser."""
    if p <= 0.005:
        return "less than 1 in 100"
    if p >= 0.995:
        return "more than 99 in 100"
    small = [Fraction(n, d) for d in range(2, 6) for n in range(1, d)]
    edge = [Fraction(n, d) for d in _UNIT for n in (1, d - 1)]
    best = min({*small, *edge}, key=lambda f: (abs(float(f) - p), f.denominator))
    return f"about {best.numerator} in {best.denominator}"
