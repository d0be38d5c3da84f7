"""The venues that can be read, by name."""

from forecast.errors import VenueError
from forecast.markets.http import Keep
from forecast.markets.kalshi import Kalshi
from forecast.markets.manifold import Manifold
from forecast.markets.metaculus import Metaculus
from forecast.markets.polymarket import Polymarket
from forecast.markets.venue import Venue

VENUES = ("polymarket", "kalshi", "manifold", "metaculus")
DEFAULT = ("polymarket", "kalshi", "manifold")  # Metaculus needs a token and accepted terms


def open_venue(name: str, *, keep: Keep | None = None, accept_terms: bool = False) -> Venue:
    """Return a reader of a venue.

    Parameters
    ----------
    name
        One of :data:`VENUES`.
    keep
        Called with the bytes of every answer before they are read.
    accept_terms
        That the user has accepted Metaculus's terms of use; of no matter elsewhere.

    Raises
    ------
    VenueError
        There is no such venue, or it may not be read.
    """
    if name == "metaculus":
        return Metaculus(accept_terms=accept_terms, keep=keep)
    readers = {"polymarket": Polymarket, "kalshi": Kalshi, "manifold": Manifold}
    if name not in readers:
        raise VenueError(name, "—", f"no such venue; there are {', '.join(VENUES)}")
    return readers[name](keep=keep)
