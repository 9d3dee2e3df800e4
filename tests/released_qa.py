"""Files of question sets in the form of the released ones, made by hand, with the settings that read them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

HOTPOT = {
    "_id": "5a8b57f25542995d1e6f1371",
    "question": "Which tower did the keeper of the harbour build?",
    "answer": "the north tower",
    "type": "bridge",
    "level": "hard",
    "supporting_facts": [["Harbour", 1], ["Keeper (office)", 0], ["Harbour", 9]],
    "context": [
        ["Harbour", ["The harbour is old.", " Its keeper was Ada.", " Ships call in May."]],
        ["Keeper (office)", ["Ada built the north tower.", " She also sold oil."]],
        ["Bell", ["A bell rings.", " It is of bronze."]],
    ],
}
TWO_WIKI = {
    **HOTPOT,
    "_id": "13f5ad2c088c11ebbd6fac1f6bf848b6",
    "type": "bridge_comparison",
    "context": [[title, [one.strip() for one in own]] for title, own in HOTPOT["context"]],  # type: ignore[attr-defined]
    "supporting_facts": [["Harbour", 1], ["Keeper (office)", 0]],
    "evidences": [["Harbour", "keeper", "Ada"], ["Ada", "built", "the north tower"]],
    "evidences_id": [],
    "answer_id": "Q12",
}
MUSIQUE = {
    "id": "2hop__482757_12019",
    "paragraphs": [
        {"idx": 0, "title": "Bell", "paragraph_text": "A bell rings at noon.", "is_supporting": False},
        {"idx": 1, "title": "Keeper", "paragraph_text": "Ada built the north tower.", "is_supporting": True},
        {"idx": 2, "title": "Harbour", "paragraph_text": "The keeper was Ada.", "is_supporting": True},
    ],
    "question": "Which tower did the keeper of the harbour build?",
    "question_decomposition": [
        {"id": 482757, "question": "Who kept the harbour?", "answer": "Ada", "paragraph_support_idx": 2},
        {"id": 12019, "question": "Which tower did #1 build?", "answer": "north tower", "paragraph_support_idx": 1},
    ],
    "answer": "north tower",
    "answer_aliases": ["tower of the north"],
    "answerable": True,
}
QASPER = {
    "1909.00694": {
        "title": "Lamps at sea",
        "abstract": "We measure lamps.",
        "full_text": [
            {"section_name": "Introduction", "paragraphs": ["Lamps are old.\nThey burn oil.", ""]},
            {"section_name": "Method ::: Oil", "paragraphs": ["We used whale oil and wicks of cotton."]},
            {"section_name": None, "paragraphs": ["It worked."]},
        ],
        "figures_and_tables": [{"file": "1-Table1-1.png", "caption": "Table 1: oils"}],
        "qas": [
            {
                "question": "What oil is used?",
                "question_id": "q-oil",
                "nlp_background": "two",
                "answers": [
                    {
                        "annotation_id": "a",
                        "worker_id": "w",
                        "answer": {
                            "unanswerable": False,
                            "extractive_spans": ["whale oil", "wicks of cotton"],
                            "yes_no": None,
                            "free_form_answer": "",
                            "evidence": ["We used whale oil and wicks of cotton.", "FLOAT SELECTED: Table 1: oils"],
                            "highlighted_evidence": ["We used whale oil"],
                        },
                    },
                    {
                        "annotation_id": "b",
                        "worker_id": "v",
                        "answer": {
                            "unanswerable": True,
                            "extractive_spans": [],
                            "yes_no": None,
                            "free_form_answer": "",
                            "evidence": [],
                            "highlighted_evidence": [],
                        },
                    },
                ],
            },
            {
                "question": "Do lamps burn oil?",
                "question_id": "q-yes",
                "answers": [
                    {
                        "answer": {
                            "unanswerable": False,
                            "extractive_spans": [],
                            "yes_no": False,
                            "free_form_answer": "",
                            "evidence": ["Lamps are old.\nThey burn oil."],
                        }
                    }
                ],
            },
            {
                "question": "Who paid?",
                "question_id": "q-none",
                "answers": [
                    {
                        "answer": {
                            "unanswerable": True,
                            "extractive_spans": [],
                            "yes_no": None,
                            "free_form_answer": "",
                            "evidence": [],
                        }
                    }
                ],
            },
        ],
    },
    "1910.00001": {"title": "Empty", "abstract": "", "full_text": [], "qas": [{"question": "?", "question_id": "x"}]},
}
QUALITY = {
    "article_id": "52845",
    "set_unique_id": "52845_YLZPNNYD",
    "batch_num": "11",
    "writer_id": "1",
    "source": "Gutenberg",
    "title": "The lamp",
    "year": 1950,
    "author": "A. Writer",
    "topic": "Sea stories",
    "article": "The lamp burns each night.\n\nThe keeper carries oil.",
    "questions": [
        {
            "question": "What does the keeper carry?",
            "question_unique_id": "52845_YLZPNNYD_1",
            "options": ["Water", "Oil ", "Rope", "A bell"],
            "writer_label": 2,
            "gold_label": 2,
            "validation": [
                {"untimed_annotator_id": "1", "untimed_answer": 2, "untimed_eval2_context": 2},
                {"untimed_annotator_id": "2", "untimed_answer": 2, "untimed_eval2_context": 2},
                {"untimed_annotator_id": "3", "untimed_answer": 1, "untimed_eval2_context": 4},
            ],
            "speed_validation": [],
            "difficult": 1,
        },
        {
            "question": "When does the lamp burn?",
            "options": ["At night", "At noon", "Never", "In May"],
            "gold_label": 1,
            "validation": [],
            "difficult": 0,
        },
    ],
}
MEMORY = {
    "question_id": "e47becba",
    "question_type": "single-session-user",
    "question": "Which oil did I buy?",
    "answer": "Whale oil",
    "question_date": "2023/05/30 (Tue) 23:40",
    "haystack_session_ids": ["sharegpt_b_0", "answer_a", "sharegpt_b_0"],
    "haystack_dates": ["2023/05/21 (Sun) 02:21", "2023/05/20 (Sat) 02:21", "2023/05/22 (Mon) 02:21"],
    "haystack_sessions": [
        [{"role": "user", "content": "Hello. "}, {"role": "assistant", "content": "Good day."}],
        [
            {"role": "user", "content": "I bought whale oil.", "has_answer": True},
            {"role": "assistant", "content": "Fine."},
        ],
        [{"role": "user", "content": "Hello again."}],
    ],
    "answer_session_ids": ["answer_a"],
}


def passages(*marks: str, key: str = "has_answer") -> list[dict[str, Any]]:
    """Passages, of which those with a mark of `+` hold the answer."""
    return [
        {
            "id": str(100 + place),
            "title": f"Page {place}",
            "text": f"Passage {place} of {''.join(marks)}.",
            key: one == "+",
        }
        for place, one in enumerate(marks)
    ]


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def table(path: Path, rows: list[Mapping[str, str]], separator: str = ",") -> None:
    """Writes a table with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)


def hotpotqa(folder: Path) -> dict[str, Any]:
    (folder / "hotpot_dev_distractor_v1.json").write_text(json.dumps([HOTPOT, {**HOTPOT, "_id": "b", "answer": "no"}]))
    return {}


def two_wiki(folder: Path) -> dict[str, Any]:
    (folder / "dev.json").write_text(json.dumps([TWO_WIKI]))
    lines(folder / "id_aliases.json", [{"Q_id": "Q12", "aliases": ["North Tower"], "demonyms": []}])
    return {"aliases": True}


def musique(folder: Path) -> dict[str, Any]:
    others = [{**one, "is_supporting": False} for one in MUSIQUE["paragraphs"][:2]]  # type: ignore[index]
    lines(folder / "musique_full_v1.0_dev.jsonl", [MUSIQUE, {**MUSIQUE, "paragraphs": others, "answerable": False}])
    return {"subset": "full"}


def qasper(folder: Path) -> dict[str, Any]:
    (folder / "qasper-dev-v0.3.json").write_text(json.dumps(QASPER))
    return {}


def quality(folder: Path) -> dict[str, Any]:
    other = {**QUALITY, "set_unique_id": "52845_ABC", "questions": [QUALITY["questions"][1]]}  # type: ignore[index]
    lines(folder / "QuALITY.v1.0.1.htmlstripped.dev", [QUALITY, other])
    return {}


def narrativeqa(folder: Path) -> dict[str, Any]:
    about = [
        {"document_id": name, "set": "test", "kind": kind, "wiki_title": name.title(), "story_word_count": "9"}
        for name, kind in (("book", "gutenberg"), ("film", "movie"), ("lost", "movie"))
    ]
    asked = [
        {"document_id": name, "set": part, "question": f" What of {name}?", "answer1": "Oil.", "answer2": "A lamp"}
        for name, part in (("book", "test"), ("film", "test"), ("lost", "test"), ("book", "train"))
    ]
    table(folder / "documents.csv", about)
    table(folder / "qaps.csv", [*asked, {**asked[0], "question": "Who?", "answer2": "Oil."}])
    table(
        folder / "third_party/wikipedia/summaries.csv", [{"document_id": "book", "set": "test", "summary": " Short.\n"}]
    )
    (folder / "tmp").mkdir()
    (folder / "tmp/book.content").write_bytes("Für die Lampe.\n\nOil.".encode("cp1252"))
    (folder / "tmp/film.content").write_text("<html><body><pre>INT. TOWER\nThe lamp burns.</pre></body></html>")
    return {}


def beir(folder: Path) -> dict[str, Any]:
    lines(
        folder / "corpus.jsonl",
        [
            {"_id": "d1", "title": "Lamp", "text": "It burns oil.", "metadata": {}},
            {"_id": "d2", "title": "", "text": "A bell rings."},
            {"_id": "q2", "title": "Rope", "text": "Long."},
        ],
    )
    lines(
        folder / "queries.jsonl",
        [
            {"_id": "q1", "text": "What burns?", "metadata": {"excluded_ids": ["d2", "N/A"]}},
            {"_id": "q2", "text": "What is long?"},
            {"_id": "q3", "text": "What is not judged?"},
            {"_id": "q4", "text": "What is only judged as wrong?"},
        ],
    )
    grades = [("q1", "d1", "2"), ("q1", "gone", "1"), ("q2", "d1", "1"), ("q4", "d1", "0"), ("q9", "d1", "1")]
    rows = [dict(zip(("query-id", "corpus-id", "score"), one, strict=True)) for one in grades]
    table(folder / "qrels/test.tsv", rows, "\t")
    return {}


def longmemeval(folder: Path) -> dict[str, Any]:
    abstains = {
        **MEMORY,
        "question_id": "x_abs",
        "answer": 3,
        "question_type": "multi-session",
        "answer_session_ids": [],
    }
    (folder / "longmemeval_s_cleaned.json").write_text(json.dumps([MEMORY, abstains]))
    return {}


def natural_questions(folder: Path) -> dict[str, Any]:
    rows = [
        {"question": f"Which page {n}?", "answers": ["Page 9"], "ctxs": passages("-", "+", "-", key="isgold")}
        for n in range(2)
    ]
    lines(folder / "nq-open-20_total_documents_gold_at_9.jsonl", rows)
    return {}


def helmet(folder: Path) -> dict[str, Any]:
    rows = [
        {"id": f"n{n}", "question": f"Which page {n}?", "answers": [f"Page {n}"], "ctxs": passages(*marks)}
        for n in range(3)
        for marks in ("+--", "--+")
    ]
    shots = [
        {"id": f"s{n}", "question": f"Which shot {n}?", "answers": [f"Shot {n}"], "ctxs": passages("+", str(n))}
        for n in (0, 0, 1, 2)
    ]
    lines(folder / "data/kilt/nq-dev-multikilt_1000_k50_dep6.jsonl", rows)
    lines(folder / "data/kilt/nq-train-multikilt_1000_k3_dep6.jsonl", shots)
    return {}


QUESTION_SETS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    one.__name__: one
    for one in (
        *(hotpotqa, two_wiki, musique, qasper, quality, narrativeqa, beir),
        *(longmemeval, natural_questions, helmet),
    )
}
"""Writes the files of each kind into a folder, and returns the settings, besides `path`, that read them."""
