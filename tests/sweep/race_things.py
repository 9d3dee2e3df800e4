"""Sweeps whose pipelines are right with a set probability, question by question, so that a race has a known winner."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweep_things import questions, sweep_over, write_set

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, content_key
from ragvlc.core.families import Metric
from ragvlc.sweep.spec import Sweep

SHARES = {"good": 0.9, "fair": 0.55, "poor": 0.2, "bad": 0.1}


def pipeline(name: str) -> dict[str, Any]:
    """Returns a pipeline whose prompts begin with its name."""
    prompt = "This is " + name + ".\n{document}\n\nQuestion: {question}"
    route = {"kind": "full_context", "question_prompt": prompt}
    return {"generators": {"main": "scripted"}, "routes": {"full": route}}


def race_sweep(folder: Path, count: int = 60, documents: int = 60, **fields: Any) -> Sweep:
    """Returns a race of the four pipelines over questions in as many clusters as documents."""
    write_set(folder, questions(count, documents), documents, things=max(40, documents))
    given: dict[str, Any] = {"name": "race", "strategy": "race", "cache": False}
    given["pipelines"] = {name: pipeline(name) for name in SHARES}
    return sweep_over(folder, **given | fields)


def answers(shares: Mapping[str, float] = SHARES) -> Callable[[str], str]:
    """Returns a reader that gives the right colour with the share of the pipeline that asks."""

    def reply(prompt: str) -> str:
        name = next(one for one in shares if f"This is {one}." in prompt)
        thing = re.findall(r"thing (\d+)\?", prompt)[-1]
        colour = ("red", "blue", "green", "grey", "white", "black")[int(thing) % 6]
        chance = int(content_key(["answer", name, thing])[:8], 16) / 16**8
        return colour if chance < shares[name] else "unknown"

    return reply


class Percent(Metric):
    """A hundred if the first reference is in the answer."""

    @property
    def span(self) -> tuple[float, float]:
        return (0.0, 100.0)

    def score(self, answer: Answer, example: Example) -> float:
        return 100.0 * (example.references[0] in answer.text)


class Reversed(Percent):
    """A metric whose range has the most before the least."""

    @property
    def span(self) -> tuple[float, float]:
        return (100.0, 0.0)


class Boundless(Percent):
    """A metric whose range has no end."""

    @property
    def span(self) -> tuple[float, float]:
        return (0.0, float("inf"))
