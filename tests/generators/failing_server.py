"""A sweep against a server that fails 30 % of the time: nothing lost, nothing twice, no key anywhere.

    .venv/bin/python tests/generators/failing_server.py --questions 2000      (make failing-server)

Of 100 requests about 8 get 429 with a wait, 8 get 500 with the key in the message, 7 a stream that is cut, and 7 a
connection that drops. The rest is answered with the word that the question asks for, so that no answer can be mixed up
with another.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chat_server import Handler, answer, chunk, cut_off, refuse, serving

from ragvlc import config
from ragvlc.results.loading import SweepResults
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

KEY = "sk-planted-0123456789-abcdefghij"
VARIABLE = "FAILING_SERVER_KEY"
FAILS = 0.3
WAIT = 0.05
LATENCY = 0.1  # of an answer, so that as many are in work as may be


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run against the server showed.

    Attributes:
        questions: asked.
        answered: with the right word.
        lines: rows stored for each question, those that are not one.
        failed: questions without an answer.
        requests: of the chat endpoint.
        failures: requests that the server failed.
        noted: failed attempts that the rows note; more than `failures` where a connection was reused just as the server
            closed it.
        most_at_once: requests in work at the same time.
        busiest_second: requests that came in within any one second.
        seconds: of the run.
        leaks: files with the key in them.
    """

    questions: int
    answered: int
    lines: dict[str, int]
    failed: int
    requests: int
    failures: int
    noted: int
    most_at_once: int
    busiest_second: int
    seconds: float
    leaks: tuple[str, ...]


class Failing:
    """The replies of the server, drawn with a seed.

    Attributes:
        arrivals: moments of all requests.
        failures: number of requests that were failed, by how.
    """

    def __init__(self) -> None:
        self._chance = random.Random(0)
        self._lock = threading.Lock()
        self.arrivals: list[float] = []
        self.failures: Counter[str] = Counter()

    def __call__(self, handler: Handler, body: dict) -> None:
        words = re.findall(r"word\d+", body["messages"][-1]["content"])
        if not words:  # the question before the first one
            answer("yes")(handler, body)
            return
        with self._lock:
            self.arrivals.append(time.perf_counter())
            drawn = self._chance.random()
            how = next((name for name, upto in _WAYS if drawn < upto), "")
            if how:
                self.failures[how] += 1
        word = words[-1]
        if how == "429":
            refuse(429, "slow down", retry_after_ms=str(int(WAIT * 1000)))(handler, body)
        elif how == "500":
            refuse(500, f"failed for {handler.headers['Authorization']}")(handler, body)
        elif how == "cut":
            cut_off(chunk(word[:3]))(handler, body)
        elif how == "drop":
            handler.cut()
        else:
            time.sleep(LATENCY)
            answer(word)(handler, body)


_WAYS = (("429", 0.08), ("500", 0.16), ("cut", 0.23), ("drop", FAILS))


def sweep_of(folder: Path, url: str, questions: int, concurrency: int, tracker: object) -> Sweep:
    """Writes the data and returns the sweep."""
    (folder / "data").mkdir(parents=True)
    asked = [
        {"question_id": f"q{i}", "doc_ids": ["d"], "question": f"Repeat word{i}", "answers": [f"word{i}"]}
        for i in range(questions)
    ]
    for name, rows in (("documents", [{"doc_id": "d", "text": "A text."}]), ("questions", asked)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    generator = {
        "kind": "openai_compatible",
        "url": url,
        "model": "tiny",
        "window": 4096,
        "api_key_env": VARIABLE,
        "concurrency": concurrency,
        "retries": 15,
        "timeout_seconds": 60,
    }
    data = {
        "name": "failing",
        "dataset": {"kind": "jsonl", "path": str(folder / "data")},
        "pipelines": {"asks": {"generators": {"main": generator}, "routes": {"ask": "closed_book"}}},
        "metrics": ["exact_match"],
        "concurrency": concurrency,
        "tracker": tracker,
    }
    return config.build(Sweep, data, "failing")


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """Plants the key, and collects every word that is logged."""
    before = {name: os.environ.get(name) for name in (VARIABLE, "RAGVLC_STORE")}
    os.environ |= {VARIABLE: KEY, "RAGVLC_STORE": str(folder / "store")}
    root, level = logging.getLogger(), logging.getLogger().level
    log = logging.FileHandler(folder / "log.txt", encoding="utf-8")
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(log)
        root.setLevel(level)
        log.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def show(folder: Path, questions: int, concurrency: int, tracker: object = "none") -> Figures:
    """Runs the sweep and returns what it showed; everything it writes is below `folder`."""
    failing = Failing()
    folder.mkdir(parents=True, exist_ok=True)
    with serving() as server, environment(folder):
        server.default = failing
        started = time.perf_counter()
        run_sweep(sweep_of(folder, server.url, questions, concurrency, tracker), folder / "runs")
        seconds = time.perf_counter() - started
    [cell] = SweepResults.load(folder / "runs" / "failing").cells
    [file] = (folder / "runs" / "failing").glob("*/predictions.jsonl")
    stored = Counter(json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines())
    answers = {name: row.answer for name, row in cell.rows.items() if row.answer is not None}
    return Figures(
        questions=questions,
        answered=sum(answer.text == f"word{name.removeprefix('q')}" for name, answer in answers.items()),
        lines={name: lines for name, lines in stored.items() if lines != 1},
        failed=questions - len(answers),
        requests=len(failing.arrivals),
        failures=failing.failures.total(),
        noted=sum(sum(one.facts("failed_attempts")) for one in answers.values()),
        most_at_once=server.most_at_once,
        busiest_second=_busiest(failing.arrivals),
        seconds=seconds,
        leaks=tuple(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file() and KEY.encode() in path.read_bytes()
        ),
    )


def _busiest(moments: list[float]) -> int:
    """Returns the largest number of moments within one second."""
    ordered, first, most = sorted(moments), 0, 0
    for place, moment in enumerate(ordered):
        while moment - ordered[first] > 1:
            first += 1
        most = max(most, place - first + 1)
    return most


def main() -> int:
    """Prints the figures; returns 1 if anything was lost, doubled or leaked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tracker = {"kind": "mlflow", "uri": f"sqlite:///{name}/show/mlflow.db"}
        found = show(Path(name) / "show", asked.questions, asked.concurrency, tracker)
    print(
        f"{found.questions} questions, {found.answered} answered right, {found.failed} lost, {len(found.lines)} twice"
    )
    print(f"{found.requests} requests, {found.failures} failed by the server, {found.noted} noted in rows")
    print(f"at most {found.most_at_once} at once and {found.busiest_second} within a second; {found.seconds:.1f} s")
    print(f"the key is in: {', '.join(found.leaks) or 'no file'}")
    return int(bool(found.answered != found.questions or found.failed or found.lines or found.leaks))


if __name__ == "__main__":
    sys.exit(main())
