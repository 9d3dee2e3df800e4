"""HELMET, the RAG part: open questions over up to 1,000 retrieved passages, with the gold one at several depths.

Yen et al. 2025 (arXiv 2410.02694). Files of the archive `data.tar.gz`, in `data/kilt`: JSON Lines of `id`, `question`,
`answers`, `ctxs` (`title`, `text`, `has_answer` ...), for PopQA also `s_pop`. The number of passages stands for a
length: 50 for 8k tokens, 105 for 16k, 220 for 32k, 440 for 64k, 1000 for 128k. A question has a record for each depth.

    dataset: {kind: helmet, path: FOLDER, subset: nq, k: 50, prompts: official}
    metrics: [helmet_substring]

`samples` takes the authors' questions: from the sorted ids a random sample by seed 42, all depths of each; PopQA
first drops questions about entities that are read often (log10 of `s_pop` from 3). With `prompts: official` (theirs,
MIT) each passage is headed "Document (Title: ...):", and `shots` demonstrations stand first, chosen by SHA-256 of the
question's id as theirs are; there is no chat template, and 20 new tokens. They cut the end of the passages, which is
the route's `truncation`. The evidence is every passage marked `has_answer` (those that hold the answer by chance
included), the tag `depth` the place of the first. The question is the cluster.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.data import Example, Query, Span
from ragvlc.core.official import OfficialPrompt
from ragvlc.datasets._passages import Passages, evidence_state
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

TESTS = {
    "nq": "nq-dev-multikilt_1000_k{k}_dep6.jsonl",
    "triviaqa": "triviaqa-dev-multikilt_1000_k{k}_dep6.jsonl",
    "hotpotqa": "hotpotqa-dev-multikilt_1000_k{k}_dep3.jsonl",
    "popqa": "popqa_test_1000_k{k}_dep6.jsonl",
}
DEMONSTRATIONS = {
    "nq": "nq-train-multikilt_1000_k3_dep6.jsonl",
    "triviaqa": "triviaqa-train-multikilt_1000_k3_dep6.jsonl",
    "hotpotqa": "hotpotqa-train-multikilt_1000_k3_dep3.jsonl",
    "popqa": "popqa_test_1000_k3_dep6.jsonl",
}
RARE = 3.0
PROMPT = (
    "Use the given documents to write a concise and short answer to the question. Write your answer in the following "
    "format:\nAnswer: [answer]\n\n{demonstrations}{document}\n\nQuestion: {question}\nAnswer:"
)


class Helmet(Prompted):
    """Reads the questions of one set at one length.

    Attributes:
        subset: `nq`, `triviaqa`, `hotpotqa` or `popqa`.
        k: number of passages, 50, 105, 220, 440 or 1000.
        samples: how many questions of the file, chosen as the authors do; None for all.
        shots: demonstrations before each question, with `prompts: official`.
    """

    release: ClassVar[Release] = Release(
        title="HELMET (RAG part)",
        citation="Yen et al. 2025, HELMET: How to Evaluate Long-Context Language Models Effectively and Thoroughly, "
        "arXiv 2410.02694",
        homepage="https://github.com/princeton-nlp/HELMET",
        licence="MIT (code); passages CC BY-SA, questions of their sets",
        tasks=("qa",),
        metrics=("helmet_substring",),
        aggregate="mean over records of the better substring match of raw and parsed reply, then over the four sets",
        files=(
            *(ReleasedFile(f"data/kilt/{name}", None, subset) for subset, name in TESTS.items()),
            *(ReleasedFile(f"data/kilt/{name}", None, f"{subset}: shots") for subset, name in DEMONSTRATIONS.items()),
        ),
        address="https://huggingface.co/datasets/princeton-nlp/HELMET (data.tar.gz, 34 GB)",
        prompts=True,
    )
    subset: Literal["nq", "triviaqa", "hotpotqa", "popqa"] = "nq"
    k: Literal[50, 105, 220, 440, 1000] = 50
    samples: Annotated[int, Field(ge=1)] | None = 100
    shots: Annotated[int, Field(ge=0)] = 2

    def subset_words(self) -> Sequence[str]:
        """Returns the set and the number of passages."""
        return (self.subset, f"k{self.k}")

    @property
    def _shown(self) -> int:
        return self.shots if self.prompts == "official" else 0

    def file_names(self) -> Sequence[str]:
        """Returns the file of the set and length, and that of demonstrations if there are any."""
        names = [TESTS[self.subset].format(k=self.k), *([DEMONSTRATIONS[self.subset]] if self._shown else [])]
        return [f"data/kilt/{name}" for name in names]

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record, in the order of the file."""
        test, *more = self.file_names()
        demonstrations = [row for name in more for row in self._rare(files, name, "demonstration")]
        rows = list(self._rare(files, test, "record"))
        names = self._sample(rows)
        seen: Counter[str] = Counter()
        for row in rows:
            name = _key(row)
            if name in names:
                seen[name] += 1
                example = self._example(row, f"{name}@{seen[name]}", name, self._chosen(name, demonstrations))
                if example.documents:
                    yield example
                else:
                    files.skipped["record without passages"] += 1

    def _sample(self, rows: Sequence[Row]) -> set[str]:
        """Returns the questions that the authors take; ids that are numbers are sorted as numbers."""
        numbers = {row.values["id"] for row in rows if type(row.values.get("id")) is int}
        names = {_key(row) for row in rows}
        order = [str(one) for one in sorted(numbers)] if len(numbers) == len(names) else sorted(names)
        if self.samples is None or len(order) <= self.samples:
            return names
        return set(random.Random(42).sample(order, self.samples))  # noqa: S311 - the authors' sample

    def _rare(self, files: Files, name: str, what: str) -> Iterator[Row]:
        """Yields the records of a file; of PopQA, those about entities that are rarely read."""
        for row in files.rows(name, "jsonl"):
            if self.subset == "popqa":
                views = row.values.get("s_pop")
                if not isinstance(views, (int, float)) or views <= 0:
                    row.complain(f"'s_pop' must be a number above 0, not {views!r}.")
                    continue
                if math.log10(views) >= RARE:
                    files.skipped[f"{what} about an entity that is read often (log10 of s_pop from 3)"] += 1
                    continue
            yield row

    def _chosen(self, name: str, demonstrations: Sequence[Row]) -> list[Row]:
        """Returns the demonstrations of a question: shuffled by its id, the first of different questions."""
        if not self._shown:
            return []
        import numpy as np

        others = [row for row in demonstrations if self.subset != "popqa" or _key(row) != name]
        seed = int(hashlib.sha256(name.encode("utf-8")).hexdigest(), 16) % 2**31
        order = np.random.default_rng(seed).permutation(len(others))
        found: dict[str, Row] = {}
        for place in order:
            found.setdefault(_key(others[place]), others[place])
            if len(found) == self._shown:
                break
        return list(found.values())

    def _example(self, row: Row, name: str, question: str, demonstrations: Sequence[Row]) -> Example:
        passages, gold = _passages(row, headed=self.prompts == "official")
        places = [place for place, one in enumerate(passages.documents) if one.id in gold]
        depth = row.values.get("depth", places[0] / max(len(passages.documents) - 1, 1) if places else None)
        shown = "".join(f"{_demonstration(one)}\n\n" for one in demonstrations)
        asked = OfficialPrompt(PROMPT, fields={"demonstrations": shown}, chat=False, max_tokens=20)
        tags: dict[str, Any] = {
            **size_tags(passages.documents),
            "evidence": evidence_state(len(gold), len(gold)),
            "language": "en",
            **({"depth": round(float(depth), 2)} if isinstance(depth, (int, float)) else {}),
        }
        return Example(
            query=Query(name, row.text("question"), official=self.official(asked)),
            documents=tuple(passages.documents),
            references=tuple(one for one in row.strings("answers") if one.strip()),
            evidence=tuple(Span(one.id, 0, len(one.text)) for one in passages.documents if one.id in gold),
            cluster=question,
            task="qa",
            tags=tags,
        )


def _key(row: Row) -> str:
    """Returns the id of a record's question; the question itself where there is none, as the authors do."""
    value = row.values.get("id")
    return str(value) if value not in (None, "") else row.text("question")


def _passages(row: Row, *, headed: bool) -> tuple[Passages, set[str]]:
    """Returns the passages, in the authors' form if `headed`, and the ids of those that hold the answer."""
    found, gold = Passages(), set[str]()
    for one in row.mappings("ctxs"):
        own = row.remade(one)
        title, text = own.string("title"), own.text("text")
        document = found.add(title, f"Document (Title: {title}): {text}" if headed else text)
        if one.get("has_answer"):
            gold.add(document.id)
    return found, gold


def _demonstration(row: Row) -> str:
    passages, _ = _passages(row, headed=True)
    answers = row.strings("answers")
    documents = "\n\n".join(one.text for one in passages.documents)
    return f"{documents}\n\nQuestion: {row.text('question')}\nAnswer: {answers[0] if answers else ''}"
