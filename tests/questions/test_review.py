"""A person's last word: the table and the page, decisions applied with their history, edits checked, agreement."""

import base64
import csv
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli
from reviewed_set import HOSTILE, made_set

from ragvlc.core.data import Span
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.documents.dataset import REJECTED
from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.review.agreement import agreement, kappa
from ragvlc.questions.review.checking import UNJUDGED
from ragvlc.questions.review.decision import WORDS, ReviewDecision
from ragvlc.questions.review.session import Review
from ragvlc.questions.review.sheet import plain, read_sheet, shielded

Rows = list[dict[str, str]]


@pytest.fixture
def files(tmp_path: Path) -> SetFiles:
    return made_set(tmp_path)


def rows_of(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def written(path: Path, rows: Rows, delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


def decided(files: SetFiles, *words: str, name: str = "decisions.csv", **changes: str) -> Path:
    """Returns a table with these decisions on the first questions, and changes of the first row."""
    _, table = Review.of(files.questions).write()
    rows = rows_of(table)
    for row, word in zip(rows, words, strict=False):
        row["decision"] = word
    rows[0] |= changes
    return written(files.questions.with_name(name), rows)


def items(files: SetFiles) -> list[GeneratedQuestion]:
    return read_questions(files.questions)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+49 30", "-5", "@x", "\t=1", "\r\n=1", " =1", "'=1", "'tis", "''", "plain", "a = b", "", "＝1", '"', "5"],
)
def test_no_cell_is_a_formula_and_each_is_read_as_it_was(text: str) -> None:
    cell = shielded(text)
    assert plain(cell) == text
    assert not re.match(r"[=+\-@\t\r＝]|\s+[=+\-@]", cell)


def test_a_table_comes_back_as_it_was_written(files: SetFiles) -> None:
    odd = items(files)
    odd[0] = replace(odd[0], question='=HYPERLINK("http://x","y")\nsecond; line', answers=("-5", "'=x"))
    write_questions(files.questions, odd)
    table = decided(files, "accept", "accepted", "REJECT")
    assert rows_of(table)[0]["question"].startswith("'=HYPER")
    sheet = read_sheet(table)
    assert [one.word for one in sheet.decisions] == ["accept", "accept", "reject"]
    assert len(sheet.undecided) == 3
    assert sheet.decisions[0].question == odd[0].question
    assert sheet.decisions[0].answers == ("-5", "'=x")
    assert Review.of(files.questions).apply(table).counts == {"accepted": 2, "rejected": 1}


def test_decisions_are_applied_with_their_history_and_nothing_is_lost(files: SetFiles, ragvlc: Cli) -> None:
    before = items(files)
    table = decided(files, "edit", "accept", "reject", question="Which person built it in that place of the corpus?")
    rows = rows_of(table)
    rows[0]["question"] = f"Which person was responsible for building {before[0].question.partition('built ')[2]}"
    rows[2]["note"] = "too easy"
    written(table, rows, ";")
    done = ragvlc("review", str(files.questions), "--apply", str(table), "--reviewer", "Ada")
    assert (done.code, done.err) == (0, "")
    assert "1 accepted, 1 edited, 1 rejected." in done.out
    assert "Of the edited questions, 1 not judged by closed_book" in done.out
    assert "3 of 6 reviewed, 1 rejected" in done.out
    after = items(files)
    assert [one.id for one in after] == [one.id for one in before]
    edited, accepted, rejected, *others = after
    assert edited.question == rows[0]["question"]
    assert edited.review["before"]["question"] == before[0].question
    assert {
        "evidence_alone",
        "closed_book",
    } <= set(edited.marked)
    assert {one.reason for one in edited.findings if one.filter in ("evidence_alone", "closed_book")} == {UNJUDGED}
    assert edited.overlap != before[0].overlap
    assert (accepted.review["decision"], accepted.review["reviewer"]) == ("accepted", "Ada")
    assert accepted.review["date"]
    assert (rejected.review["decision"], rejected.review["note"]) == ("rejected", "too easy")
    assert others == before[3:]
    found = Jsonl.build(files.dataset()).load()
    assert [one.id for one in found] == [one.id for one in after if one.id != rejected.id]
    assert found.skipped == {REJECTED: 1}
    assert len(Jsonl.build({**files.dataset(), "tags": {"reviewed": "rejected"}}).load()) == 1

    again = ragvlc("review", str(files.questions), "--apply", str(table), "--reviewer", "Ada")
    assert "3 applied before." in again.out
    assert items(files) == after
    second = decided(files, "accept", "reject", "accept", name="second.csv")
    assert ragvlc("review", str(files.questions), "--apply", str(second), "--reviewer", "Bob").code == 0
    last = items(files)
    assert [one.review["decision"] for one in last[:3]] == ["accepted", "rejected", "accepted"]
    assert last[0].review["earlier"][0]["before"]["question"] == before[0].question
    assert last[1].review["earlier"][0]["reviewer"] == "Ada"


Change = Callable[[Rows], Any]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[0].update(decision="maybe"), "line 2: 'maybe' is no decision. Known: accept, edit, reject"),
        (lambda rows: rows[0].update(decision="accept", id="q-000"), "no question has the id 'q-000'"),
        (
            lambda rows: rows.append({**rows[0], "decision": "reject"}),
            "has 2 decisions: accept in line 2, reject in line",
        ),
        (lambda rows: rows[0].update(question="Who?"), "says accept, but has another question than the set"),
        (lambda rows: rows[0].update(decision="edit"), "says edit, but changes neither"),
        (lambda rows: rows[0].update(decision="edit", question=" "), "the question is empty"),
        (lambda rows: rows[0].update(decision="edit", answer=""), "has no answer"),
        (
            lambda rows: rows[0].update(decision="edit", evidence="Nobody was the builder of anything."),
            "not in the text",
        ),
        (lambda rows: rows[0].update(decision="edit", evidence=""), "no quote"),
        (
            lambda rows: rows[0].update(decision="edit", question=f"Was it {rows[0]['answer']} who built the mill?"),
            "the answer is in the question (if it is right all the same: --without answer_in_question)",
        ),
        (
            lambda rows: rows[0].update(decision="edit", question=rows[1]["question"]),
            "asks what another asks, in the same words",
        ),
        (lambda rows: rows[0].update(version="0" * 12), "was changed since this file was made"),
        (lambda rows: [row.update(set="0" * 12, id=f"x{row['id']}") for row in rows], "is of another set"),
        (lambda rows: rows[0].update(reviewer="Bob"), "is of the reviewer 'Bob', and --reviewer says 'Ada'"),
        (lambda rows: rows[0].update(decision=""), "none of its 6 rows has a decision"),
        (lambda rows: rows[1].update(answer="Bob"), "has another answer than the set, and no decision: write edit"),
        (lambda rows: [row.pop("decision") for row in rows], "has no column decision"),
    ],
)
def test_what_cannot_be_applied_is_one_sentence_and_changes_nothing(
    files: SetFiles, ragvlc: Cli, change: Change, problem: str
) -> None:
    rows = rows_of(decided(files, "accept"))
    change(rows)
    table = written(files.questions.with_name("bad.csv"), rows)
    before = files.questions.read_bytes()
    said = ragvlc("review", str(files.questions), "--apply", str(table), "--reviewer", "Ada")
    assert said.code == 2
    assert problem in said.err
    assert said.err.count("error:") == 1
    assert files.questions.read_bytes() == before


def test_a_new_quote_is_located_in_any_typography(files: SetFiles) -> None:
    item = items(files)[0]
    text = Review.of(files.questions).documents[item.documents[0]].text
    quote = "Many people come here in\u00a0summer, when the days are long"
    table = decided(files, "edit", evidence=f"{item.evidence[0].text} || {quote}")
    assert Review.of(files.questions).apply(table).counts == {"edited": 1}
    old, new = items(files)[0].evidence
    assert old == item.evidence[0]
    assert (new.text, new.quote) == (text[new.span.start : new.span.end], quote)
    assert new.text == quote.replace("\u00a0", " ")


def test_a_model_judges_edits_if_one_is_given(files: SetFiles, ragvlc: Cli) -> None:
    item = items(files)[0]
    table = decided(files, "edit", question=f"Tell me who built {item.question.partition('built ')[2]}")
    knows = f"{{kind: scripted, default: '{item.answers[0]}'}}"
    words = ("review", str(files.questions), "--apply", str(table), "--model", knows)
    said = ragvlc(*words)
    assert said.code == 2
    assert "--without closed_book" in said.err
    said = ragvlc(*words, "--without", "closed_book")
    assert said.code == 0
    verdicts = {one.filter: one.verdict for one in items(files)[0].findings}
    assert verdicts["evidence_alone"] == "passed"
    assert "closed_book" not in verdicts
    assert "marked" not in verdicts.values()


def test_unanswerable_questions_and_those_of_several_documents_are_edited_by_their_rules(tmp_path: Path) -> None:
    files = made_set(tmp_path, 2, ("unanswerable", "across_documents"))
    kinds = [one.kind for one in items(files)]
    order = kinds.index("unanswerable"), kinds.index("across_documents")
    for place, changes, problem in (
        (order[0], {"answer": "1900"}, "meant to be unanswerable"),
        (order[1], {"evidence": items(files)[order[1]].evidence[0].text}, "needs quotes from two documents"),
    ):
        rows = rows_of(decided(files))
        rows[place] |= {"decision": "edit", **changes}
        with pytest.raises(Exception, match=problem):
            Review.of(files.questions).apply(written(tmp_path / "edit.csv", rows))
    rows = rows_of(decided(files))
    rows[order[0]] |= {"decision": "edit", "question": rows[order[0]]["question"].replace("How much", "What sum")}
    assert Review.of(files.questions).apply(written(tmp_path / "edit.csv", rows)).counts == {"edited": 1}
    assert items(files)[order[0]].unanswerable


def test_the_page_holds_every_question_and_no_text_is_code(files: SetFiles) -> None:
    page, _ = Review.of(files.questions).write()
    html = page.read_text(encoding="utf-8")
    assert html.count("<script") == 2
    assert HOSTILE not in html
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in html
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert [one["id"] for one in data["items"]] == [one.id for one in items(files)]
    for one, item in zip(data["items"], items(files), strict=True):
        [excerpt] = one["excerpts"]
        assert [text for text, marked in excerpt["pieces"] if marked] == [item.evidence[0].text]
        assert HOSTILE in excerpt["title"]


def test_evidence_of_several_documents_is_shown_in_its_places(tmp_path: Path) -> None:
    files = made_set(tmp_path, 3, ("across_documents", "several_places", "unanswerable"))
    review = Review.of(files.questions)
    from ragvlc.questions.review.page import excerpts

    for item in review.items:
        found = excerpts(item, review.documents)
        assert {one.document for one in found} == set(item.documents)
        marked = [text for one in found for text, mark in one.pieces if mark]
        assert sorted(marked) == sorted(one.text for one in item.evidence)
        for one in found:
            assert "".join(text for text, _ in one.pieces) == review.documents[one.document].text[one.start : one.end]


def test_overlapping_evidence_is_marked_once(files: SetFiles) -> None:
    from ragvlc.questions.review.page import excerpts

    review = Review.of(files.questions)
    item = review.items[0]
    [one] = item.evidence
    inner = replace(one, span=Span(one.span.document_id, one.span.start + 3, one.span.end + 5))
    [found] = excerpts(replace(item, evidence=(one, inner)), review.documents)
    text = review.documents[one.span.document_id].text
    assert "".join(piece for piece, _ in found.pieces) == text[found.start : found.end]


def test_documents_that_changed_are_named(files: SetFiles, ragvlc: Cli) -> None:
    files.documents.write_text(files.documents.read_text().replace("was the builder of", "had built"))
    said = ragvlc("review", str(files.questions))
    assert said.code == 2
    assert "its evidence is not at its place" in said.err


def test_runs_say_how_much_was_reviewed(files: SetFiles, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.questions.parent)
    Path("whole.yaml").write_text(
        "generators: {main: {kind: scripted, default: Ada}}\nroutes: {whole: {kind: full_context}}\n"
    )
    dataset = "{kind: jsonl, path: ., questions: set.jsonl, documents: set.documents.jsonl}"
    Path("own.yaml").write_text(f"dataset: {dataset}\npipelines: [whole.yaml]\nmetrics: [contains]\ntracker: none\n")
    assert "0 of 6 reviewed by a person." in ragvlc("run", "own.yaml").out
    ragvlc("review", "set.jsonl", "--apply", str(decided(files, "accept", "reject", "accept")), "--reviewer", "Ada")
    sentence = "All 5 were written by scripted; 3 of 6 reviewed by a person, 1 rejected."
    for verb in ("plan", "check", "estimate"):
        assert sentence in " ".join(ragvlc(verb, "own.yaml").out.split())
    said = " ".join(ragvlc("run", "own.yaml").out.split())
    assert sentence in said
    assert "Scores (generated questions, 3 of 6 reviewed, 1 rejected)" in said
    assert "3 of 6 reviewed, 1 rejected)" in Path("runs/own/report.html").read_text()


def two(first: str, second: str) -> tuple[list[ReviewDecision], list[ReviewDecision]]:
    words = {word[0]: word for word in WORDS}
    made = [[ReviewDecision(f"q{n}", words[one]) for n, one in enumerate(own) if one != "-"] for own in (first, second)]
    return made[0], made[1]


def test_kappa_is_that_of_another_library() -> None:
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(3)
    for _ in range(20):
        first, second = ("".join(random.choice(list("aer"), 40)) for _ in range(2))
        found = agreement(*two(first, second))
        assert found.kappa == pytest.approx(cohen_kappa_score(list(first), list(second)))
        assert found.interval is not None
        assert found.interval[0] <= found.kappa <= found.interval[1]


def test_agreement_counts_what_both_decided_and_lists_the_rest() -> None:
    found = agreement(*two("aaraee-", "aarrra-"))
    assert (len(found.both), found.equal) == (6, 3)
    assert [one.id for one, _ in found.disagreements] == ["q3", "q4", "q5"]
    assert agreement(*two("aar--", "-arra")).alone == (1, 2)
    one = agreement(*two("aaaa", "aaaa"))
    assert (one.kappa, one.interval, one.equal) == (None, None, 4)
    assert kappa(np.zeros((3, 3))) is None
    rare = agreement(*two("aaar", "aaar"))
    assert (rare.kappa, rare.interval) == (1.0, None)
    assert rare.undefined > 100


def test_two_reviewers_are_compared(files: SetFiles, ragvlc: Cli) -> None:
    first = decided(files, "accept", "reject", "accept", "accept", name="a.csv", reviewer="Ada")
    second = decided(files, "accept", "accept", "accept", "reject", "accept", name="b.csv", reviewer="Bob")
    said = ragvlc("review", str(files.questions), "--compare", str(first), "--compare", str(second))
    assert said.code == 0
    assert "n = 4 questions decided by both; the same decision on 2 (50%)." in said.out
    assert "left out: 0 by the first, 1 by the second" in said.out
    assert "Cohen's kappa of accept, edit and reject: -0.33" in said.out
    assert said.out.count("Ada: ") == 2
    same = ragvlc("review", str(files.questions), "--compare", str(decided(files, "accept")), "--compare", str(second))
    assert "kappa is undefined: both gave every question the same one decision" in same.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--compare", "a.csv"), "needs two files"),
        (("--apply", "a.csv", "--compare", "a.csv"), "choose one"),
        (("--apply", "a.csv"), "no such file"),
        (("--model", "x"), "need --apply"),
        (("--apply", "a.csv", "--out", "b"), "goes with neither"),
    ],
)
def test_bad_input_is_one_sentence(files: SetFiles, ragvlc: Cli, words: tuple[str, ...], problem: str) -> None:
    said = ragvlc("review", str(files.questions), *words)
    assert said.code == 2
    assert problem in said.err
    assert "Traceback" not in said.err


def test_a_set_that_is_not_there_is_named_with_its_nearest(files: SetFiles, ragvlc: Cli) -> None:
    said = ragvlc("review", str(files.questions.with_name("sett.jsonl")))
    assert said.code == 2
    assert "Nearest: set.jsonl" in said.err


@pytest.mark.parametrize(
    ("words", "problem"), [(("--without", "closed_boo"), "Nearest: closed_book"), (("--model", "{kind: x}"), "x")]
)
def test_settings_of_edits_are_checked_even_without_an_edit(
    files: SetFiles, ragvlc: Cli, words: tuple[str, ...], problem: str
) -> None:
    before = files.questions.read_bytes()
    said = ragvlc("review", str(files.questions), "--apply", str(decided(files, "accept")), *words)
    assert said.code == 2
    assert problem in said.err
    assert files.questions.read_bytes() == before


def test_a_workbook_is_read_and_notes_without_a_decision_are_counted(files: SetFiles, ragvlc: Cli) -> None:
    from openpyxl import Workbook

    rows = rows_of(decided(files, "accept", "reject"))
    rows[3]["note"] = "look at it again"
    book = Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    book.save(files.questions.with_name("decisions.xlsx"))
    said = ragvlc("review", str(files.questions), "--apply", str(files.questions.with_name("decisions.xlsx")))
    assert said.code == 0
    assert "1 accepted, 1 rejected." in said.out
    assert "1 notes are left out" in said.out
    assert "Nobody is named as the reviewer" in said.out


def test_a_decision_asks_no_question_again_and_an_edit_asks_its_own(
    files: SetFiles, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.questions.parent)
    Path("whole.yaml").write_text(
        "generators: {main: {kind: scripted, default: Ada}}\nroutes: {whole: {kind: full_context}}\n"
    )
    dataset = "{kind: jsonl, path: ., questions: set.jsonl, documents: set.documents.jsonl}"
    Path("own.yaml").write_text(f"dataset: {dataset}\npipelines: [whole.yaml]\nmetrics: [contains]\ntracker: none\n")
    assert ragvlc("run", "own.yaml").code == 0

    def lines() -> int:
        return sum(len(one.read_text().splitlines()) for one in Path("runs").rglob("predictions.jsonl"))

    before = lines()
    assert before >= 6
    table = decided(files, "accept", "accept")
    assert ragvlc("review", "set.jsonl", "--apply", str(table)).code == 0
    assert ragvlc("run", "own.yaml").code == 0
    assert lines() == before
    question = read_questions(files.questions)[2].question
    rows = rows_of(decided(files))
    rows[2] |= {"decision": "edit", "question": f"Say who built {question.partition('built ')[2]}"}
    assert ragvlc("review", "set.jsonl", "--apply", str(written(table, rows))).code == 0
    assert ragvlc("run", "own.yaml").code == 0
    assert lines() == before + 1
