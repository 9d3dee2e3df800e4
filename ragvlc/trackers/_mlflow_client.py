"""An MLflow client that repeats the calls that a server did not answer, so that each has its effect once.

A reply can be lost after the server did what it was asked. Most calls can simply be made again: a run has one value of
a tag and a parameter, and one point of a metric at a moment and step. A run cannot be created again: each creation
carries a tag of its own, `ragvlc.request`, by which the run is looked for before it is created once more. A server that
was only slow may still create both: the second is found by the same tag, and goes to MLflow's deleted runs.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ragvlc.core import interruption
from ragvlc.trackers._mlflow_errors import Unanswered, nobody_there, transient

__all__ = ["REQUEST_TAG", "Client", "equals", "repeated", "search_runs"]

ValueT = TypeVar("ValueT")

REQUEST_TAG = "ragvlc.request"

_AWAY_SECONDS = 3.0
_PATIENCE_SECONDS = 30.0
_FEWEST = 4
_LONGEST_PAUSE = 2.0


class Client:
    """MLflow's client, with calls that are repeated; a method that is not here is MLflow's.

    Args:
        uri: of the store.

    Attributes:
        repeated: number of calls that were made again.
    """

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._uri = uri
        self._answered = False
        self._doubtful: dict[str, tuple[str, str]] = {}
        self.repeated = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - MLflow's types are not imported here
        found = getattr(self._client, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self.repeat(lambda: found(*args, **kwargs))

    def repeat(self, call: Callable[[], ValueT], *, made: Callable[[], ValueT | None] | None = None) -> ValueT:
        """Returns the result of `call`, as `repeated` does."""

        def counted() -> ValueT | None:
            self.repeated += 1
            return made() if made is not None else None

        result = repeated(self._uri, call, made=counted, patient=self._answered)
        self._answered = True
        return result

    def expect_little(self) -> None:
        """Waits no longer for a server that is not there than if it had never answered."""
        self._answered = False

    def create_run(self, experiment_id: str, *, tags: Mapping[str, str], **more: Any) -> Any:  # noqa: ANN401
        """Creates a run, once."""
        request = uuid.uuid4().hex
        given = {**tags, REQUEST_TAG: request}
        before = self.repeated
        run = self.repeat(
            lambda: self._client.create_run(experiment_id, tags=given, **more),
            made=lambda: next(iter(self._of_request(experiment_id, request)), None),
        )
        if self.repeated > before:
            self._doubtful[request] = (experiment_id, run.info.run_id)
        return run

    def create_experiment(self, name: str, **more: Any) -> str:  # noqa: ANN401
        """Creates an experiment, unless another process has just created it; returns its id."""
        from mlflow.exceptions import MlflowException

        def found() -> str | None:
            experiment = self.get_experiment_by_name(name)
            return str(experiment.experiment_id) if experiment else None

        try:
            return self.repeat(lambda: str(self._client.create_experiment(name, **more)), made=found)
        except MlflowException as error:
            if error.error_code == "RESOURCE_ALREADY_EXISTS" and (existing := found()):
                return existing
            raise

    def restore_experiment(self, experiment_id: str) -> None:
        """Restores a deleted experiment, once."""

        def active() -> bool | None:
            return self._client.get_experiment(experiment_id).lifecycle_stage == "active" or None

        def restore() -> bool:
            self._client.restore_experiment(experiment_id)
            return True

        self.repeat(restore, made=active)

    def discard_twins(self) -> int:
        """Deletes the runs that a slow server created beside those in use; returns their number."""
        discarded = 0
        for request, (experiment_id, used) in self._doubtful.items():
            for run in self._of_request(experiment_id, request):
                if run.info.run_id != used:
                    self.discard(run)
                    discarded += 1
        return discarded

    def discard(self, run: Any) -> None:  # noqa: ANN401
        """Ends a run and moves it to MLflow's deleted runs."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # deleted in the meantime
            self.set_terminated(run.info.run_id, status="KILLED")
            self.delete_run(run.info.run_id)

    def _of_request(self, experiment_id: str, request: str) -> list[Any]:
        return list(search_runs(self, experiment_id, f"tags.`{REQUEST_TAG}` {equals(request)}"))


def repeated(
    uri: str, call: Callable[[], ValueT], *, made: Callable[[], ValueT | None] | None = None, patient: bool = True
) -> ValueT:
    """Returns the result of `call`, made again as long as there is no answer.

    Args:
        uri: of the store that is called.
        call: one request.
        made: returns what an earlier attempt may have made without a reply, or None; asked before each repetition.
        patient: whether to wait for a server that is not there: one that answered before may be starting again.

    Raises:
        Unanswered: there was no answer for too long.
    """
    attempts, since = 0, time.monotonic()
    while True:
        try:
            result = made() if made is not None and attempts else None
            return call() if result is None else result
        except Exception as error:
            attempts += 1
            if not isinstance(error, Unanswered) and not transient(uri, error):
                raise
            waited = time.monotonic() - since
            away = nobody_there(error) and not patient
            if waited > (_AWAY_SECONDS if away else _PATIENCE_SECONDS) and attempts >= (2 if away else _FEWEST):
                raise Unanswered(attempts, waited) from (error.__cause__ if isinstance(error, Unanswered) else error)
            interruption.pause(min(_LONGEST_PAUSE, 0.05 * 2 ** min(attempts, 10)))


def equals(value: str) -> str:
    """Returns the end of an equality filter; MLflow has no escapes, so a value with both quotes matches all runs."""
    mark = next((mark for mark in "'\"" if mark not in value), None)
    return f"= {mark}{value}{mark}" if mark else "!= ''"


def search_runs(client: Any, experiment_id: str, query: str) -> Any:  # noqa: ANN401
    """Yields the runs that a filter passes."""
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string=query, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
