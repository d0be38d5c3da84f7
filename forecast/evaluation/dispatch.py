"""Spread tasks over the workers of a Dask cluster, and hand results back as they come.

A cluster is started on this machine, one process of one thread a worker, or an address of a running scheduler is given.
A worker that dies has its task run again elsewhere; a task that has taken several workers with it is given up.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forecast.errors import SchedulerError
from forecast.evaluation.task import forecast_origin

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
ANSWER_WITHIN = 15.0  # seconds for a scheduler to answer
WORKERS_WITHIN = 120.0  # seconds without a single worker after which waiting is over
_PAUSE = 0.1


def run_tasks(
    tasks: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    scheduler: str | None,
    workers: int,
    workers_within: float = WORKERS_WITHIN,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run :func:`forecast_origin` on each task's arguments.

    Parameters
    ----------
    tasks
        Key and arguments; taken one by one while earlier ones are already running.
    scheduler
        Address of a scheduler, like ``tcp://host:8786``; None starts a cluster here.
    workers
        How many worker processes to start here.
    workers_within
        Seconds without a worker after which a scheduler is given up.

    Yields
    ------
    tuple
        Key and result, in the order in which tasks finish; a task whose workers died gives ``status`` ``lost`` and
        ``error``.

    Raises
    ------
    SchedulerError
        The scheduler does not answer, goes away, or has no workers.
    ForecastError
        Whatever a worker was refused with, such as a case that is not there.
    """
    from distributed import as_completed

    queue = iter(tasks)
    head = list(itertools.islice(queue, 1))
    if not head:  # nothing to do: no cluster for it
        return
    with _client(scheduler, workers) as client:
        running: dict[Any, str] = {}
        finished = as_completed([], loop=client.loop)
        for key, arguments in itertools.chain(head, queue):
            future = client.submit(forecast_origin, dict(arguments), key=f"forecast-{key}", retries=RETRIES)
            running[future.key] = key
            finished.add(future)
            yield from ((running[f.key], _result(f)) for f in finished.next_batch(block=False))
        has_workers = _workers_watch(client, within=workers_within)
        while not finished.is_empty():
            batch = finished.next_batch(block=False)
            if not batch:
                has_workers()
                time.sleep(_PAUSE)
            yield from ((running[f.key], _result(f)) for f in batch)


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator["Client"]:
    from distributed import Client, LocalCluster

    if scheduler is None:
        local = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: the usual one may be taken, which is warned about
            silence_logs=logging.ERROR,
        )
        with local, Client(local, set_as_default=False) as client:
            yield client
        return
    try:
        asyncio.run(_knock(scheduler))
        client = Client(scheduler, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError, TypeError, AssertionError) as error:  # all but OSError: an address that cannot be used
        why = " ".join(str(error).split()) or "not an address that can be used"
        message = f"{scheduler}: no scheduler answers here ({why}); start one with"
        raise SchedulerError(f"{message} `dask scheduler`, or leave out --scheduler") from None
    with client:
        yield client


async def _knock(scheduler: str) -> None:
    """Connect as a client would, and leave: a client that fails to start complains for half a minute when it goes."""
    from distributed import Security
    from distributed.comm.core import connect

    comm = await connect(scheduler, timeout=ANSWER_WITHIN, **Security().get_connection_args("client"))
    await comm.close()


def _workers_watch(client: "Client", *, within: float) -> Callable[[], None]:
    """Return a check that fails when it has seen no worker for so many seconds."""
    last_seen = [time.monotonic()]

    def check() -> None:
        if client.scheduler_info()["workers"]:
            last_seen[0] = time.monotonic()
        elif time.monotonic() - last_seen[0] > within:
            address = client.scheduler.address if client.scheduler else "the scheduler"
            message = f"{address}: no worker for {within:.0f} seconds; start one with `dask worker {address}`"
            raise SchedulerError(f"{message}, then run the same command again: it goes on where it stopped")

    return check


def _result(future: "Future[Any]") -> dict[str, Any]:
    from distributed import KilledWorker

    if future.status == "finished":
        found: dict[str, Any] = future.result()
        return found
    if future.status != "error":
        message = "the scheduler went away; run the same command again: it goes on where it stopped"
        raise SchedulerError(message)
    error = future.exception()
    if isinstance(error, KilledWorker):
        return {"status": "lost", "error": "every worker that tried it died; out of memory, perhaps"}
    raise error  # a ForecastError is the user's to mend, anything else a defect of ours
