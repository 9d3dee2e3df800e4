"""How replies to multiple choice are read: ours beside the readers of four benchmarks, on replies written for it.

    .venv/bin/python tests/benchmarks/choices.py

The replies lie in `tests/metrics/choice_replies.json`, in English, German, French, Spanish and Chinese, each with the
right reading: one letter, several, or none. Ours was made on those without `held_back`. The other readers are written
anew here after what the scripts of their projects do:

- LongBench v2, `extract_answer` of `pred.py`, github.com/THUDM/LongBench at 2e00731
- L-Eval, `process_output_mc` of `Evaluation/auto_eval.py`, github.com/OpenLMLab/LEval at cd34b05, tasks with one option
- InfiniteBench, `get_score_one_longbook_choice_eng` of `src/compute_scores.py`,
  github.com/OpenBMB/InfiniteBench at 88b3daa
- MMLU-Pro, `extract_answer` of `compute_accuracy.py` (level 2, without its random guess),
  github.com/TIGER-AI-Lab/MMLU-Pro at f418b11

Each was made for its own prompt, which asks for one form in English, and all but MMLU-Pro's know four letters only.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from _figures import record

from ragvlc.text.choices import parse_choice

REPLIES = Path(__file__).parents[1] / "metrics" / "choice_replies.json"


class Reply(NamedTuple):
    """A reply with its options and the letters that a reader should find."""

    language: str
    choices: tuple[str, ...]
    right: str
    held_back: bool
    text: str


def replies() -> list[Reply]:
    """Returns the replies of the data file."""
    data = json.loads(REPLIES.read_text(encoding="utf-8"))
    return [
        Reply(one["language"], tuple(data["options"][one["options"]]), one["right"], one["held_back"], one["reply"])
        for one in data["replies"]
    ]


def ours(reply: str, choices: Sequence[str]) -> str:
    """Returns the letters that `parse_choice` finds."""
    return "".join(chr(65 + place) for place in sorted(parse_choice(reply, choices)))


def longbench_v2(reply: str, choices: Sequence[str]) -> str:  # noqa: ARG001 - reads letters only
    """Returns the letter after the sentence that the prompt asks for, in brackets before without."""
    plain = reply.replace("*", "")
    for bracketed in (r"\(([A-D])\)", "([A-D])"):
        if found := re.search(f"The correct answer is {bracketed}", plain):
            return found[1]
    return ""


def l_eval(reply: str, choices: Sequence[str]) -> str:  # noqa: ARG001 - reads letters only
    """Returns a reply made of neighbouring letters, or else the first capital from A to D wherever it is, or else A."""
    if not reply.strip():
        return ""
    return reply if reply in "ABCD" else next((character for character in reply if character in "ABCD"), "A")


def infinitebench(reply: str, choices: Sequence[str]) -> str:
    """Returns the letters of the options that the script would call right."""
    return "".join(
        chr(65 + place) for place, text in enumerate(choices) if _infinitebench(reply, text, chr(65 + place))
    )


def _infinitebench(reply: str, text: str, letter: str) -> bool:
    reply = reply.strip()
    if not reply or reply[0] in "ABCD":
        return reply[:1] == letter
    if reply in {text, letter}:
        return True
    words = re.sub(" +", " ", re.sub(r"""[\n"'.,?!{}]""", " ", reply))
    for cue in ("answer is:", "answer:", "answer is", "option is"):
        _, found, rest = words.partition(cue)
        if found:
            return rest[1:].startswith((text, letter)) if rest else False
    first = next((word for word in words.split() if word in "ABCD"), "")
    return first in {text, letter}


def mmlu_pro(reply: str, choices: Sequence[str]) -> str:  # noqa: ARG001 - reads letters only
    """Returns the letter after `answer is`, or else after `answer:`, or else the last letter that is a word."""
    for pattern in (r"answer is \(?([A-J])\)?", r".*[aA]nswer:\s*([A-J])"):
        if found := re.search(pattern, reply):
            return found[1]
    alone = re.findall(r"\b[A-J]\b", reply)
    return alone[-1] if alone else ""


READERS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "ragvlc": ours,
    "LongBench v2": longbench_v2,
    "L-Eval": l_eval,
    "InfiniteBench": infinitebench,
    "MMLU-Pro": mmlu_pro,
}


def outcomes(reader: Callable[[str, Sequence[str]], str], asked: Iterable[Reply]) -> Counter[str]:
    """Returns the counts of the outcomes, such as `one right`: what a reply names, and what the reader makes of it."""
    counts: Counter[str] = Counter()
    for one in asked:
        read = reader(one.text, one.choices)
        named = ("none", "one", "several")[min(2, len(one.right))]
        outcome = "right" if read == one.right else ("unread", "wrong", "several")[min(2, len(read))]
        counts[f"{named} {outcome}"] += 1
        counts["right"] += read == one.right
    return counts


def table(asked: Sequence[Reply]) -> str:
    """Returns the table in Markdown."""
    counts = Counter(("none", "one", "several")[min(2, len(one.right))] for one in asked)
    held = [one for one in asked if one.held_back]
    heads = (
        "reader", f"one option ({counts['one']}): right", "wrong", "unread or several",
        f"several ({counts['several']}): right",
        "taken as one", f"none ({counts['none']}): right", "taken as one", f"all ({len(asked)}): right",
        f"held back ({len(held)}): right",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for name, reader in READERS.items():
        found = outcomes(reader, asked)
        figures = (
            found["one right"], found["one wrong"], found["one unread"] + found["one several"],
            found["several right"], found["several wrong"], found["none right"], found["none wrong"],
            found["right"], outcomes(reader, held)["right"],
        )  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    asked = replies()
    languages = Counter(one.language for one in asked)
    print(f"{len(asked)} replies: {', '.join(f'{count} {language}' for language, count in languages.items())}\n")
    print(table(asked))
    for name, reader in READERS.items():
        record(
            f"replies read right by {name}",
            [outcomes(reader, asked)["right"] / len(asked)],
            "of all replies",
            exact=True,
        )


if __name__ == "__main__":
    main()
