"""InfiniteBench's score, by task.

Zhang et al. (2024, arXiv 2402.13718), `src/compute_scores.py`:

- passkey, number_string: the first run of digits is the label as text, so that `Number 5: 71432` is wrong;
- kv_retrieval, longdialogue_qa_eng: the label is one of the words (in upper case), with punctuation as blanks;
- longbook_choice_eng: a first letter from A to D decides; else the whole reply, the text one character behind the first
  of the phrases `answer is:`, `answer:`, `answer is`, `option is` that occurs, or the first word that is in `ABCD`;
- code_debug: the reply begins with the letter and `.` or `:`, or letter or function come behind such a phrase;
- longbook_qa_eng: token F1 after SQuAD's normalisation; longbook_qa_chn: F1 of characters; best label;
- longbook_sum_eng: Google's ROUGE-Lsum without a stemmer, by lines; best label;
- math_find: the first number; math_calc: the share of numbers right before the first wrong one; code_run: the last
  word.

The task is the setting, or the example's set (`tags["dataset"]`); without either the metric does not apply, nor to
labels of math_find and code_run that are no numbers. References are the labels; of a multiple-choice question with
options, the right option and its letter, else both as references. The figure is the mean times 100.

Differences: labels are texts, so that a label with a decimal point is the script's decimal number. Where the script
fails (a decimal number for a whole label in math_find, runs of thousands of digits) the reply scores 0. `skip: 1`
leaves out the first number in math_calc, which the script does for the model called gpt4 alone.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._infinitebench import CHOICES, NUMBERS, TASKS, calculated
from ragvlc.metrics._letters import right_letters
from ragvlc.metrics._published import PublishedMetric, set_of

_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?")
Task = Literal[
    "auto",
    "passkey",
    "number_string",
    "kv_retrieval",
    "longdialogue_qa_eng",
    "longbook_sum_eng",
    "longbook_choice_eng",
    "longbook_qa_eng",
    "longbook_qa_chn",
    "math_find",
    "math_calc",
    "code_run",
    "code_debug",
]


class Infinitebench(PublishedMetric):
    """The score of a reply by InfiniteBench's script.

    Attributes:
        task: whose rule counts; `auto` for that of the example's set.
        skip: numbers of the reply that math_calc leaves out first.
    """

    benchmark: ClassVar[str] = "InfiniteBench"
    digits: ClassVar[int | None] = None
    task: Task = "auto"
    skip: Annotated[int, Field(ge=0)] = 0

    @property
    def label(self) -> str:
        """The label, such as `infinitebench_passkey`."""
        return self.kind if self.task == "auto" else f"{self.kind}_{self.task}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None without a known task and a label."""
        name = set_of(example.tags) if self.task == "auto" else self.task
        label = _label(name, example)
        if name not in TASKS or not label:
            return None
        if name == "math_calc":
            return calculated(answer.text, label, skip=self.skip)
        return float(TASKS[name](answer.text, label))

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the score with one reference as the only label."""
        name = set_of(example.tags) if self.task == "auto" else self.task
        return float(TASKS[name](reply, (reference,))) if name in TASKS and name not in CHOICES else None


def _label(task: str, example: Example) -> tuple[str, ...]:
    """Returns the right answers; of a choice the option and its letter."""
    letters = right_letters(example)
    if task in NUMBERS:
        return tuple(one for one in example.references if _NUMBER.fullmatch(one.strip()))
    if task not in CHOICES:
        return example.references
    if letters:
        return (example.query.choices["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letters[0])], letters[0])
    return example.references if len(example.references) == 2 else ()
