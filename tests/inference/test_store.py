import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from forecast.errors import OutputError, PosteriorError
from forecast.inference import Fit, load_posterior, save_posterior
from forecast.inference.schema import ATTRIBUTE, SCHEMA, VARIABLES
from forecast.inference.store import DIGEST
from forecast.models import History, get_rung
from tests.models.given import made_up_fit

METADATA = {"case": "us-iran", "as_of": "2026-04-14T23:59:59+00:00", "seed": 1}


@pytest.fixture(scope="module")
def fitted(history: History) -> Fit:
    return made_up_fit("R0", history)


@pytest.fixture
def saved(fitted: Fit, tmp_path: Path) -> Path:
    return save_posterior(fitted, tmp_path / "posterior.nc", metadata=METADATA)


@pytest.mark.parametrize("rung", ["R0", "R1", "R3"])
def test_what_is_saved_is_loaded_bit_by_bit(history: History, tmp_path: Path, rung: str) -> None:
    fitted = made_up_fit(rung, history)
    found = load_posterior(save_posterior(fitted, tmp_path / "posterior.nc", metadata=METADATA))
    assert set(found.posterior.data_vars) == set(fitted.posterior.data_vars)
    for name, array in fitted.posterior.data_vars.items():
        assert found.posterior[name].dims == array.dims
        assert found.posterior[name].dtype == array.dtype
        assert found.posterior[name].values.tobytes() == array.values.tobytes()
        for dim in array.dims:
            np.testing.assert_array_equal(found.posterior[dim], array[dim])
    for name in fitted.sample_stats.data_vars:
        np.testing.assert_array_equal(found.sample_stats[name], fitted.sample_stats[name])
    assert found.metadata.pop(DIGEST).startswith("sha256:")
    assert found.metadata == {"schema": SCHEMA, "rung": fitted.rung.name, **METADATA}
    again = replace(fitted, posterior=found.posterior)
    assert again.draw_digest() == fitted.draw_digest()


def test_the_file_says_the_units_and_the_fit_in_memory_is_left_alone(fitted: Fit, saved: Path) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as tree:
        units = {name: tree["posterior"][name].attrs["units"] for name in VARIABLES[fitted.rung.name]}
    assert units == {name: unit for name, (_, unit) in VARIABLES[fitted.rung.name].items()}
    assert not any(array.attrs for array in fitted.posterior.variables.values())


def test_one_attribute_of_json_describes_the_file(saved: Path) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as tree:
        assert list(tree.attrs) == [ATTRIBUTE]
        assert json.loads(tree.attrs[ATTRIBUTE])["schema"] == SCHEMA


def test_saving_again_replaces_the_file_and_leaves_nothing_else(fitted: Fit, saved: Path) -> None:
    save_posterior(fitted, saved, metadata={"seed": 2})
    assert load_posterior(saved).metadata["seed"] == 2
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


# --- files that are none ---------------------------------------------------------------------------------------------


def test_a_missing_file_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PosteriorError, match=r"none\.nc: no such posterior file; make one with"):
        load_posterior(tmp_path / "none.nc")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_an_error(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(PosteriorError, match=r"posterior\.nc"):
        load_posterior(saved)


def test_a_file_with_a_changed_draw_is_an_error(fitted: Fit, saved: Path) -> None:
    name = next(iter(fitted.posterior.data_vars))
    before = fitted.posterior[name].values.ravel()[:64].astype("<f8").tobytes()
    whole = saved.read_bytes()
    at = whole.index(before[:8])
    saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(PosteriorError, match="damaged: its draws are not those that were saved"):
        load_posterior(saved)


def test_a_file_of_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    for content in (b"", b"id,signal\n", np.random.default_rng(1).bytes(5000)):
        path.write_bytes(content)
        with pytest.raises(PosteriorError, match="not a posterior file, or a damaged one"):
            load_posterior(path)
    with pytest.raises(PosteriorError):
        load_posterior(tmp_path)


def test_another_netcdf_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    xr.Dataset({"x": ("t", np.arange(3.0))}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(PosteriorError, match="not a posterior file, or a damaged one"):
        load_posterior(path)


def rewritten(path: Path, *, attribute: str | None = None, drop: tuple[str, ...] = ()) -> Path:
    """Write a posterior file again with another description, or without some variables."""
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        groups = {name: tree[name].to_dataset().load() for name in ("posterior", "sample_stats")}
        attrs = dict(tree.attrs)
    groups = {name: group.drop_vars(drop, errors="ignore") for name, group in groups.items()}
    changed = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    changed.attrs = {ATTRIBUTE: attribute} if attribute is not None else attrs
    changed.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize(
    "attribute",
    [
        json.dumps({"schema": "forecast-posterior/0", "rung": "R0"}),
        json.dumps({"schema": SCHEMA, "rung": "R9"}),
        json.dumps({"schema": SCHEMA, "rung": ["R0"]}),
        "[" * 100_000,
        json.dumps({"rung": "R0"}),
        json.dumps([SCHEMA]),
        "not json",
    ],
    ids=lambda attribute: attribute[:50],
)
def test_another_schema_is_an_error(saved: Path, attribute: str) -> None:
    with pytest.raises(PosteriorError, match=r"posterior\.nc"):
        load_posterior(rewritten(saved, attribute=attribute))


def test_a_variable_that_is_missing_is_named(fitted: Fit, saved: Path) -> None:
    last = list(VARIABLES[fitted.rung.name])[-1]
    with pytest.raises(PosteriorError, match=r"sample_stats lacks.*diverging"):
        load_posterior(rewritten(saved, drop=("diverging",)))
    save_posterior(fitted, saved, metadata=METADATA)
    with pytest.raises(PosteriorError, match=f"variable '{last}': dims missing"):
        load_posterior(rewritten(saved, drop=(last,)))


def test_variables_of_items_that_a_case_does_not_have_may_be_missing(fitted: Fit, tmp_path: Path) -> None:
    """A case without a binary item, without an item that lasts, and without drivers."""
    size = {"chain": 2, "draw": 100, "driver": 0}
    absent = {"level_binary", "own_sd"}
    variables = {
        name: (("chain", "draw", *dims), np.ones([size.get(d, 2) for d in ("chain", "draw", *dims)]))
        for name, (dims, _) in VARIABLES["R6"].items()
        if name not in absent
    }
    leverage = replace(fitted, rung=get_rung("R6"), posterior=xr.Dataset(variables))
    path = save_posterior(leverage, tmp_path / "posterior.nc", metadata=METADATA)
    assert set(load_posterior(path).posterior.data_vars) == set(VARIABLES["R6"]) - absent
    with pytest.raises(PosteriorError, match="variable 'gap': dims missing"):
        load_posterior(rewritten(path, drop=("gap",)))


def test_a_variable_of_other_dimensions_is_named(fitted: Fit, tmp_path: Path) -> None:
    name = next(iter(VARIABLES[fitted.rung.name]))
    dim = fitted.posterior[name].dims[-1]
    flat = fitted.posterior.assign({name: fitted.posterior[name].isel({dim: 0}, drop=True)})
    path = save_posterior(replace(fitted, posterior=flat), tmp_path / "posterior.nc", metadata=METADATA)
    with pytest.raises(PosteriorError, match=f"variable '{name}': dims"):
        load_posterior(path)


# --- places that cannot be written -----------------------------------------------------------------------------------


def test_a_folder_that_is_none_is_an_output_error(fitted: Fit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(OutputError, match="--out"):
            save_posterior(fitted, folder / "posterior.nc", metadata=METADATA)


def test_a_folder_in_the_files_place_is_an_output_error(fitted: Fit, tmp_path: Path) -> None:
    (tmp_path / "posterior.nc").mkdir()
    with pytest.raises(OutputError):
        save_posterior(fitted, tmp_path / "posterior.nc", metadata=METADATA)
    assert [path.name for path in tmp_path.iterdir()] == ["posterior.nc"]


def test_a_disk_that_fills_up_leaves_the_earlier_file(
    fitted: Fit, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(path: Path, data: bytes | memoryview) -> int:
        with path.open("wb") as file:
            file.write(bytes(data)[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_posterior(fitted, saved, metadata=METADATA)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
