import numpy as np
import pytest

from forecast.models import Priors
from forecast.outlook.prior_predictive import Predicted, prior_predictive


@pytest.fixture(scope="module")
def predicted(priors: Priors) -> dict[str, Predicted]:
    return {p.name: p for p in prior_predictive(priors)}


def test_the_shipped_priors_imply_what_the_reference_classes_show(predicted: dict[str, Predicted]) -> None:
    assert not [p for p in predicted.values() if not p.ok]


def test_outcomes_of_a_quarter_are_exclusive(predicted: dict[str, Predicted]) -> None:
    quarter = [p.per_draw for name, p in predicted.items() if name.endswith("13 weeks")]
    np.testing.assert_allclose(np.sum(quarter, axis=0), 1)
    for p in predicted.values():
        assert p.lower <= p.median <= p.upper
