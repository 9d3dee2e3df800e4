"""L-Eval's score of science fiction: a statement judged by the text, and as a fact of the world.

An et al. (2023, arXiv 2307.11088), `Evaluation/auto_eval.py`, `process_output_judge`: reply and reference have the form
`True [fact: False]`, where the second half answers a second question that is asked without the text. Of each half the
first word with `true` or `false` in it counts, in lower case; the score is the mean of both halves.

The right second half is in the reference, or in `Example.scoring["fact"]`. The data set `leval` asks one of both
questions (`question: loyalty` or `fact`), whose reference is one word: the reply to it is judged alone, and the mean of
two runs is the authors' figure. Differences: a reply without a second half where both are asked for scores 0 for it and
is flagged `unparsed`, where the script fails; the script's figures of both halves are those of two metrics, one a part.
"""

from __future__ import annotations

from typing import Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._leval import LevalMetric, exact_match, first_verdict, split_fact


class LevalSciFi(LevalMetric):
    """Mean of two judgements of a statement: by the text, and as a fact.

    Attributes:
        part: `both`, or `loyalty` or `fact` of replies to one of the questions; `auto` is both where the reference has
            two halves, and else the one question that the reference answers.
    """

    part: Literal["auto", "both", "loyalty", "fact"] = "auto"

    @property
    def label(self) -> str:
        """The label, such as `leval_sci_fi_fact`."""
        return self.kind if self.part == "auto" else f"{self.kind}_{self.part}"

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the score, or None if the right answer to a question is not known."""
        loyalty, fact = split_fact(reference)
        alone = self.part == "loyalty" or (self.part == "auto" and fact is None)
        fact = str(example.scoring["fact"]).lower() if fact is None and "fact" in example.scoring else fact
        said, said_of_world = split_fact(reply)
        if alone:
            return exact_match(first_verdict(said), loyalty)
        if fact is None:
            return None
        if self.part == "fact":
            return exact_match(first_verdict(said if said_of_world is None else said_of_world), fact)
        halves = ((said, loyalty), (said_of_world or "", fact))
        return sum(exact_match(first_verdict(given), right) for given, right in halves) / 2

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply to both questions lacks a half."""
        halves = self.part == "auto" and any(split_fact(one)[1] is not None for one in example.references)
        lacks = (halves or self.part == "both") and split_fact(answer.text)[1] is None
        return ("unparsed",) if lacks and self.applies(example) else ()
