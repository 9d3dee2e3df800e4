"""A sweep of 200 questions against a server that fails 30 % of the time; `make failing-server` asks 2,000."""

from __future__ import annotations

from pathlib import Path

from failing_server import show


def test_nothing_is_lost_doubled_mixed_up_or_leaked(tmp_path: Path) -> None:
    tracker = {"kind": "mlflow", "uri": f"sqlite:///{tmp_path}/show/mlflow.db"}
    found = show(tmp_path / "show", 200, 32, tracker)
    assert (found.answered, found.failed, found.lines) == (200, 0, {})
    assert found.requests == 200 + found.failures
    assert found.noted >= found.failures > 30  # more where a connection was reused that the server had just closed
    assert 8 < found.most_at_once <= 32
    assert found.busiest_second <= 32 / 0.1 + 200 * 0.3
    assert found.leaks == ()
    for looked_at in ("mlflow.db", "log.txt", "store", "runs/failing"):
        assert (tmp_path / "show" / looked_at).exists()
