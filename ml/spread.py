"""Spread independent tasks over this machine's cores or over a cluster, by the same code and with the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

T = TypeVar("T")


class ClusterUnreachable(RuntimeError):
    """The cluster's scheduler does not answer, or its libraries are not installed here."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where tasks run: `jobs` processes here (1: in this one; -1: one for each core), or the Dask scheduler at
    `cluster` ("tcp://HOST:8786"), whose workers see the same files.

    Answers come in the order of the tasks, so that nothing depends on where they ran.
    """

    jobs: int = 1
    cluster: str | None = None
    patience_s: float = 20.0  # until a scheduler must have answered

    def map(self, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]]) -> list[T]:
        """Return function(*task) for each task. Raise ClusterUnreachable where the cluster does not answer."""
        if self.cluster is None and (self.jobs == 1 or len(tasks) < 2):
            return [function(*task) for task in tasks]
        with self._backend():
            return list(Parallel()(delayed(_alone)(function, task) for task in tasks))

    @contextmanager
    def _backend(self) -> Iterator[None]:
        if self.cluster is None:
            with parallel_config(backend="loky", n_jobs=self.jobs, inner_max_num_threads=1):
                yield
            return
        try:
            from distributed import Client

            client: Any = Client(self.cluster, timeout=self.patience_s, set_as_default=True)  # type: ignore[no-untyped-call]
        except ImportError:
            raise ClusterUnreachable("dask is not installed: pip install 'forewarn[cluster]'") from None
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterUnreachable(f"no Dask scheduler at {self.cluster}: {error}") from None
        try:
            with parallel_config(backend="dask", wait_for_workers_timeout=30):
                yield
        finally:
            client.close()


def _alone(function: Callable[..., T], task: tuple[Any, ...]) -> T:
    with threadpool_limits(1):  # the cores are busy with other tasks already
        return function(*task)
