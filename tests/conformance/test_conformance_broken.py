"""Kinds that break their contract are caught, each with a sentence that says what to do."""

from __future__ import annotations

import inspect

import broken_kinds
import pytest

from ragvlc.core.component import Component
from ragvlc.core.errors import ConfigError
from ragvlc.testing import ContractBroken, check, report_on

BROKEN = {
    "Unexplained": "Unexplained does not explain depth. Add to its docstring, below `Attributes:`",
    "Silent": "Silent has no docstring. Say what it does.",
    "Unstable": "its key is another one each time",
    "Forgetful": "depth does not change the key",
    "Telling": "threads is marked Execution, and changes the key",
    "Loose": "it takes a setting that it does not have",
    "Losing": "Let the next chunk start where one ends.",
    "Uncounted": "have the indexes [1, 2]. Count from 0.",
    "Dropping": "arrange() returns 0 of 1 hits, or others. Return the hits given, each of them once.",
    "Sorting": "arrange() changes the list that it is given. Return a new one.",
    "SecretlyRandom": "arrange() depends on the seed, and `random` is False. Define `random` as True.",
    "Upwards": "Return some of the hits given, each once, in their order.",
    "Empty": "select() returns 0 of 1 hits. Return at least the best one.",
    "TiesOutOfOrder": "Sort by (-score, chunk.document_index, chunk.start).",
    "Unplaced": "is no chunk of the documents",
    "OnlyBest": "Rank every chunk, those without a match last.",
    "Whole": "a hit has the score 1 (int). Return finite floats: float(score).",
    "WorstFirst": "Return finite floats, the largest first.",
    "Inventing": "rerank() returns passages of 'toy-height' that it was not given",
    "ReadsGold": "it reads the gold of 'toy-height'. Use what a user would know, or mark the control",
    "CatchesGold": "it reads the gold of 'toy-height'. Use what a user would know, or mark the control",
    "BlindControl": "it has uses_gold, and answers the same without gold. Take uses_gold off it.",
    "Scribbling": "it changes the question or documents of 'toy-height'. Work on copies",
    "Counting": "gets another answer or other prompts the second time. Take seeds from run.seed_for(step)",
    "Overflowing": "in a window of 300. Cut the documents: Reading.read does",
    "Miscounting": "Ask only through run.generator(role)",
    "Claiming": "which is in no prompt. Name the spans that were sent after cutting",
    "Verbose": "the fact 'documents' in its trace is",
    "Misplaced": "has passages that are not in its documents. Pass on what run.search found.",
    "Withholding": "has context, which `gives` leaves out. Add it there.",
    "Sourceless": "Give the paper's arXiv number or DOI; for a control, write `Source: none`.",
    "Raising": "it raises KeyError: 'toy-height' (",
    "Elsewhere": "choose() takes 'closed' for 'toy-height', which targets() does not name.",
    "Reasonless": "choose() gives no reason for 'toy-height'. Return Choice(route, reason).",
    "RaisingMetric": "it raises ZeroDivisionError: division by zero (",
    "Percent": "scores 100.0 (float). Return a float from 0 to 1",
    "Integer": "scores False (bool). Return a float from 0 to 1",
    "Choosy": "Return None for examples, never for answers",
    "Constant": "every answer scores 0.5",
    "Undivided": "official() of 0 questions raises ZeroDivisionError: division by zero. Return no figure",
    "Boundless": "Return finite numbers by name.",
    "Twice": "'toy-height' is question 1 ('How high is the tower of the lighthouse?') and question 2 ('What",
    "Unclustered": "example 'toy-height' has no cluster. Name what resampling keeps together",
    "Stray": "which is not in its documents. Count characters of the document's text.",
    "Shuffled": "read() returns other examples the second time",
    "Unnamed": "path is marked Execution, and nothing names the file in the key",
    "Partial": "collection() does not hold ferry",
    "Rigid": "limit: 1 asks",
    "Unreadable": "broken_kinds:Unreadable: nowhere/questions.json: No such file or directory (",
    "Unclosed": "open() returned a _Unclosed without close. A TextEngine has window, generate, close",
    "Boasting": "offers names TokenEngine, and _Echo has no vocabulary and start",
    "Reversed": "generate() returns generations in another order than requests. Sort them back.",
    "Unlimited": "says 12 new tokens where 8 were allowed. Stop at request.max_tokens, and count.",
    "Gaps": "Let each start where the one before ends",
    "Long": "vectors have the lengths [2.0, 2.0, 2.0, 2.0]. Divide each by its length.",
    "Repeating": "of 8 jobs wanted, 8 were done, 16 times in all",
    "Nowhere": "open() yields a NoneType without cell. Yield a TrackedSweep",
}
KEPT = ("Plain", "Echo")
REFUSED = {"Scoreless": "defines no score. Define score(self, answer: Answer, example: Example) -> float | None"}


def test_every_broken_kind_is_tried():
    kinds = [
        name
        for name, member in vars(broken_kinds).items()
        if inspect.isclass(member) and issubclass(member, Component) and member.__module__ == broken_kinds.__name__
    ]
    assert sorted(kinds) == sorted([*BROKEN, *KEPT, *REFUSED])


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_caught_by_a_sentence(name):
    with pytest.raises(ContractBroken) as caught:
        check(f"broken_kinds:{name}")
    problems = caught.value.report.problems
    assert any(BROKEN[name] in problem for problem in problems), problems
    assert all(problem in str(caught.value) and problem.endswith((".", ")", "`")) for problem in problems)
    assert len(problems) <= 3, problems  # what is broken, not everything that follows from it


@pytest.mark.parametrize("name", KEPT)
def test_what_they_are_made_from_keeps_the_contract(name):
    assert check(f"broken_kinds:{name}").passed


@pytest.mark.parametrize("name", REFUSED)
def test_a_kind_without_its_method_is_no_kind(name):
    with pytest.raises(ConfigError) as refused:
        report_on(f"broken_kinds:{name}")
    assert REFUSED[name] in str(refused.value)


def test_a_class_may_be_given_itself():
    assert check(broken_kinds.Plain, answer_tokens=5).kind == "broken_kinds:Plain"
    [problem] = report_on(broken_kinds.within()).problems
    assert "its spec does not build it again" in problem
    assert "Define the class at the top of a module that can be imported" in problem


def test_settings_that_do_not_fit_are_said():
    with pytest.raises(ConfigError, match=r"broken_kinds:Plain: answer_tokens: input should be greater than"):
        report_on("broken_kinds:Plain", answer_tokens=0)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("nowhere.at_all:Kind", r"cannot be imported: No module named 'nowhere', neither installed nor in "),
        ("broken_kinds:Plian", r"broken_kinds has no 'Plian'. Nearest: Plain."),
        ("broken_kinds:COUNT", r"is no subclass of a family. Families: Chunker \(chunkers\), Dataset \(datasets\)"),
        ("broken_kinds:Router", r"is no subclass of a family"),
        ("broken_kinds:", r"needs a module and a class"),
        ("rout.retrieve", r"'rout' is no family. Known: .* Nearest: routes?"),
        ("routes.retreive", r"'routes.retreive' is no kind of routes. Known: .* Nearest: retrieve"),
        ("retreive", r"'retreive' is no kind of any family. Nearest: retrieve"),
        ("random", r"a kind of several families. Choose: orders.random, routers.random."),
    ],
)
def test_a_kind_that_is_none_is_said(kind, told):
    with pytest.raises(ConfigError, match=told):
        report_on(kind)
