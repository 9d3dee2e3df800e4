"""Outside kinds that workers import, and jobs for them."""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from ragvlc.core.component import Execution
from ragvlc.core.data import Collection, Document, Example, Query
from ragvlc.core.engines import Generation, Request
from ragvlc.core.families import Generator
from ragvlc.core.jobs import Job
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine


class Noting(Generator):
    """Replies with its process and the thing asked about; notes in a folder what it does, and does what a test wants.

    Attributes:
        folder: where notes are.
        seconds: each answer takes.
        together: answers wait until so many processes have opened the model.
        kills: regular expression; a prompt in which it is found kills the process.
        once: it does so only the first time.
        warns: logs a warning.
        secret_env: name of a variable that the reply shows.
        name: makes engines differ.
    """

    folder: Annotated[str, Execution]
    seconds: Annotated[float, Execution] = 0.0
    together: Annotated[int, Execution] = 1
    kills: str = "(?!)"
    once: bool = True
    warns: bool = False
    secret_env: str = ""
    name: str = ""
    tensor_parallel: int = 1

    def tokenizer(self) -> WordTokenizer:
        return WordTokenizer()

    def open(self) -> _Engine:
        self.note("open")
        return _Engine(self)

    def note(self, word: str) -> None:
        with (Path(self.folder) / "notes").open("a", encoding="utf-8") as file:
            file.write(f"{word} {self.name} {os.getpid()} {time.time():.4f}\n")


class _Engine(FunctionEngine):
    def __init__(self, spec: Noting) -> None:
        super().__init__(self._say)
        self._spec = spec

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        self._spec.note("begin")
        found = super().generate(requests)
        self._spec.note("end")
        return found

    def _say(self, prompt: str) -> str:
        spec, killed = self._spec, Path(self._spec.folder) / "killed"
        if re.search(spec.kills, prompt) and not (spec.once and killed.exists()):
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        until(lambda: sum(word == "open" for word, *_ in notes(Path(spec.folder))) >= spec.together)
        time.sleep(spec.seconds)
        if spec.warns:
            logging.getLogger("ragvlc").warning("a worker is worried")
        return f"{os.getpid()} {os.environ.get(spec.secret_env, '')}"

    def close(self) -> None:
        self._spec.note("close")


def notes(folder: Path) -> list[tuple[str, str, int, float]]:
    """Returns what workers noted: word, name, process, time."""
    found = []
    for line in (folder / "notes").read_text(encoding="utf-8").splitlines():
        word, name, process, when = line.split(" ")
        found.append((word, name, int(process), float(when)))
    return found


def pipeline_of(folder: Path, **fields: Any) -> Pipeline:
    main = {"kind": "ray_things:Noting", "folder": str(folder)} | fields
    return Pipeline.model_validate({"generators": {"main": main}, "routes": {"full": "full_context"}})


def jobs_of(pipeline: Pipeline, count: int, documents: int = 1, **fields: Any) -> list[Job]:
    """Returns jobs that go through the documents one after the other."""
    texts = [Collection([Document(f"d{n}", f"Text number {n} is about things.")]) for n in range(documents)]
    jobs = []
    for n in range(count):
        place = n * documents // count
        example = Example(Query(f"q{n}", f"What is thing {n}?"), texts[place])
        jobs.append(
            Job(
                fields.get("cell", "cell"),
                pipeline,
                example,
                0,
                group=f"g{place}",
                **{"stage": 0} | {name: value for name, value in fields.items() if name != "cell"},
            )
        )
    return jobs


def always(job: Job) -> bool:
    return True


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()
