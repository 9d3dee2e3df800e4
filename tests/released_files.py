"""Files of published benchmarks, made by hand in the form of the released ones, with the settings that read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.released_qa import QUESTION_SETS

LONGBENCH_V2 = {
    "_id": "66f36490821e116aacb2cc22",
    "domain": "Single-Document QA",
    "sub_domain": "Literary",
    "difficulty": "hard",
    "length": "short",
    "question": " What does the keeper carry up the stairs? ",
    "choice_A": "A lamp",
    "choice_B": "A rope ",
    "choice_C": "Oil",
    "choice_D": "Nothing",
    "answer": "C",
    "context": "  The keeper climbs the stairs each evening. He carries oil for the lamp in a can of tin.\n",
}


LONGBENCH = {
    "input": "Who carried the oil?",
    "context": "Passage 1:\nThe tower\nIt is 31 metres high.\nPassage 3: is no heading.\nPassage 2:\n"
    "The keeper\nAda.\n",
    "answers": ["Ada", "the keeper"],
    "length": 5000,
    "dataset": "hotpotqa",
    "language": "en",
    "all_classes": None,
    "_id": "a1",
}
TOWER = (
    "The tower is 31 metres high, and was built by the people of the bay in 1868. Its lamp was lit first on a night in "
    "May. The keeper of the northern tower carried oil up the stairs. He wrote a letter each month."
)
LOOGLE_PAIRS = [
    {
        "Q": "How high is the tower?\n1. 30 metres\n2. 31 metres",
        "A": "2",
        "type": "computation",
        "S": ["It is not there."],
    },
    {
        "Q": "Reorder the events:\n1. A letter was written.\n2. The lamp was lit.",
        "A": "II, I",
        "type": "timeline_reorder",
        "S": "['Its lamp was lit  first on a night', 'A keeper of the northern tower carried oil up the stairs']",
    },
]
LOOGLE_CLOZE = [
    {"Q": "<mask-0> built it in <mask-1>.", "A": {"<mask-0>": "Ada", "<mask-1>": "May"}, "S": "Ada built it in May."}
]


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def longbench_v2(folder: Path) -> dict[str, Any]:
    rows = [LONGBENCH_V2, {**LONGBENCH_V2, "_id": "b", "difficulty": "easy", "length": "long", "answer": "A"}]
    (folder / "data.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return {}


def longbench(folder: Path) -> dict[str, Any]:
    plain = {**LONGBENCH, "context": "One text alone.", "input": "", "_id": "a2", "answers": ["x"], "length": 9000}
    lines(folder / "data" / "hotpotqa.jsonl", [LONGBENCH, {**plain, "input": "Who?"}])
    lines(folder / "data" / "gov_report.jsonl", [{**plain, "dataset": "gov_report"}])
    few = {**plain, "input": "Question: Who?\nType:", "answers": ["Person"], "all_classes": ["Person", "Place"]}
    lines(folder / "data" / "trec_e.jsonl", [{**few, "length": 3999}, {**few, "_id": "a3", "context": " "}])
    paragraphs = {
        **plain,
        "context": "Paragraph 1: a\n\nParagraph 2: b",
        "input": "About b.",
        "answers": ["Paragraph 2"],
    }
    lines(folder / "passage_retrieval_en.jsonl", [paragraphs])
    return {}


def loogle(folder: Path) -> dict[str, Any]:
    record = {"input": TOWER, "title": "The tower", "output": "None"}
    lines(folder / "longdep_qa.jsonl", [{**record, "qa_pairs": repr(LOOGLE_PAIRS)}])
    lines(folder / "shortdep_cloze.jsonl", [{**record, "qa_pairs": repr(LOOGLE_CLOZE)}])
    lines(folder / "longdep_summarization.jsonl", [{**record, "qa_pairs": "none", "output": "A tower by the sea."}])
    return {}


LEVAL_CODE = """
def get_sys_prompt(args, file_name):
    if "gsm" in file_name:
        prompt = "Count."
    elif "sci_fi" in file_name:
        prompt = "Say True or False."
    elif "exam" in args.metric:
        prompt = "Name the letter."
    else:
        prompt = "Write."
    return prompt
"""
LEVAL_MESSAGES = """
def main():
    if args.metric == "exam_eval":
        context = "Text: {} Asked: {} \\nAnswer: "
    else:
        context = "Text: {} Asked: {} " + f"About {len(out.split())} words. "
"""


def leval(folder: Path) -> dict[str, Any]:
    options = "Who?\n\n (A) Ada \n (B) Bo"
    quality = {"input": TOWER, "instructions": [options, "Why?\nA. x\nB. x"], "outputs": ["(B) Bo", "A"]}
    exam = {"source": "s", "evaluation": "exam"}
    lines(folder / "LEval-data" / "Closed-ended-tasks" / "quality.jsonl", [{**quality, **exam}])
    coursera = {"input": TOWER, "instructions": ["Which?\nA. a\nB. b\nC. c"], "outputs": ["AC"], **exam}
    lines(folder / "coursera.jsonl", [coursera])
    statement = "1.\tIt snows, True or False? Answer this question based on the world described in the document."
    judged = {"input": TOWER, "instructions": [statement], "outputs": ["True [fact: False]"], **exam}
    lines(folder / "sci_fi.jsonl", [judged])
    news = {"input": TOWER, "instructions": ["Summarize.", " "], "outputs": ["One two three.", "x"], "source": "n"}
    lines(folder / "news_summ.jsonl", [{**news, "evaluation": one} for one in ("rouge", "LLM")])
    solved = {"input": "Q: 1+1? A: 2", "instructions": ["Q: 2+2?"], "outputs": ["4"], "evaluation": "exam"}
    lines(folder / "gsm100.jsonl", [solved, solved])
    (folder / "Baselines").mkdir(exist_ok=True)
    (folder / "Baselines" / "LEval_config.py").write_text(LEVAL_CODE)
    (folder / "Baselines" / "turbo16k-test.py").write_text(LEVAL_MESSAGES)
    return {}


def lara(folder: Path) -> dict[str, Any]:
    row = {
        "type": "novel",
        "level": "x",
        "length": "32k",
        "file": "Tower.txt",
        "context_order": 0,
        "question": "How high?",
    }
    query = folder / "datasets" / "query"
    excerpt = {**row, "context": "The lighthouse is high.", "answer": "High.", "type": "novelette_fake"}
    lines(query / "32k_book_location.jsonl", [excerpt])
    lines(query / "32k_book_reasoning.jsonl", [{**row, "answer": "31 metres.", "context_order": "full"}])
    parts = {name: value for name, value in row.items() if name != "context_order"}
    lines(query / "32k_book_comp.jsonl", [{**parts, "comp_parts": [0, 2], "answer": "Both."}])
    lines(query / "32k_book_hallu.jsonl", [{**row, "question": "Who is Bo?", "answer": "The text does not say."}])
    (folder / "datasets" / "32k" / "book").mkdir(parents=True, exist_ok=True)
    (folder / "datasets" / "32k" / "book" / "Tower.txt").write_text(TOWER, encoding="utf-8")
    return {"text": "book"}


def sort(folder: Path) -> dict[str, Any]:
    words = " ".join(f"Word{number}{'.' if number % 10 == 9 else ''}" for number in range(250))
    first, second = words.split()[10:30], words.split()[50:70]
    pair = {"segment_1": " ".join(first), "segment_2": " ".join(second), "seg1_pos": 10, "seg2_pos": 50}
    shared = {"book_idx": 69087, "excerpt_idx": 0}
    tables = {
        "segments": [{**shared, "segment_idx": 0, **pair, "distance_bin": 62, "present_seg1_first": 0}],
        "excerpts": [{**shared, "excerpt_pos": 0.5, "excerpt_text": words}],
        "books": [{"book_idx": 69087, "book_title": "The Tower", "num_words": 250}],
    }
    for name, rows in tables.items():
        text = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        (folder / f"{name}_250-s20-n110.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
    return {"form": "csv", "excerpt_words": 250}


RELEASED: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "lara": lara,
    "leval": leval,
    "longbench": longbench,
    "longbench_v2": longbench_v2,
    "loogle": loogle,
    "sort": sort,
    **QUESTION_SETS,
}
"""Writes the files of each kind into a folder, and returns the settings, besides `path`, that read them."""
