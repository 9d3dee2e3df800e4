"""What judges of published benchmarks are asked, to the letter, and how their replies are read.

Texts of LaRA (Li et al. 2025, arXiv 2502.09977, `compute_score_llm.py`), LongMemEval (Wu et al. 2024, arXiv 2410.10813,
`evaluate_qa.py`) and LooGLE (Li et al. 2024, arXiv 2311.04939, `llm_score.py`), which are all under the MIT licence;
LooGLE's has the authors' spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from ragvlc.core.data import Example
from ragvlc.core.engines import Prompt
from ragvlc.core.families import ScoredQuestion

__all__ = ["PROTOCOLS", "JudgeProtocol", "Protocol", "lara_figures", "longmemeval_figures"]

Protocol = Literal["ragvlc", "lara", "longmemeval", "loogle"]

_LARA_SYSTEM = "You are a discriminator that judges whether the predictions to questions are correct."
_LARA_FIELDS = "\n\n[Query] {question}\n\n[Groundtruth Answer] {reference}\n\n[AI Assistant's Answer] {answer}\n\n"
_TRUE_OR_FALSE = "If it is correct, you should only output True; if it is incorrect, only output False."
_LARA = (
    "I will provide you with a question and its groundtruth answer, as well as an answer from an AI assistant. You "
    "need to judge whether the AI assistant's answer is correct based on the groundtruth answer. "
    f"{_TRUE_OR_FALSE}{_LARA_FIELDS}Now, start your judgment:"
)
_LARA_UNANSWERABLE = (
    "You need to help me determine whether an AI model is hallucinating. I will provide you with a question, a ground "
    "truth answer, and a prediction from the model. If the prediction from the model and the ground truth answer are "
    "basically consistent, and it is determined that this question is not mentioned in the text, then the model is "
    "deemed not to be hallucinating and the answer is considered correct. "
    f"{_TRUE_OR_FALSE}{_LARA_FIELDS}Now, start your judgement:"
)

_GIVEN = "I will give you a question, a correct answer, and a response from a model. "
_CONTAINS = "Please answer yes if the response contains the correct answer. Otherwise, answer no. "
_EQUIVALENT = (
    "If the response is equivalent to the correct answer or contains all the intermediate steps to get the correct "
    "answer, you should also answer yes. If the response only contains a subset of the information required by the "
    "answer, answer no. "
)
_DAYS = (
    "In addition, do not penalize off-by-one errors for the number of days. If the question asks for the number of "
    "days/weeks/months, etc., and the model makes off-by-one errors (e.g., predicting 19 days when the answer is 18), "
    "the model's response is still correct. "
)
_UPDATED = (
    "If the response contains some previous information along with an updated answer, the response should be "
    "considered as correct as long as the updated answer is the required answer."
)
_RUBRIC = (
    "I will give you a question, a rubric for desired personalized response, and a response from a model. Please "
    "answer yes if the response satisfies the desired response. Otherwise, answer no. The model does not need to "
    "reflect all the points in the rubric. The response is correct as long as it recalls and utilizes the user's "
    "personal information correctly."
)
_ABSTAINS = (
    "I will give you an unanswerable question, an explanation, and a response from a model. Please answer yes if the "
    "model correctly identifies the question as unanswerable. The model could say that the information is incomplete, "
    "or some other information is given but the asked information is not."
)


def _about(opening: str, gold: str, last: str) -> str:
    fields = f"\n\nQuestion: {{question}}\n\n{gold}: {{reference}}\n\nModel Response: {{answer}}\n\n"
    return f"{opening}{fields}{last} Answer yes or no only."


_CORRECT = "Is the model response correct?"
_PLAIN = _about(_GIVEN + _CONTAINS + _EQUIVALENT, "Correct Answer", _CORRECT)
_ABSTENTION = _about(_ABSTAINS, "Explanation", "Does the model correctly identify the question as unanswerable?")
_LONGMEMEVAL: Mapping[object, str] = {
    **dict.fromkeys(("single-session-user", "single-session-assistant", "multi-session"), _PLAIN),
    "temporal-reasoning": _about(_GIVEN + _CONTAINS + _EQUIVALENT + _DAYS, "Correct Answer", _CORRECT),
    "knowledge-update": _about(_GIVEN + _CONTAINS + _UPDATED, "Correct Answer", _CORRECT),
    "single-session-preference": _about(_RUBRIC, "Rubric", _CORRECT),
}

_LOOGLE_SYSTEM = (
    "Given one question, there is a groundtruth and a predict_answer. Please decide whether they are the same or not "
    "in semantic. Please only output 'True' or 'False' ."
)
_LOOGLE = "Question: {question}\ngroudtruth = {reference}\npredict_answer = {answer}"


def _gold(example: Example) -> str:
    """Returns the references, or what a data set says instead where its text does not answer."""
    said = str(example.tags.get("said_instead", "")) if example.unanswerable else ""
    return said or "\n".join(example.references)


@dataclass(frozen=True, slots=True)
class JudgeProtocol:
    """How the judge of a published benchmark is asked, and what its reply means.

    Attributes:
        template: returns the text for an example, with {question}, {reference} and {answer}; None if it has none.
        verdict: reads a reply without its thoughts; None is no verdict.
        system: the system message; empty for that of the judge.
        gold: returns the reference that the judge is shown; empty if it is not known.
    """

    template: Callable[[Example], str | None]
    verdict: Callable[[str], bool | None]
    system: str = ""
    gold: Callable[[Example], str] = _gold

    def applies(self, example: Example) -> bool:
        """Returns whether the benchmark's judge can be asked about an example."""
        return bool(self.gold(example)) and self.template(example) is not None

    def prompt(self, reply: str, question: str, example: Example) -> Prompt:
        """Returns what the judge is asked about a reply."""
        fields = {"question": question, "reference": self.gold(example), "answer": reply}
        return Prompt(self.template(example) or "", fields, system=self.system)


PROTOCOLS: Mapping[Protocol, JudgeProtocol] = {
    "lara": JudgeProtocol(
        lambda example: _LARA_UNANSWERABLE if example.unanswerable else _LARA,
        lambda reply: "true" in reply.lower() if reply else None,
        _LARA_SYSTEM,
    ),
    "longmemeval": JudgeProtocol(
        lambda example: _ABSTENTION if example.unanswerable else _LONGMEMEVAL.get(example.scoring.get("question_type")),
        lambda reply: "yes" in reply.lower(),
    ),
    "loogle": JudgeProtocol(
        lambda example: None if example.task == "summarization" or example.unanswerable else _LOOGLE,
        {"True": True, "False": False}.get,
        _LOOGLE_SYSTEM,
    ),
}


def longmemeval_figures(questions: Sequence[ScoredQuestion]) -> dict[str, float]:
    """Returns accuracy by type of question, its mean over types, that of all questions and of unanswerable ones."""
    judged = [one for one in questions if one.score is not None]
    types = _means(judged, lambda one: one.task)
    if not judged:
        return {}
    abstention = _means([one for one in judged if one.unanswerable], lambda _: "Abstention Accuracy")
    means = {"Task-averaged Accuracy": fmean(types.values()), "Overall Accuracy": fmean(_scores(judged)), **abstention}
    return {name: round(value, 4) for name, value in {**types, **means}.items()}


def lara_figures(questions: Sequence[ScoredQuestion]) -> dict[str, float]:
    """Returns the mean over kinds of text for each task, and the mean of the tasks."""
    judged = [one for one in questions if one.score is not None]
    tasks = {
        task: fmean(_means([one for one in judged if one.task == task], lambda one: str(one.tags.get("text"))).values())
        for task in dict.fromkeys(one.task for one in judged)
    }
    return {**tasks, "Overall": fmean(tasks.values())} if tasks else {}


def _means(questions: Sequence[ScoredQuestion], name: Callable[[ScoredQuestion], str]) -> dict[str, float]:
    groups: dict[str, list[ScoredQuestion]] = {}
    for one in questions:
        groups.setdefault(name(one), []).append(one)
    return {key: fmean(_scores(group)) for key, group in groups.items()}


def _scores(questions: Sequence[ScoredQuestion]) -> list[float]:
    return [one.score for one in questions if one.score is not None]
