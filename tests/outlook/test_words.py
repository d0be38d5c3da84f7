import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forecast.outlook.words import fraction, percent, word

PROBABILITIES = st.floats(0, 1)


@given(PROBABILITIES)
@example(0.0)
@example(1.0)
@example(0.005)
@example(0.995)
@example(np.nextafter(0.005, 1))
@example(np.nextafter(0.995, 0))
def test_percent_is_never_nothing_nor_all_and_rounds_to_the_nearest(p: float) -> None:
    said = re.fullmatch(r"(< |> )?(\d+) %", percent(p))
    assert said is not None
    sign, whole = said.groups()
    assert 1 <= int(whole) <= 99
    if sign is None:
        assert abs(p - int(whole) / 100) <= 0.005 + 1e-12
    else:
        assert (p <= 0.005) if sign == "< " else (p >= 0.995)


@given(PROBABILITIES)
@example(0.0101)
@example(0.02)
@example(0.04)
@example(0.99)
def test_a_fraction_is_near_what_it_stands_for(p: float) -> None:
    """Within a tenth of the probability (or of its complement), or two points in the middle: never twice as likely."""
    said = re.fullmatch(r"(about|less than|more than) (\d+) in (\d+)", fraction(p))
    assert said is not None
    how, n, d = said[1], int(said[2]), int(said[3])
    assert 0 < n < d
    match how:
        case "less than":
            assert p < n / d
        case "more than":
            assert p > n / d
        case _:
            assert abs(n / d - p) <= max(0.3 * min(p, 1 - p), 0.005)


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.5, "about 1 in 2"),
        (0.25, "about 1 in 4"),
        (0.66, "about 2 in 3"),
        (0.9, "about 9 in 10"),
        (0.1, "about 1 in 10"),
        (0.004, "less than 1 in 100"),
        (0.996, "more than 99 in 100"),
    ],
)
def test_fractions_are_small_ones(p: float, said: str) -> None:
    assert fraction(p) == said


@given(PROBABILITIES)
@example(0.046)
@example(np.nextafter(0.05, 0))
@example(0.951)
def test_a_word_stands_for_a_range_that_holds_the_number_beside_it(p: float) -> None:
    """No page says 5 % and under 5 % in one sentence."""
    shown = int(re.sub(r"\D", "", percent(p)))
    _, span = word(p)
    numbers = [int(n) for n in re.findall(r"\d+", span)]
    match span.split()[0]:
        case "under":
            assert shown < numbers[0]
        case "over":
            assert shown > numbers[0]
        case _:
            assert numbers[0] <= shown <= numbers[1]


@given(PROBABILITIES)
@example(0.006)
@example(0.994)
def test_a_fraction_is_bounded_where_the_per_cent_is(p: float) -> None:
    assert fraction(p).split()[0] == {"<": "less", ">": "more"}.get(percent(p)[0], "about")


def test_words_come_in_order_of_likelihood() -> None:
    words = list(dict.fromkeys(word(p)[0] for p in np.linspace(0, 1, 1001)))
    assert words == [
        "almost no chance",
        "very unlikely",
        "unlikely",
        "roughly even chance",
        "likely",
        "very likely",
        "almost certain",
    ]


def test_a_number_beyond_one_has_no_word() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        word(1.5)
