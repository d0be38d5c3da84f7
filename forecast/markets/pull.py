"""Read contracts from their venues into the archive. One that fails does not stop the others."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forecast.errors import VenueError
from forecast.ledger.database import Ledger
from forecast.markets.archive import Kept, Snapshot, keep
from forecast.markets.mapping import Mapping
from forecast.markets.venue import Contract, Raw, Venue
from forecast.markets.venues import DEFAULT, open_venue

Open = Callable[[str, Callable[[Raw], None]], Venue]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was read and kept, and a line for every venue or contract that failed."""

    snapshots: tuple[Snapshot, ...]
    kept: Kept
    failures: tuple[str, ...]


def mapped_contracts(mappings: Iterable[Mapping], contracts: Sequence[Contract]) -> list[tuple[str, str]]:
    """Return venue and id of the mapped contracts that can be read and are not known to be settled."""
    settled = {(c.venue, c.id) for c in contracts if c.resolution is not None}
    named = dict.fromkeys((m.venue, leg.contract) for m in mappings for leg in m.legs)
    return [key for key in named if key[0] in DEFAULT and key not in settled]


def pull(ledger: Ledger, wanted: Sequence[tuple[str, str]], *, open_one: Open | None = None) -> Pulled:
    """Read contracts and their quotes, and append all of it to the archive, interrupted or not.

    Parameters
    ----------
    ledger
        The workspace database.
    wanted
        Venue and id of each contract.
    open_one
        Opens a venue, given its name and where to put raw answers.

    Raises
    ------
    OutputError, BusyError
        The archive cannot be written; nothing was added.
    """
    opener = open_one or _open
    raws: list[tuple[str, Raw]] = []
    snapshots: list[Snapshot] = []
    failures: list[str] = []
    try:
        for name in dict.fromkeys(venue for venue, _ in wanted):
            try:
                venue = opener(name, lambda raw, name=name: raws.append((name, raw)))  # type: ignore[misc]
            except VenueError as error:
                failures.append(str(error))
                continue
            for contract_id in (found for of, found in wanted if of == name):
                snapshot, failure = _snapshot(venue, contract_id)
                snapshots += snapshot
                failures += failure
    finally:
        kept = keep(ledger, raws, snapshots)  # what came before an interruption was read, and is not asked for again
    return Pulled(tuple(snapshots), kept, tuple(failures))


def _snapshot(venue: Venue, contract_id: str) -> tuple[list[Snapshot], list[str]]:
    """Read a contract and its quote: what was read of them, and what failed."""
    contract = None
    try:
        contract = venue.contract(contract_id)
        return [Snapshot(contract, venue.quote(contract))], []
    except VenueError as error:
        return [Snapshot(contract, None)] if contract is not None else [], [f"{contract_id}: {error}"]


def _open(name: str, put: Callable[[Raw], None]) -> Venue:
    return open_venue(name, keep=put)
