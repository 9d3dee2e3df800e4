"""The scheduler: which thread computes, which waits, and what happens to the others after a failure."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ragvlc.core import interruption
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.engines.batching.decoding import RequestState
from ragvlc.engines.batching.scheduler import Scheduler
from ragvlc.generators.transformers import TransformersGenerator


class ScriptedBatch:
    """A token a step; started requests are recorded. `at` is called before every step."""

    def __init__(self, at: Callable[[str, Sequence[RequestState]], None] = lambda name, rows: None) -> None:
        self.running: list[RequestState] = []
        self.begun: list[list[int]] = []
        self.kept = 0
        self._at = at

    def select(self, waiting: Sequence[RequestState], most: int) -> list[int]:
        return list(range(len(waiting)))[:most]

    def start(self, rows: Sequence[RequestState]) -> None:
        self.begun.append([row.prompt[0] for row in rows])
        self._at("start", rows)
        self.running += rows
        self._grow(rows)

    def step(self) -> None:
        self._at("step", self.running)
        self._grow(self.running)

    def remove(self, rows: Sequence[RequestState]) -> None:
        self.running = [row for row in self.running if row not in rows]

    def free_cache(self) -> bool:
        kept, self.kept = self.kept, 0
        return kept > 0

    def _grow(self, rows: Sequence[RequestState]) -> None:
        for row in rows:
            row.tokens.append(len(row.tokens))
            if len(row.tokens) == row.max_tokens:
                row.finish = "length"
        self.remove([row for row in self.running if row.finish])


def scheduler(batch: ScriptedBatch, most: int = 8) -> Scheduler:
    """A scheduler for `batch`."""
    return Scheduler(batch, max_requests=most, model_name="a model", free_memory=lambda: None)


def asking(queue: Scheduler, rows: Sequence[RequestState], errors: list[BaseException]) -> threading.Thread:
    """A running thread that requests `rows`."""

    def work() -> None:
        try:
            queue.run(rows)
        except EngineError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


class Gate:
    """Holds the thread that computes until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, name: str, rows: Sequence[RequestState]) -> None:
        self.reached.set()
        assert self.open.wait(60)


def queued(queue: Scheduler, count: int) -> None:
    """Waits until `count` rows are in the queue."""
    while len(queue._queue) < count:
        threading.Event().wait(0.001)


def test_queued_requests_join_the_batch_and_all_are_served() -> None:
    gate = Gate()
    batch = ScriptedBatch(gate)
    queue, errors = scheduler(batch, most=4), []
    rows = [RequestState([n], max_tokens=1 + n % 3) for n in range(8)]
    threads = [asking(queue, rows[:1], errors)]
    gate.reached.wait(60)
    threads += [asking(queue, [row], errors) for row in rows[1:]]
    queued(queue, 7)
    gate.open.set()
    for thread in threads:
        thread.join(60)
    assert all(row.finish for row in rows)
    assert batch.begun[0] == [0]
    assert len(batch.begun[1]) == 4
    assert sorted(n for batch in batch.begun for n in batch) == list(range(8))
    assert (errors, list(queue._running), queue._waiting) == ([], [], [])


def test_requests_join_a_running_batch_and_waiting_is_counted() -> None:
    gate = Gate()
    late: list[float] = []

    def at(name: str, rows: Sequence[RequestState]) -> None:
        if name == "step" and len(rows[0].tokens) == 3:
            gate(name, rows)

    batch = ScriptedBatch(at)
    queue = scheduler(batch)
    thread = asking(queue, [RequestState([0], max_tokens=6)], [])
    gate.reached.wait(60)
    other = threading.Thread(target=lambda: late.extend(queue.run([RequestState([1], max_tokens=2)])))
    other.start()
    queued(queue, 1)
    other.join(0.2)
    gate.open.set()
    thread.join(60)
    other.join(60)
    assert batch.begun == [[0], [1]]
    assert late[0] >= 0.2
    assert queue.run([RequestState([2], max_tokens=1)])[0] < late[0]


def full(message: str = "full") -> Exception:
    """The error of an accelerator without memory."""
    import torch

    return torch.OutOfMemoryError(message)


def test_where_memory_is_full_the_batch_is_halved_and_continues(caplog: pytest.LogCaptureFixture) -> None:
    def at(name: str, rows: Sequence[RequestState]) -> None:
        if len(rows) + (len(batch.running) if name == "start" else 0) > 3:
            raise full()

    batch = ScriptedBatch(at)
    batch.kept = 5
    queue = scheduler(batch)
    rows = [RequestState([n], max_tokens=3) for n in range(10)]
    with caplog.at_level(logging.WARNING, "ragvlc"):
        queue.run(rows)
    assert [row.tokens for row in rows] == [[0, 1, 2]] * 10
    assert [len(batch) for batch in batch.begun] == [8, 4, 2, 2, 2, 2, 2]
    assert len(caplog.messages) == 1
    assert "prefixes were freed" in caplog.messages[0]


def test_requests_that_outgrow_the_memory_start_again() -> None:
    def at(name: str, rows: Sequence[RequestState]) -> None:
        if name == "step" and sum(len(row.tokens) for row in rows) > 6:
            raise full()

    batch = ScriptedBatch(at)
    rows = [RequestState([n], max_tokens=5) for n in range(4)]
    scheduler(batch).run(rows)
    assert [row.tokens for row in rows] == [[0, 1, 2, 3, 4]] * 4
    assert batch.begun[0] == [0, 1, 2, 3]
    assert len(batch.begun) > 1


@pytest.mark.parametrize("error", [full(), RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory")])
def test_only_a_request_that_does_not_fit_alone_fails(error: Exception) -> None:
    def at(name: str, rows: Sequence[RequestState]) -> None:
        if any(row.prompt[0] == 2 for row in rows) and name == "step":
            raise error

    batch, errors = ScriptedBatch(at), []
    queue, rows = scheduler(batch), [RequestState([n], max_tokens=3) for n in range(4)]
    threads = [asking(queue, [row], errors) for row in rows]
    for thread in threads:
        thread.join(60)
    assert [row.finish for row in rows] == ["length", "length", None, "length"]
    (found,) = errors
    assert found.transient
    assert "out of memory on one prompt of 1 tokens" in str(found)
    assert found.__cause__ is error


def test_a_request_that_breaks_the_model_fails_alone() -> None:
    def at(name: str, rows: Sequence[RequestState]) -> None:
        if any(row.prompt[0] == 2 for row in rows):
            raise RuntimeError("index out of range\nand more")

    errors: list[BaseException] = []
    queue, rows = scheduler(ScriptedBatch(at)), [RequestState([n], max_tokens=3) for n in range(4)]
    thread = asking(queue, rows, errors)
    thread.join(60)
    assert [row.finish for row in rows] == ["length", "length", None, "length"]
    assert [str(error) for error in errors] == ["'a model' failed: index out of range"]


def test_after_an_interrupted_thread_another_one_leads() -> None:
    gate = Gate()

    def at(name: str, rows: Sequence[RequestState]) -> None:
        gate(name, rows)
        if rows[0].prompt[0] == 0:
            raise KeyboardInterrupt

    queue, errors, interrupted = scheduler(ScriptedBatch(at)), [], []

    def work() -> None:
        try:
            queue.run([RequestState([0], max_tokens=2)])
        except KeyboardInterrupt:
            interrupted.append(True)

    first = threading.Thread(target=work)
    first.start()
    gate.reached.wait(60)
    row = RequestState([1], max_tokens=2)
    other = asking(queue, [row], errors)
    queued(queue, 1)
    gate.open.set()
    first.join(60)
    other.join(60)
    assert interrupted
    assert (row.finish, errors) == ("length", [])


def test_an_interruption_ends_all_requests_after_the_current_step() -> None:
    """The leader, a request in its batch and one that waits: none goes on to its end, and the model is free again."""
    gate, steps = Gate(), []

    def at(name: str, rows: Sequence[RequestState]) -> None:
        steps.append(name)
        gate(name, rows)

    queue, ended = scheduler(ScriptedBatch(at), most=1), []

    def work(row: RequestState) -> None:
        try:
            queue.run([row])
        except (interruption.Interrupted, EngineError) as error:
            ended.append(error)

    rows = [RequestState([n], max_tokens=10**6) for n in range(3)]
    threads = [threading.Thread(target=work, args=(row,)) for row in rows]
    with interruption.scope():
        threads[0].start()
        gate.reached.wait(60)
        for thread in threads[1:]:
            thread.start()
        queued(queue, 2)
        interruption.request()
        before = len(steps)
        gate.open.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    assert len(steps) == before
    assert len(ended) == 3
    assert all(row.finish is None for row in rows)
    last = RequestState([9], max_tokens=2)
    queue.run([last])
    assert last.finish == "length"


def test_closing_finishes_running_requests_and_refuses_the_queue() -> None:
    gate = Gate()
    queue, errors = scheduler(ScriptedBatch(gate), most=1), []
    begun, waiting = RequestState([0], max_tokens=2), RequestState([1], max_tokens=2)
    threads = [asking(queue, [begun], errors)]
    gate.reached.wait(60)
    threads.append(asking(queue, [waiting], errors))
    queued(queue, 1)
    closing = threading.Thread(target=queue.close)
    closing.start()
    threads[1].join(60)
    assert [str(error) for error in errors] == ["The engine of 'a model' is closed."]
    assert closing.is_alive()
    gate.open.set()
    for thread in (closing, *threads):
        thread.join(60)
    assert (begun.finish, waiting.finish) == ("length", None)
    with pytest.raises(EngineError, match="is closed"):
        queue.run([RequestState([2], max_tokens=1)])


def request(text: str, **settings: object) -> Request:
    """A question as data."""
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 10, **settings})


@pytest.mark.parametrize("fields", [{}, {"attention": "eager"}], ids=["packed", "padded"])
def test_a_model_without_memory_for_all_gives_the_same_answers(tiny_model: Path, fields, monkeypatch) -> None:
    engine = TransformersGenerator(model=str(tiny_model), device="cpu", **fields).open()
    document = "the cat sat on the mat and the dog ran after the cat " * 3
    requests = [request(document[: 150 - 40 * (n % 3)] + "what is the answer " * n, seed=n) for n in range(8)]
    expected = engine.generate(requests)
    assert engine._scheduler._batch.free_cache() == (not fields)
    model = engine._scheduler._batch._model
    forward, refused = model.forward, []

    def small(*args: object, **kwargs: object) -> object:
        if kwargs["input_ids"].numel() > (80 if not fields else 300):
            refused.append(kwargs["input_ids"].shape)
            raise full()
        return forward(*args, **kwargs)

    monkeypatch.setattr(model, "forward", small)
    found = engine.generate(requests)
    assert refused
    assert [one.token_ids for one in found] == [one.token_ids for one in expected]


def test_a_request_beyond_the_window_fails_alone(tiny_model: Path) -> None:
    engine = TransformersGenerator(model=str(tiny_model), device="cpu", window=60).open()
    found: dict[int, Generation | str] = {}

    def work(n: int) -> None:
        try:
            (found[n],) = engine.generate([request("the cat " * (40 if n == 3 else n + 1))])
        except WindowExceeded as error:
            found[n] = str(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert "exceed the window of 60" in found.pop(3)
    assert {one.usage.completion_tokens for one in found.values()} == {10}
