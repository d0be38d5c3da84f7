"""The only door to data: everything known at an as-of time, and nothing else.

``as_of(case, t)`` reads the tables of a case and keeps what was public at ``t``: rows published later are dropped, of
several revisions the latest public one is kept, and of episodes and breakdowns whatever had not yet happened or come
out is blanked. No other module reads the tables for a fit; a test holds that.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd

from forecast.case import Case, last_whole_day
from forecast.errors import AsOfError
from forecast.observations.tables import (
    check_outcomes,
    check_values,
    read_breakdowns,
    read_episodes,
    read_observations,
)

_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_END_OF_DAY = time(23, 59, 59, tzinfo=UTC)
_AFTERMATH = timedelta(days=90)  # what kinetic_90d and adverse_90d look at, counted from the end of an episode


@dataclass(frozen=True, slots=True)
class Vintage:
    """All that was known at one instant.

    Attributes
    ----------
    case
        The case.
    instant
        The as-of time, UTC.
    observations
        Latest public revision of every observation (columns of ``OBSERVATION_COLUMNS``), by event time, and
        ``first_published_at``: when its first revision came out.
    episodes
        Reference episodes as known then: those still under way have no end and the outcome ``"open"``.
    breakdowns
        Breakdowns as known then: later deals and escalations are blank.
    """

    case: Case
    instant: datetime
    observations: pd.DataFrame
    episodes: pd.DataFrame
    breakdowns: pd.DataFrame

    @property
    def day(self) -> date:
        """Last UTC day that was over at the as-of time: one that has only begun is neither coded nor forecast from."""
        return last_whole_day(self.instant)

    @property
    def coded_until(self) -> date:
        """Last day for which silence is evidence: ``day``, or the end of the case's coding if that is earlier."""
        return min(self.day, self.case.coded_until)

    @property
    def last_published(self) -> datetime:
        """Publication time of the newest row that is visible."""
        newest: datetime = self.observations["published_at"].max().to_pydatetime()
        return newest

    def digest(self) -> str:
        """SHA-256 of every visible row, so that two runs can be told to have seen the same data."""
        state = hashlib.sha256()
        for table in (self.observations, self.episodes, self.breakdowns):
            shown = table.drop(columns=["file", "row"], errors="ignore")
            state.update(shown.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S").encode())
        return f"sha256:{state.hexdigest()}"


def as_of(case: Case, when: str | date | datetime | None = None) -> Vintage:
    """Return everything known about a case at an instant.

    Parameters
    ----------
    case
        The case whose tables are read.
    when
        A time with a zone; a date, which means the end of that day (23:59:59 UTC); or None for the last day that the
        case is coded to.

    Raises
    ------
    AsOfError
        The time has no zone, is not a time, lies before the case's first data or in the future.
    DataError
        A table of the case breaks its rules.
    """
    instant = parse_instant(case.coded_until if when is None else when)
    _check_instant(case, instant)
    observations = _latest_revisions(read_observations(case), instant)
    check_values(case, observations)
    if observations.empty or instant < observations["published_at"].min():
        message = f"as-of {instant:%Y-%m-%d}: no observation of {case.id} was public by then; choose a later date"
        raise AsOfError(message)
    return Vintage(
        case=case,
        instant=instant,
        observations=observations.sort_values(["event_time", "id"], kind="stable", ignore_index=True),
        episodes=_known_episodes(read_episodes(case), instant),
        breakdowns=_known_breakdowns(read_breakdowns(case), instant),
    )


def parse_instant(when: str | date | datetime) -> datetime:
    """Turn a date (its end, UTC) or a time with a zone into an instant in UTC; AsOfError if it is neither."""
    if isinstance(when, str):
        when = _parse_text(when)
    if not isinstance(when, datetime):
        return datetime.combine(when, _END_OF_DAY)
    if when.tzinfo is None:
        message = f"as-of {when.isoformat()}: a time needs a zone, like {when.isoformat()}Z; or give a date alone"
        raise AsOfError(message)
    try:
        return when.astimezone(UTC)
    except OverflowError:
        message = f"as-of {when.isoformat()}: beyond the calendar; give a date like 2026-04-14"
        raise AsOfError(message) from None


def _parse_text(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text) if _DATE.match(text) else datetime.fromisoformat(text)
    except ValueError:
        message = f"as-of {text!r}: not a date like 2026-04-14 nor a time like 2026-04-14T12:00Z"
        raise AsOfError(message) from None


def refuse_future(instant: datetime) -> None:
    """Raise AsOfError for a day after today, of which nothing can be known."""
    if instant.date() > datetime.now(UTC).date():
        message = f"as-of {instant:%Y-%m-%d}: lies in the future; the latest possible is today"
        raise AsOfError(message)


def _check_instant(case: Case, instant: datetime) -> None:
    refuse_future(instant)
    earliest = case.grid_start + timedelta(weeks=26)
    if last_whole_day(instant) < earliest:
        message = (
            f"as-of {instant:%Y-%m-%d}: {case.id} starts on {case.grid_start}; the first usable as-of is {earliest}"
        )
        raise AsOfError(message)


def _latest_revisions(table: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    public = table[table["published_at"] <= instant].sort_values(["id", "revision", "published_at"], kind="stable")
    public["first_published_at"] = public.groupby("id")["published_at"].transform("min")
    latest = public.drop_duplicates("id", keep="last")
    return latest[latest["value"].notna() | (latest["revision"] == 0)]


def _known_episodes(table: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    today = pd.Timestamp(last_whole_day(instant))
    public = table["published_at"].notna() & (table["published_at"] <= instant)
    over = public & (table["ended_on"] <= today)
    check_outcomes(table[over])
    under_way = ~over & (public | ~table["secret"]) & (table["started_on"] <= today)
    known = table[over | under_way].copy()
    still = ~over[over | under_way]
    known.loc[still, ["ended_on", "published_at"]] = pd.NaT
    known.loc[still, "outcome"] = "open"
    known.loc[still, ["note", "source", "walkout_by"]] = ""  # a later walkout may add its name to the first one's
    known.loc[still | (known["ended_on"] + _AFTERMATH > today), ["kinetic_90d", "adverse_90d"]] = False
    later_walkout = (known["walkout_on"] > today) | (still & known["walkout_on"].isna())
    known.loc[later_walkout, "walkout_on"] = pd.NaT
    known.loc[later_walkout, "walkout"] = False
    known.loc[later_walkout, "walkout_by"] = ""
    return known.sort_values("id", kind="stable", ignore_index=True)


def _known_breakdowns(table: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    today = pd.Timestamp(last_whole_day(instant))
    known = table[table["published_at"] <= instant].copy()
    for day, texts in (("deal_on", ["deal", "deal_kind"]), ("escalated_on", ["escalation"])):
        later = known[day] > today
        known.loc[later, day] = pd.NaT
        known.loc[later, texts] = ""
    return known.sort_values("id", kind="stable", ignore_index=True)
