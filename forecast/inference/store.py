"""Save and load posteriors: NetCDF by h5netcdf, written beside and renamed, metadata as one JSON string.

The file is a tree with the groups ``posterior`` and ``sample_stats``; names, dimensions and units are those of
:mod:`forecast.inference.schema`.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from forecast.errors import OutputError, PosteriorError
from forecast.files import check_place
from forecast.inference.sampling import Fit
from forecast.inference.schema import ATTRIBUTE, OF_SOME_ITEMS, SAMPLE_DIMS, SAMPLE_STATS, SCHEMA, VARIABLES

DIGEST = "draws_and_stats"
_ENGINE: Literal["h5netcdf"] = "h5netcdf"


def check_target(path: Path) -> None:
    """Make sure, without writing, that a posterior can be saved to ``path``: better known before a fit than after it.

    Raises
    ------
    OutputError
        Its folder is missing or cannot be written to, or a folder is in its place.
    """
    if not path.parent.is_dir():
        message = f"{path.parent}: no such folder; choose another place with --out"
        raise OutputError(message)
    if path.is_dir():
        message = f"{path}: a folder, where a file is to be written; name a file with --out"
        raise OutputError(message)
    check_place(path.parent)


def save_posterior(fit: Fit, path: Path, *, metadata: Mapping[str, Any]) -> Path:
    """Write a fit's draws to ``path``, whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    posterior = fit.posterior.copy()
    for name, (_, unit) in VARIABLES[fit.rung.name].items():
        if name in posterior or name not in OF_SOME_ITEMS:
            posterior[name].attrs = {"units": unit}
    stats = fit.sample_stats.assign(diverging=fit.sample_stats["diverging"].astype("int8"))
    tree = xr.DataTree.from_dict({"/posterior": posterior, "/sample_stats": stats})
    told = {"schema": SCHEMA, "rung": fit.rung.name, DIGEST: _digest(posterior, stats), **metadata}
    tree.attrs = {ATTRIBUTE: json.dumps(told, sort_keys=True)}
    check_target(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(tree.to_netcdf(engine=_ENGINE))  # through memory: HDF5 itself dies of a full disk
        part.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written ({error.strerror}); choose another place with --out"
        raise OutputError(message) from None
    finally:
        part.unlink(missing_ok=True)
    return path


@dataclass(frozen=True, slots=True)
class SavedPosterior:
    """A posterior file in memory: draws [chain, draw, ...], the sampler's record, and what was saved with them."""

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    metadata: dict[str, Any]


def load_posterior(path: Path) -> SavedPosterior:
    """Read a posterior file and close it.

    Raises
    ------
    PosteriorError
        The file is missing, is not NetCDF, is cut short, or follows another schema.
    """
    try:
        with xr.open_datatree(path, engine=_ENGINE) as tree:
            metadata = json.loads(tree.attrs[ATTRIBUTE])
            posterior = tree["posterior"].to_dataset().load()
            stats = tree["sample_stats"].to_dataset().load()
    except FileNotFoundError:
        message = f"{path}: no such posterior file; make one with `forecast fit`"
        raise PosteriorError(message) from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        message = f"{path}: not a posterior file, or a damaged one ({reason}); make it anew with `forecast fit`"
        raise PosteriorError(message) from None
    _check_schema(path, posterior, stats, metadata)
    if metadata.get(DIGEST) != _digest(posterior, stats):
        message = f"{path}: damaged: its draws are not those that were saved; make it anew with `forecast fit`"
        raise PosteriorError(message)
    return SavedPosterior(_bare(posterior), _with_flags(_bare(stats)), metadata)


def _digest(*datasets: xr.Dataset) -> str:
    """SHA-256 of all variables, bit for bit."""
    state = hashlib.sha256()
    for dataset in datasets:
        for name in sorted(map(str, dataset.data_vars)):
            state.update(np.ascontiguousarray(dataset[name].values).tobytes())
    return f"sha256:{state.hexdigest()}"


def _with_flags(stats: xr.Dataset) -> xr.Dataset:
    """NetCDF has no booleans: divergences are kept as 0 and 1."""
    return stats.assign(diverging=stats["diverging"].astype(bool))


def _bare(dataset: xr.Dataset) -> xr.Dataset:
    """Drop units and encodings, so that loaded draws equal those that were saved."""
    bare = dataset.drop_attrs()
    bare.encoding = {}
    for variable in bare.variables.values():
        variable.encoding = {}
    return bare


def _check_schema(path: Path, posterior: xr.Dataset, stats: xr.Dataset, metadata: Mapping[str, Any]) -> None:
    if not isinstance(metadata, dict):
        message = f"{path}: its metadata are not a JSON object; make it anew with `forecast fit`"
        raise PosteriorError(message)
    rung = metadata.get("rung")
    if metadata.get("schema") != SCHEMA or not isinstance(rung, str) or rung not in VARIABLES:
        found = f"{metadata.get('schema')}, rung {rung}"
        message = f"{path}: schema {found}; this version reads {SCHEMA}: fit again"
        raise PosteriorError(message)
    for name, (dims, _) in VARIABLES[rung].items():
        if name in OF_SOME_ITEMS and name not in posterior:
            continue
        if name not in posterior or posterior[name].dims != (*SAMPLE_DIMS, *dims):
            shown = posterior[name].dims if name in posterior else "missing"
            message = f"{path}, variable {name!r}: dims {shown}, expected {(*SAMPLE_DIMS, *dims)}; fit again"
            raise PosteriorError(message)
    absent = set(SAMPLE_STATS) - set(stats.data_vars)
    if absent:
        message = f"{path}: sample_stats lacks {sorted(absent)}; fit again"
        raise PosteriorError(message)
