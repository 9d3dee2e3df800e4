"""The guard against outside calls, which every other test relies on."""

from __future__ import annotations

import socket
import urllib.request

import pytest


@pytest.fixture
def forgiven(network_guard) -> None:
    """Lets a test be refused without failing for it."""
    yield
    network_guard.refused.clear()


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.invalid"])
def test_outside_is_refused(host: str) -> None:
    with pytest.raises(AssertionError, match="called out"):
        socket.create_connection((host, 80), timeout=1)


@pytest.mark.usefixtures("forgiven")
def test_a_library_that_carries_on_is_noticed(network_guard) -> None:
    try:
        urllib.request.urlopen("http://example.invalid")
    except Exception:  # noqa: BLE001 - whatever a library makes of the refusal
        assert network_guard.refused == ["example.invalid"]
    else:
        pytest.fail("it got out")


def test_this_machine_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
