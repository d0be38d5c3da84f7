"""The chain of hashes: each entry's hash covers the entry and the hash before it, so no entry can change unseen.

    hash = SHA-256 of the lines: version, seq, kind, recorded_at, key, previous, payload

each ended by a newline, in UTF-8; ``previous`` is the hash of the entry before, 64 zeros for the first (Haber and
Stornetta, 1991). A second record, the head, keeps length and last hash, so that a missing end is found too. Who can
write the database can rewrite both: against that, note the head elsewhere.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from forecast.errors import LedgerError
from forecast.ledger.records import KINDS, Record

VERSION = 1
GENESIS = "0" * 64
_MOST_MOVES = 300  # entries among which an entry out of place is looked for: the search is quadratic


@dataclass(frozen=True, slots=True)
class Head:
    """Where a ledger ends: the number of its entries and the hash of the last."""

    length: int = 0
    hash: str = GENESIS
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a ledger."""

    seq: int
    version: int
    kind: str
    recorded_at: str
    key: str
    previous: str
    payload: str
    hash: str

    @property
    def record(self) -> Record:
        """The forecast or resolution that is recorded; LedgerError if it can be none, as after tampering."""
        try:
            return KINDS[self.kind].model_validate_json(self.payload)
        except (KeyError, ValueError):
            message = f"ledger, entry {self.seq} ({self.about}): cannot be read; run `forecast ledger verify`"
            raise LedgerError(message) from None

    @property
    def about(self) -> str:
        """What the entry is about, in words; tolerant, because it also names entries that were tampered with."""
        try:
            content = json.loads(self.payload)
            origin = str(content["origin"])[:10]
            what = f"{content['case']} {content['question']} by {content['by']} as of {origin}"
        except (ValueError, TypeError, KeyError):
            return _printable(f"{self.kind}, unreadable")
        return _printable(f"{self.kind} of {what}")


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a ledger: which entry, what it is about, and what is wrong."""

    seq: int | None
    about: str
    what: str

    def __str__(self) -> str:
        place = "head" if self.seq is None else f"entry {self.seq}"
        return f"{place} ({self.about}): {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of a whole ledger found."""

    length: int
    head: str
    problems: tuple[Problem, ...]


def hash_of(entry: Entry) -> str:
    """SHA-256 of an entry's lines, whatever hash it carries."""
    e = entry
    text = f"{e.version}\n{e.seq}\n{e.kind}\n{e.recorded_at}\n{e.key}\n{e.previous}\n{e.payload}\n"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def link(head: Head, items: Iterable[tuple[str, str, str]], *, recorded_at: str) -> Iterator[Entry]:
    """Continue a chain by (kind, key, payload)."""
    seq, previous = head.length, head.hash
    for kind, key, payload in items:
        seq += 1
        bare = Entry(seq, VERSION, kind, recorded_at, key, previous, payload, hash="")
        entry = replace(bare, hash=hash_of(bare))
        yield entry
        previous = entry.hash


@dataclass(slots=True)
class _Walk:
    """A walk along the chain, and what was found on the way."""

    length: int = 0
    last: Entry | None = None
    sound: bool = True  # whether the entry before could be trusted
    problems: list[Problem] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    def step(self, entry: Entry) -> None:
        expected = 1 if self.last is None else self.last.seq + 1
        if entry.seq > expected:
            self._gap(expected, entry)
        elif entry.seq < expected:
            self.problems.append(Problem(entry.seq, entry.about, "its number is out of the order of the ledger"))
        intact = hash_of(entry) == entry.hash
        if not intact:
            self.changed.append(entry)
        elif self.sound and entry.seq == expected:
            self._check_link(entry)
        self.sound = intact and entry.seq >= expected
        self.length += 1
        self.last = entry

    def _gap(self, expected: int, entry: Entry) -> None:
        after = "the start" if self.last is None else f"entry {self.last.seq} ({self.last.about})"
        what = f"removed; it stood between {after} and entry {entry.seq} ({entry.about})"
        gap = range(expected, entry.seq)
        if len(gap) > _MOST_MOVES:
            self.problems.append(Problem(gap[0], f"and all to entry {gap[-1]}", what))
            return
        self.missing += gap
        self.problems += [Problem(seq, "unknown", what) for seq in gap]

    def _check_link(self, entry: Entry) -> None:
        previous = GENESIS if self.last is None else self.last.hash
        if entry.previous != previous:
            before = "the start" if self.last is None else f"entry {self.last.seq} ({self.last.about})"
            what = f"does not follow {before}: one of the two was rewritten and its hash made anew"
            self.problems.append(Problem(entry.seq, entry.about, what))


def check_chain(entries: Iterable[Entry], head: Head | None, *, noted: str | None = None) -> Verification:
    """Check every entry, every link and the head.

    Parameters
    ----------
    entries
        In the order of their numbers.
    head
        As stored beside them; None if there is none.
    noted
        A head that was noted elsewhere, for instance in a published report: it must be the hash of some entry.

    Returns
    -------
    Verification
        With a problem for every entry that was changed, removed, moved or added from outside.
    """
    walk = _Walk()
    seen = noted is None or noted == GENESIS
    for entry in entries:
        walk.step(entry)
        seen = seen or entry.hash == noted
    places = [*(e.seq for e in walk.changed), *walk.missing]
    walk.problems += [_changed(entry, places) for entry in walk.changed]
    walk.problems += _check_head(walk, head)
    if not seen:
        what = f"the head {noted} noted elsewhere is not in this ledger: it was rewritten or cut short, or is another"
        walk.problems.append(Problem(None, "noted elsewhere", what))
    problems = sorted(walk.problems, key=lambda p: (p.seq is None, p.seq or 0))
    return Verification(walk.length, walk.last.hash if walk.last else GENESIS, tuple(problems))


def _changed(entry: Entry, places: list[int]) -> Problem:
    """Tell an entry that was edited from one that was moved: the hash of the latter fits another place."""
    candidates = [seq for seq in places if seq != entry.seq] if len(places) <= _MOST_MOVES else []
    home = next((seq for seq in candidates if hash_of(replace(entry, seq=seq)) == entry.hash), None)
    what = "changed: its hash is not that of its content" if home is None else f"moved: it was entry {home}"
    return Problem(entry.seq, entry.about, what)


def _check_head(walk: _Walk, head: Head | None) -> list[Problem]:
    last = "the ledger is empty" if walk.last is None else f"last is entry {walk.last.seq}, {walk.last.about}"
    if head is None:
        return [Problem(None, last, "the record of the ledger's head was removed")]
    end = walk.last.seq if walk.last else 0
    if head.version != VERSION:
        return [Problem(None, last, f"its version {head.version} is not {VERSION}: it was changed")]
    if end < head.length:
        gone = f"entries {end + 1} to {head.length} are" if head.length - end > 1 else f"entry {head.length} is"
        return [Problem(end + 1, f"{last}", f"cut short: {gone} missing at the end")]
    if end > head.length:
        return [Problem(head.length + 1, last, f"entries past the head's {head.length} did not come in by the ledger")]
    if head.hash != (walk.last.hash if walk.last else GENESIS):
        return [Problem(None, last, "its hash is not that of the last entry: one of the two was rewritten")]
    return []
