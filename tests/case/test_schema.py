from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from pydantic import ValidationError

from forecast.case import LADDERS, LEVELS, Case, deadline, load_case
from forecast.errors import CaseError
from tests.conftest import TinyCase

type Edit = tuple[str, str, str]


def edited(tiny_case: TinyCase, file: str, old: str, new: str) -> Case:
    """Load the small case with one passage of one file replaced."""
    path = tiny_case.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return load_case(tiny_case.folder)


# --- unknown keys and wrong types: a typo never passes as a default --------------------------------------------------


@pytest.mark.parametrize(
    ("file", "old", "new", "field"),
    [
        ("case.toml", "media_weeks", "media_week", r"media_weeks"),
        ("case.toml", "title =", 'colour = "red"\ntitle =', r"colour"),
        ("case.toml", 'role = "target"', 'role = "target"\nflag = "red"', r"sides\.1\.flag"),
        ("case.toml", "ends = 2024-05-01", "end = 2024-05-01", r"terms\.0\."),
        ("coding.toml", "for_days = 21", "days = 21", r"holds\.0\.days"),
        ("coding.toml", "weeks = 4,", "weeks = 4, lag = 1,", r"composites\.0\.components\.0\.lag"),
        ("questions.toml", "headline = true", "headlines = true", r"questions\.0\.headlines"),
        ("case.toml", "grid_start = 2020-01-04", 'grid_start = "early 2020"', r"grid_start"),
        ("case.toml", "media_weeks = 12", "media_weeks = 0", r"media_weeks"),
        ("case.toml", "sieges = 0.5", 'sieges = "half"', r"reference_weights\.sieges"),
        ("case.toml", "sieges = 0.5", "sieges = -0.5", r"reference_weights\.sieges"),
        ("case.toml", "sieges = 0.5", "sieges = 1.5", r"reference_weights\.sieges"),
        ("case.toml", "sieges = 0.5", "sieges = nan", r"reference_weights\.sieges"),
        ("case.toml", "media_weeks = 12", "media_weeks = inf", r"media_weeks"),
        ("case.toml", "ends = 2024-05-01", "ends = 2018-05-01", r"terms\.0"),
        ("coding.toml", "weeks = 4,", "weeks = inf,", r"composites\.0\.components\.0\.weeks"),
        ("signals.toml", "minimum = 0.0", "minimum = nan", r"signals\.0\.minimum"),
        ("questions.toml", "horizons = [4, 8]", "horizons = []", r"horizons"),
        ("case.toml", 'dyads = ["Freedonia-Sylvania"]', "dyads = []", r"dyads"),
        ("case.toml", 'observations = ["data/acts.csv", "data/prices.csv"]', "observations = []", r"observations"),
        ("signals.toml", 'kind = "event"', 'kind = "happening"', r"signals\.2\.kind"),
        ("coding.toml", "for_days = 21", "for_days = 0", r"holds\.0\.for_days"),
        ("coding.toml", 'transform = "log_change"', 'transform = "change"', r"composites\.0\.components\.0\.transform"),
        ("coding.toml", "weeks = 4,", "weeks = 0,", r"composites\.0\.components\.0\.weeks"),
        ("questions.toml", 'event = "deal"', 'event = "peace"', r"questions\.0\.event"),
        ("coding.toml", 'opened_by = ["parley", "letter"]', "opened_by = []", r"holds\.0\.opened_by"),
        ("coding.toml", 'signals = ["grain"]', "signals = []", r"composites\.2\.components\.0\.signals"),
    ],
)
def test_a_wrong_key_or_type_is_named(tiny_case: TinyCase, file: str, old: str, new: str, field: str) -> None:
    with pytest.raises(CaseError, match=f"field '{field}"):
        edited(tiny_case, file, old, new)


HUGE = 10**18
ITEM = 'id = "i"\nlabel = "I"\nside = "freedonia"\nreason = "r"\nsignals = ["grain"]\n'


@pytest.mark.parametrize(
    ("file", "old", "new", "field"),
    [
        ("case.toml", "grid_start = 2020-01-04", "grid_start = 9999-12-25", r"grid_start"),
        ("case.toml", "grid_start = 2020-01-04", "grid_start = 0001-01-06", r"grid_start"),
        ("case.toml", "coded_until = 2021-06-25", "coded_until = 9999-12-31", r"coded_until"),
        ("case.toml", "media_weeks = 12", "media_weeks = 1e300", r"media_weeks"),
        ("signals.toml", "maximum = 1000.0", f"maximum = 1000.0\nlate_after_days = {HUGE}", r"signals\.0\.late_after"),
        ("coding.toml", "for_days = 21", f"for_days = {HUGE}", r"holds\.0\.for_days"),
        ("coding.toml", "weeks = 4,", "weeks = 1e300,", r"composites\.0\.components\.0\.weeks"),
        ("coding.toml", "stale_after_days = 14", f"stale_after_days = {HUGE}", r"composites\.0.*stale_after_days"),
        ("questions.toml", "horizons = [4, 8]", "horizons = [4, 600000]", r"horizons\.1"),
        (
            "questions.toml",
            'event = "deal"',
            f'event = "deal_lasting"\nlasting_weeks = {HUGE}',
            r"questions\.0\.lasting",
        ),
        (
            "questions.toml",
            "[[questions]]",
            f'[[items]]\n{ITEM}reveals = "true"\nlikelihood = "normal"\nweeks = {HUGE}\n[[questions]]',
            r"items\.0\.weeks",
        ),
        (
            "questions.toml",
            "[[questions]]",
            f'[[drivers]]\n{ITEM}kind = "events"\nsign = 1\nweeks = 1e300\n[[questions]]',
            r"drivers\.0\.weeks",
        ),
        (
            "questions.toml",
            "[[questions]]",
            f'[[drivers]]\n{ITEM}kind = "events"\nsign = 1\nadapts_weeks = 1e300\n[[questions]]',
            r"drivers\.0\.adapts_weeks",
        ),
    ],
)
def test_what_no_calendar_or_memory_could_hold_is_named(
    tiny_case: TinyCase, file: str, old: str, new: str, field: str
) -> None:
    with pytest.raises(CaseError, match=f"field '{field}.*should be (less|greater) than or equal to"):
        edited(tiny_case, file, old, new)


# --- holds -----------------------------------------------------------------------------------------------------------

TALKS = 'ladder = "diplomacy"\nlevel = "talks"'


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (TALKS, TALKS + '\nmark = "talking"', "either a ladder .* or a mark"),
        (TALKS, "", "either a ladder .* or a mark"),
        ('mark = "siege"', 'mark = "siege"\nlevel = "coercion"', "ladder"),
        (TALKS, 'ladder = "diplomacy"', "level"),
        (TALKS, 'ladder = "diplomacy"\nlevel = "summit"', "'summit' is not on the diplomacy ladder"),
        (TALKS, 'ladder = "force"\nlevel = "talks"', "'talks' is not on the force ladder"),
        (TALKS, 'ladder = "trade"\nlevel = "talks"', "diplomacy"),
        ('closed_by = ["pact_end"]', "", "never end"),
        ('opened_by = ["pact_start"]', 'opened_by = ["pact"]', "undeclared signal 'pact'"),
        ('closed_by = ["pact_end"]', 'closed_by = ["end"]', "undeclared signal 'end'"),
        ('by_sides = ["both"]', 'by_sides = ["ruritania"]', "unknown side 'ruritania'"),
        ('closed_by_sides = ["freedonia"]', 'closed_by_sides = ["us"]', "unknown side 'us'"),
        ('signals = ["grain"]', 'signals = ["brent_spot"]', "undeclared signal 'brent_spot'"),
        ('signals = ["grain"]', 'signals = ["grain"], sides = ["world"]', "unknown side 'world'"),
    ],
)
def test_a_coding_rule_that_cannot_be_meant_is_refused(tiny_case: TinyCase, old: str, new: str, reason: str) -> None:
    with pytest.raises(CaseError, match=reason):
        edited(tiny_case, "coding.toml", old, new)


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        (
            "coding.toml",
            'opened_by = ["skirmish"]',
            'opened_by = ["crown"]',
            "hold on coercion .*'crown'.* event, not level",
        ),
        ("coding.toml", 'closed_by = ["pact_end"]', 'closed_by = ["harvest"]', "hold on limited_deal .*'harvest'"),
        ("coding.toml", 'signals = ["grain"]', 'signals = ["parley"]', "log_gap .*'parley'.* level, not event"),
        ("coding.toml", 'signals = ["skirmish"]', 'signals = ["crown"]', "decayed_count .*'crown'"),
        ("signals.toml", 'id = "armistice"', 'id = "deadline"', "'deadline'.* scheduled, not event"),
    ],
)
def test_a_signal_that_would_say_nothing_where_it_stands_is_refused(
    tiny_case: TinyCase, file: str, old: str, new: str, reason: str
) -> None:
    """A hold on a price would never open, a log of events would never move: the case would run, and be silent."""
    with pytest.raises(CaseError, match=reason):
        edited(tiny_case, file, old, new)


# --- the case as a whole ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("signals.toml", 'id = "grain"', 'id = "crown"', "signal 'crown' is declared twice"),
        ("coding.toml", 'id = "dearth"', 'id = "currency"', "composite 'currency' is declared twice"),
        ("questions.toml", 'id = "war"', 'id = "pact"', "question 'pact' is declared twice"),
        ("case.toml", 'id = "sylvania"', 'id = "freedonia"', "side 'freedonia' is declared twice"),
        ("case.toml", 'role = "target"', 'role = "coercer"', "coercer and the other the target"),
        ("case.toml", 'role = "target"', 'role = "mediator"', r"sides\.1\.role"),
        (
            "case.toml",
            "[[terms]]",
            '[[sides]]\nid = "x"\nlabel = "X"\nrole = "target"\n[[terms]]',
            r"'sides'.* 2 items",
        ),
        ("signals.toml", 'sides = ["sylvania"]', 'sides = ["iran"]', "signal crown names the unknown side 'iran'"),
        ("signals.toml", "minimum = 1.0", "minimum = 5001.0", "minimum 5001.0 is above maximum 5000.0"),
        ("case.toml", "coded_until = 2021-06-25", "coded_until = 2019-06-28", "coded_until 2019-06-28"),
        ("case.toml", "coded_until = 2021-06-25", "coded_until = 2020-01-05", "half a year"),
        ("case.toml", "coded_until = 2021-06-25", "coded_until = 2119-12-31", "over 5200 weeks"),
        ("case.toml", "grid_start = 2020-01-04", "grid_start = 2020-01-01", "Saturday"),
        ("questions.toml", "horizons = [4, 8]", "horizons = [8, 4]", "increasing"),
        ("questions.toml", "horizons = [4, 8]", "horizons = [4, 4]", "increasing"),
        ("questions.toml", "horizons = [4, 8]", "horizons = [0, 4]", "positive"),
        ("questions.toml", 'event = "deal"', 'event = "deal_lasting"', "lasting_weeks goes with"),
        ("questions.toml", 'event = "deal"', 'event = "deal"\nlasting_weeks = 8', "lasting_weeks goes with"),
    ],
)
def test_a_case_that_contradicts_itself_is_refused(
    tiny_case: TinyCase, file: str, old: str, new: str, reason: str
) -> None:
    with pytest.raises(CaseError, match=reason):
        edited(tiny_case, file, old, new)


def test_all_contradictions_are_told_at_once(tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "case.toml"
    path.write_text(path.read_text().replace('role = "target"', 'role = "coercer"'))
    with pytest.raises(CaseError, match=r"'pact' is declared twice.*one must be the coercer"):
        edited(tiny_case, "questions.toml", 'id = "war"', 'id = "pact"')


def test_a_lasting_deal_says_how_long(tiny_case: TinyCase) -> None:
    case = edited(tiny_case, "questions.toml", 'event = "deal"', 'event = "deal_lasting"\nlasting_weeks = 8')
    assert case.questions[0].lasting_weeks == 8


# --- what a case offers ----------------------------------------------------------------------------------------------


def test_the_ladders_are_those_of_the_design() -> None:
    assert LADDERS == ("diplomacy", "force")
    assert LEVELS["diplomacy"] == ("none", "talks", "limited_deal", "comprehensive_deal")
    assert LEVELS["force"] == ("calm", "coercion", "conflict")


def test_actors_are_the_sides_both_and_the_declared_others(tiny_case: TinyCase) -> None:
    assert tiny_case.write().actors == {"freedonia", "sylvania", "both", "herald", "markets"}


def test_signals_are_found_by_id(tiny_case: TinyCase) -> None:
    case = tiny_case.write()
    assert case.signal("crown").unit == "SYC/FRD"
    with pytest.raises(KeyError, match="rial"):
        case.signal("rial")


def test_marks_have_labels_in_order(tiny_case: TinyCase, us_iran: Case) -> None:
    assert tiny_case.write().marks == {"siege": "Siege in force"}
    assert list(us_iran.marks) == ["blockade", "mediation"]
    unlabelled = edited(tiny_case, "coding.toml", 'label = "Siege in force"\n', "")
    assert unlabelled.marks == {"siege": "siege"}


@pytest.mark.parametrize("change", [lambda c: setattr(c, "id", "x"), lambda c: setattr(c.sides[0], "id", "x")])
def test_a_loaded_case_does_not_change(us_iran: Case, change: Callable[[Case], None]) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        change(us_iran)


def test_the_shipped_case_asks_about_both_ladders(us_iran: Case) -> None:
    assert [q.id for q in us_iran.questions if q.headline] == ["deal", "escalation", "deal_comprehensive"]
    assert us_iran.horizons == (4, 13, 26, 52)
    terms = us_iran.terms
    assert all(a.ends == b.starts and a.starts < a.ends for a, b in pairwise(terms))


def test_a_question_has_the_same_wording_until_something_that_decides_it_changes(us_iran: Case) -> None:
    question = us_iran.questions[0]
    wording = us_iran.wording(question)
    assert wording == us_iran.wording(question.model_copy(update={"label": "Another label", "headline": False}))
    assert wording != us_iran.wording(question.model_copy(update={"definition": "A deal is signed by the date."}))
    for change in ({"source": "A newspaper."}, {"void": "Never."}, {"time_zone": "Asia/Tehran"}):
        rules = us_iran.resolution.model_copy(update=change)
        assert wording != us_iran.model_copy(update={"resolution": rules}).wording(question)


def test_a_day_ends_in_the_time_zone_of_the_case(tiny_case: TinyCase) -> None:
    day = date(2026, 7, 14)
    assert deadline(day, "UTC") == datetime(2026, 7, 14, 23, 59, 59, tzinfo=UTC)
    assert deadline(day, "Asia/Tehran") == datetime(2026, 7, 14, 20, 29, 59, tzinfo=UTC)
    assert deadline(day, "America/New_York") == datetime(2026, 7, 15, 3, 59, 59, tzinfo=UTC)
    path = tiny_case.folder / "questions.toml"
    path.write_text(path.read_text() + '\n[resolution]\ntime_zone = "Mars/Olympus"\n')
    with pytest.raises(CaseError, match="field 'resolution': time_zone 'Mars/Olympus': not a time zone"):
        load_case(tiny_case.folder)
