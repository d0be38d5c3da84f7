from datetime import date

import pytest

from forecast.models import History, Priors
from forecast.outlook import Outlook, build_outlook
from tests.models.given import made_up_fit, real_history, shipped_priors

BY = (date(2026, 4, 17), date(2026, 6, 30), date(2026, 12, 31))


@pytest.fixture(scope="session")
def priors() -> Priors:
    return shipped_priors()


@pytest.fixture(scope="session")
def history() -> History:
    """The shipped case as of Tuesday 14 April 2026: 432 coded entries, the last a part of a week."""
    return real_history()


@pytest.fixture(scope="session")
def outlook(history: History) -> Outlook:
    """Answers of R3 from draws of its priors, at the case's horizons and three further dates."""
    return build_outlook(made_up_fit("R3", history), by=BY)


@pytest.fixture(scope="session")
def base_rate(history: History) -> Outlook:
    """Answers of R0 from draws of its priors."""
    return build_outlook(made_up_fit("R0", history))
