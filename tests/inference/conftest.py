import pytest

from forecast.models import History, Priors
from tests.models.given import real_history, shipped_priors


@pytest.fixture(scope="session")
def priors() -> Priors:
    return shipped_priors()


@pytest.fixture(scope="session")
def history() -> History:
    """The shipped case as of Tuesday 14 April 2026: 432 coded entries, the last a part of a week."""
    return real_history()
