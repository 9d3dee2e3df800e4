"""A Ray cluster for the tests of this folder, started once."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ragvlc.memo.disk import Cache
from ragvlc.pool import EnginePool

# Before Ray reads them. The token is for this session only: none is written to anyone's home.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = os.urandom(32).hex()
# A cluster that whoever runs the tests has started is not to be used.
os.environ.pop("RAY_ADDRESS", None)


@pytest.fixture(scope="session")
def needs_ray() -> None:
    """Skips where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (pip install 'ragvlc[ray]')")


@pytest.fixture(scope="session")
def cluster(needs_ray: None) -> Iterator[None]:
    """A cluster of four processors on this machine."""
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=0,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level="error",
    )
    yield
    ray.shutdown()


@pytest.fixture
def opened(cluster: None, tmp_path: Path) -> Any:
    """Returns a function that opens workers on the cluster: `with opened(workers=2, concurrency=3) as workers`."""
    from ragvlc.executors.ray import Ray

    @contextmanager
    def opens(*, concurrency: int = 4, **fields: Any) -> Iterator[Any]:
        spec = Ray(**{"workers": 2, "cpus": 0.1} | fields)
        with EnginePool(Cache(tmp_path / "store")) as pool, spec.open(pool, concurrency=concurrency) as workers:
            yield workers

    return opens
