"""A scripted expert: writes questions about a corpus of plain facts, answers from what it reads, knows nothing else.

Tests plant bad items by giving the reply to the passages that hold a marker.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ragvlc.core.data import Document
from ragvlc.datasets._hidden import PLACES
from ragvlc.questions.files import SetFiles
from ragvlc.questions.spec import QuestionSpec
from ragvlc.testing import FunctionEngine, ScriptedPool

THINGS = ("mill", "bridge", "lighthouse", "chapel", "library", "market hall", "ferry", "observatory")
FACT = re.compile(r"The (?P<thing>[a-z ]+?) of (?P<place>[A-Z][a-z]+) was finished in the year (?P<year>\d{4})\.")
BUILDER = re.compile(
    r"(?P<name>[A-Z][a-z]+ [A-Z][a-z]+) was the builder of the (?P<thing>[a-z ]+?) of (?P<place>\w+)\."
)
FILLER = "Many people come here in summer, when the days are long and the roads are dry."
NAMES = ("Ada", "Bruno", "Cecily", "Edmund", "Flora", "Hector", "Judith", "Magnus", "Petra", "Silas", "Vera", "Walter")
SURNAMES = ("Ashdown", "Corbett", "Easton", "Garrick", "Kilburn", "Lachlan", "Netherby", "Quayle", "Somerset", "Zouch")


def corpus(documents: int = 40) -> list[Document]:
    """Returns documents about one place each: four things with their years and builders, all of them different."""
    found, number = [], 0
    for n in range(documents):
        place, lines = PLACES[n * 7 % len(PLACES)].capitalize(), []
        for thing in THINGS:
            # Coprime steps: no two facts of the corpus share a name.
            builder = f"{NAMES[number % 12]} {SURNAMES[number // 12 % 10]}{'son' * (number // 120)}"
            lines.append(f"The {thing} of {place} was finished in the year {1300 + number}.")
            lines.append(f"{builder} was the builder of the {thing} of {place}.")
            lines.append(FILLER)
            number += 1
        found.append(Document(f"{place}.md", " ".join(lines), place))
    return found


class Expert:
    """Replies to every prompt of the generation of questions.

    Args:
        planted: reply of the writer by text that its passages hold, in place of its own.
        knows: answer by question that it gives closed book.
        reads: answer by question that it gives over any text.
    """

    def __init__(
        self,
        planted: Mapping[str, str] | None = None,
        knows: Mapping[str, str] | None = None,
        reads: Mapping[str, str] | None = None,
    ) -> None:
        self.planted = dict(planted or {})
        self.knows = dict(knows or {})
        self.reads = dict(reads or {})
        self.prompts: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self.prompts.append(prompt)
        if "Reply in exactly this form" in prompt:
            return self.write(prompt)
        question = prompt.rsplit("\n\n", 1)[-1]
        if prompt.startswith(("Answer this question", "Write a short summary")):
            return self.knows.get(question, "UNANSWERABLE")
        return self.answer(question, prompt)

    def write(self, prompt: str) -> str:  # noqa: PLR0911 - one a kind
        shown = re.split(r"\n\n(?:Write one|These are)", prompt, maxsplit=1)[0]
        for marker, reply in self.planted.items():
            if marker in shown:
                return reply
        facts, builders = list(FACT.finditer(shown)), list(BUILDER.finditer(shown))
        if "request for a short summary" in prompt:
            place = facts[0]["place"]
            return (
                f"QUESTION: Summarise when the works of {place} were finished and who built them.\n"
                f"ANSWER: {facts[0][0]} {builders[0][0]}\nQUOTE: {facts[0][0]}\nQUOTE: {builders[0][0]}"
            )
        if "does not answer" in prompt:
            one = facts[0]
            return f"QUESTION: How much did the {one['thing']} of {one['place']} cost?\nQUOTE: {one[0]}"
        if "compares something" in prompt:
            one, other = facts[0], next(fact for fact in facts if fact["place"] != facts[0]["place"])
            names = [f"the {fact['thing']} of {fact['place']}" for fact in (one, other)]
            older = names[0] if int(one["year"]) < int(other["year"]) else names[1]
            return (
                f"QUESTION: Which is older, {names[0]} or {names[1]}?\nANSWER: {older}\n"
                f"QUOTE: {one[0]}\nQUOTE: {other[0]}"
            )
        if "places of" in prompt:
            one = facts[0]
            other = next(fact for fact in reversed(facts) if fact[0] != one[0])
            years = f"{one['year']} and {other['year']}"
            return (
                f"QUESTION: In which years were the {one['thing']} of {one['place']} and the {other['thing']} of "
                f"{other['place']} finished?\nANSWER: {years}\n"
                f"QUOTE: {one[0]}\nQUOTE: {other[0]}"
            )
        if "whose answer is a number" in prompt:
            one = facts[0]
            asked = f"When was the {one['thing']} of {one['place']} finished?"
            return f"QUESTION: {asked}\nANSWER: {one['year']}\nQUOTE: {one[0]}"
        one = builders[0]
        return (
            f'QUESTION: Who built the {one["thing"]} of {one["place"]}?\nANSWER: {one["name"]}\n**Quote:** "{one[0]}"'
        )

    def answer(self, question: str, text: str) -> str:  # noqa: PLR0911 - one a kind
        if question in self.reads:
            return self.reads[question]
        years = {(f["thing"], f["place"]): f["year"] for f in FACT.finditer(text)}
        names = {(f["thing"], f["place"]): f["name"] for f in BUILDER.finditer(text)}
        asked = re.findall(rf"the ({'|'.join(THINGS)}) of ([A-Z]\w+)", question)
        if question.startswith("Who built"):
            return names.get(asked[0], "UNANSWERABLE")
        if question.startswith(("When was", "In which years", "Which is older")):
            found = [years.get(one) for one in asked]
            if None in found:
                return "UNANSWERABLE"
            if question.startswith("Which"):
                thing, place = min(asked, key=lambda one: int(years[one]))
                return f"the {thing} of {place}"
            return " and ".join(map(str, found))
        if question.startswith("Summarise") and (place := re.search(r"works of (\w+)", question)):
            lines = [m[0] for m in (*FACT.finditer(text), *BUILDER.finditer(text)) if m["place"] == place[1]]
            return " ".join(lines) or "UNANSWERABLE"
        return "UNANSWERABLE"


def spec(folder: Path, documents: list[Document] | None = None, **settings: object) -> QuestionSpec:
    """Returns a specification over a corpus written to `folder`."""
    place = folder / "corpus"
    place.mkdir(exist_ok=True)
    SetFiles.at(place).write_documents(corpus() if documents is None else documents)
    given = {
        "dataset": {"kind": "jsonl", "path": str(place)},
        "generators": {"writer": {"kind": "scripted"}},
        "concurrency": 4,
        **settings,
    }
    return QuestionSpec.model_validate(given)


def pool(folder: Path, reply: Callable[[str], str]) -> ScriptedPool:
    """Returns a pool whose every generator is the given function."""
    return ScriptedPool(FunctionEngine(reply), folder / "store")
