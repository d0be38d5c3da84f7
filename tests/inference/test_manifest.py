import json
from dataclasses import replace

from forecast.inference import manifest
from forecast.models import History
from tests.models.given import made_up_fit


def test_the_manifest_tells_runs_apart_by_data_priors_and_draws(history: History) -> None:
    first, second = made_up_fit("R0", history, seed=1), made_up_fit("R0", history, seed=2)
    said, other = (manifest(f, command="forecast run") for f in (first, second))
    same = {"data_digest", "prior_digest", "rows_read", "newest_row_published", "versions", "command"}
    assert {k for k in said if said[k] == other[k]} >= same
    assert said["draw_digest"] != other["draw_digest"]
    assert (said["seed"], said["draws"], said["tune"], said["chains"]) == (1, 100, 100, 2)
    assert said["rows_read"]["observations"] == len(history.vintage.observations)
    assert said["newest_row_published"] <= "2026-04-14T23:59:59Z"
    assert json.loads(json.dumps(said)) == said


def test_the_digest_of_draws_sees_every_bit(history: History) -> None:
    fit = made_up_fit("R0", history)
    nudged = fit.posterior["deal"].copy(deep=True)
    nudged[0, 0, 0, 0] *= 1 + 2e-16
    assert replace(fit, posterior=fit.posterior.assign(deal=nudged)).draw_digest() != fit.draw_digest()
    assert replace(fit, posterior=fit.posterior.copy(deep=True)).draw_digest() == fit.draw_digest()
