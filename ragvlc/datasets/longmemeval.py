"""LongMemEval: questions about a user's earlier chats with an assistant, over tens or hundreds of sessions.

Wu et al. 2025 (arXiv 2410.10813). A JSON list: `question_id` (ends in `_abs`: the chats do not tell),
`question_type`, `question`, `answer`, `question_date`, `haystack_session_ids`, `haystack_dates`,
`haystack_sessions` (turns of `role` and
`content`; those with the answer have `has_answer`), `answer_session_ids`.

    dataset: {kind: longmemeval, path: FOLDER, subset: s}
    metrics: [{kind: llm_judge, judge: {...}, protocol: longmemeval}, {kind: longmemeval_retrieval, k: 5}]

A session is a document, its title the session's date, its turns "user: ..." and "assistant: ...". The turns with the
answer are the evidence, their sessions the relevant documents. The question ends with the date it was asked on, since
several types depend on it (`dated: false` leaves it out). `Example.scoring` has `question_type`. A question is its own
cluster.

`prompts: official` (theirs, MIT) is their full history in plain text ("nl", without notes): sessions sorted by date,
each under "### Session 1:", the date of the question before it, 500 new tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

TYPES = (
    "single-session-user",
    "single-session-assistant",
    "single-session-preference",
    "temporal-reasoning",
    "knowledge-update",
    "multi-session",
)
PROMPT = (
    "I will give you several history chats between you and a user. Please answer the question based on the relevant "
    "chat history.\n\n\nHistory Chats:\n\n\n{document}\n\n\nCurrent Date: {date}\nQuestion: {asked}\nAnswer:"
)
FILES = {"oracle": "longmemeval_oracle.json", "s": "longmemeval_s_cleaned.json", "m": "longmemeval_m_cleaned.json"}


class Longmemeval(Prompted):
    """Reads the questions of one file.

    Attributes:
        subset: `oracle`, the sessions with the answer only; `s`, some 40 sessions, about 115,000 tokens; `m`, 500.
        question_type: of one type only; all if empty.
        dated: whether the question ends with the date on which it was asked.
    """

    release: ClassVar[Release] = Release(
        title="LongMemEval",
        citation="Wu et al. 2025, LongMemEval: Benchmarking Chat Assistants on Long-Term Interactive Memory, "
        "arXiv 2410.10813",
        homepage="https://github.com/xiaowu0162/LongMemEval",
        licence="MIT",
        tasks=TYPES,
        metrics=("llm_judge", "longmemeval_retrieval", "evidence_recall"),
        aggregate="accuracy by a judge, over all questions and by type; abstentions are a type of their own",
        files=(
            ReleasedFile(FILES["oracle"], None, "subset: oracle"),
            ReleasedFile(FILES["s"], None, "subset: s"),
            ReleasedFile(FILES["m"], None, "subset: m, 500 sessions a question"),
        ),
        hub="xiaowu0162/longmemeval-cleaned",
        prompts=True,
    )
    subset: Literal["oracle", "s", "m"] = "s"
    question_type: str = ""
    dated: bool = True

    def file_names(self) -> Sequence[str]:
        """Returns the file of the subset."""
        return (FILES[self.subset],)

    def subset_words(self) -> Sequence[str]:
        """Returns the file and the type."""
        return [self.subset, *([self.question_type] if self.question_type else [])]

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record; those of other types are left out without being counted."""
        found: set[str] = set()
        for row in files.rows(FILES[self.subset], "json"):
            kind = row.one_of("question_type", TYPES)
            found.add(kind)
            if not self.question_type or kind == self.question_type:
                yield self._example(row, kind)
        self.refuse_unknown("question_type", filter(None, [self.question_type]), found)

    def _example(self, row: Row, kind: str) -> Example:
        name = row.text("question_id")
        documents, evidence = _sessions(row, headed=self.prompts == "official")
        wanted = set(row.strings("answer_session_ids"))
        relevant = {one.id: 1.0 for one in documents if one.metadata["session"] in wanted}
        abstains = name.endswith("_abs")
        date = row.text("question_date")
        answer = row.values.get("answer")
        answer = str(answer) if type(answer) in (int, float) else row.text("answer")
        question = row.text("question")
        asked = OfficialPrompt(PROMPT, "{asked}", fields={"date": date, "asked": question}, max_tokens=500)
        tags: dict[str, Any] = {
            "question_type": "abstention" if abstains else kind,
            **size_tags(documents),
            "evidence": "located" if evidence else "none",
            "language": "en",
        }
        return Example(
            query=Query(
                name, f"{question}\n(Asked on {date}.)" if self.dated else question, official=self.official(asked)
            ),
            documents=tuple(documents),
            references=(answer,),
            unanswerable=abstains,
            evidence=() if abstains else tuple(evidence),
            relevant=relevant,
            cluster=name,
            task=kind,
            tags=tags,
            scoring={"question_type": kind},
        )


def _sessions(row: Row, *, headed: bool) -> tuple[list[Document], list[Span]]:
    """Returns the sessions as documents, and the turns with the answer; a session that repeats has a second id.

    With `headed` they are in the authors' form and order.
    """
    names, dates = row.strings("haystack_session_ids"), row.strings("haystack_dates")
    given = row.values.get("haystack_sessions")
    if not isinstance(given, list) or not len(given) == len(names) == len(dates):
        row.complain("'haystack_sessions', '_dates' and '_session_ids' must be lists of the same length.")
        return [], []
    sessions = list(zip(names, dates, given, strict=True))
    if headed:
        sessions.sort(key=lambda one: one[1])
    documents, evidence, seen = list[Document](), list[Span](), Counter[str]()
    for number, (name, date, turns) in enumerate(sessions, start=1):
        seen[name] += 1
        own = name if seen[name] == 1 else f"{name}@{seen[name]}"
        text = f"### Session {number}:\nSession Date: {date}\nSession Content:\n" if headed else ""
        for turn in turns if isinstance(turns, list) else [None]:
            if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
                row.complain("'haystack_sessions' must hold lists of turns with a text in 'content'.")
                break
            text += "\n\n" if text else ""
            start = len(text)
            text += f"{turn.get('role', 'user')}: {turn['content'].strip()}"
            if turn.get("has_answer"):
                evidence.append(Span(own, start, len(text)))
        documents.append(Document(own, text, date, {"session": name, "date": date}))
    return documents, evidence
