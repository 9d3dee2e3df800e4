"""The page of a review in a real browser: driven by keyboard, saved as files, and applied."""

import json
import time
from dataclasses import replace
from pathlib import Path

import browser
import pytest
from browser import CONTROL, Browser
from reviewed_set import HOSTILE, made_set

from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.item import FilterFinding, GeneratedQuestion
from ragvlc.questions.review.session import Review
from ragvlc.questions.review.sheet import read_sheet

pytestmark = pytest.mark.skipif(browser.found() is None, reason=f"no browser: none of {', '.join(browser.NAMES)}")

QUESTION = "document.getElementById('edit-question')"
QUOTES = "document.querySelectorAll('.quote')"


def files_of(folder: Path, name: str) -> Path:
    """Returns a file that the browser stores, once it is whole."""
    path, until = folder / name, time.monotonic() + 60
    while not path.is_file() or not path.stat().st_size:
        assert time.monotonic() < until, sorted(folder.iterdir())
        time.sleep(0.1)
    return path


def opened(window: Browser, page: Path) -> None:
    """Opens a review page and waits until what was decided before is read."""
    window.open(page)
    window.until("document.body.dataset.ready")


@pytest.fixture
def files(tmp_path: Path) -> SetFiles:
    """Returns a set whose first question is hostile, and whose second a filter could not judge."""
    files = made_set(tmp_path)
    first, second, *rest = read_questions(files.questions)
    first = replace(first, question=f"{first.question} {HOSTILE}", answers=("=1+1", HOSTILE))
    second = replace(second, findings=(*second.findings, FilterFinding("ambiguous", "marked", "cut off")))
    write_questions(files.questions, [first, second, *rest])
    return files


def review_by_keyboard(page: Path, before: list[GeneratedQuestion], tmp_path: Path) -> list[Path]:
    """Returns the saved files of a review: accept, reject with a note, edit, accept; the others stay open."""
    with Browser(tmp_path) as window:
        opened(window, page)
        assert window.text("progress") == "0 of 6 decided: 0 accepted, 0 edited, 0 rejected"
        assert window.text("question") == before[0].question
        assert HOSTILE in window.text("excerpts")
        assert window.run("document.querySelector('mark').textContent") == before[0].evidence[0].text
        window.press("a", "n")  # the next undecided, then past the marked one
        window.press("p")
        assert "Not judged by: ambiguous" in window.text("marks")
        assert "words in the evidence" in window.text("overlap")
        window.write("document.getElementById('note')", "too easy")
        window.press("Escape", "r")
        window.press("a", "u")  # taken back
        assert window.text("progress") == "2 of 6 decided: 1 accepted, 0 edited, 1 rejected"
        window.press("e")
        window.write(QUESTION, f"Tell me: {before[2].question}")
        hidden = "['buttons', 'list', 'filtering'].every((id) => document.getElementById(id).hidden)"
        assert window.run(hidden)  # nothing to click that would lose what was typed
        window.press("Escape")  # nothing is stored
        assert not window.run(hidden)
        assert window.text("state") == "undecided"
        window.press("e")
        window.write(QUESTION, f"Tell me: {before[2].question}")
        window.press("Enter", modifiers=CONTROL)
        window.press("e", "Escape", "e")
        window.press("Enter", modifiers=CONTROL)  # nothing was changed
        assert window.text("progress") == "4 of 6 decided: 2 accepted, 1 edited, 1 rejected"
        window.write("document.getElementById('reviewer')", "Ada Lovelace")
        window.press("Escape")
        for ending in ("csv", "json"):
            window.run(f"document.getElementById('save-{ending}').click()")
        saved = [files_of(tmp_path, f"set.decisions.Ada-Lovelace.{ending}") for ending in ("csv", "json")]
        window.until("document.body.dataset.writing === '0'")
        opened(window, page)  # as after closing it
        assert window.text("progress") == "4 of 6 decided: 2 accepted, 1 edited, 1 rejected"
        assert window.text("place").startswith("5 of 6")
        assert window.run("document.title") == "Review of set - ragvlc"
        assert window.requested() == {page.as_uri()}
        assert window.complaints() == []
    return saved


def test_a_review_by_keyboard_is_saved_and_applied(files: SetFiles, tmp_path: Path) -> None:
    page, _ = Review.of(files.questions).write()
    before = read_questions(files.questions)
    saved = review_by_keyboard(page, before, tmp_path)
    table, listed = map(read_sheet, saved)
    assert [replace(one, place="") for one in table.decisions] == [replace(one, place="") for one in listed.decisions]
    assert "\"'=1+1 || " in saved[0].read_text(encoding="utf-8-sig")
    assert table.set == listed.set
    assert [one.word for one in table.decisions] == ["accept", "reject", "edit", "accept"]
    assert table.decisions[0].answers == ("=1+1", HOSTILE)
    for path in saved:
        counts = Review.of(files.questions).apply(path).counts
        assert counts == (
            {"applied before": 4} if path.suffix == ".json" else {"accepted": 2, "rejected": 1, "edited": 1}
        )
    after = read_questions(files.questions)
    assert after[1].review["note"] == "too easy"
    assert {one.review["reviewer"] for one in after[:4]} == {"Ada Lovelace"}
    assert after[2].question == f"Tell me: {before[2].question}"


def test_selected_text_becomes_a_quote(files: SetFiles, tmp_path: Path) -> None:
    page, _ = Review.of(files.questions).write()
    with Browser(tmp_path) as window:
        opened(window, page)
        window.press("n", "e")
        window.run(
            "getSelection().setBaseAndExtent(document.querySelector('mark').firstChild, 0, "
            "document.querySelector('mark').firstChild, 12)"
        )
        window.run("document.getElementById('add-quote').click()")
        assert (
            window.run(f"[...{QUOTES}].map((one) => one.value)")[1]
            == read_questions(files.questions)[1].evidence[0].text[:12].strip()
        )


def test_five_hundred_questions_are_quick_in_both_colours(files: SetFiles, tmp_path: Path) -> None:
    first = read_questions(files.questions)[2]
    write_questions(files.questions, [replace(first, id=f"q-{number}") for number in range(500)])
    page, _ = Review.of(files.questions).write()
    tones = {}
    for dark in (False, True):
        (tmp_path / str(dark)).mkdir()
        with Browser(tmp_path / str(dark), dark=dark) as window:
            opened(window, page)
            tones[dark] = window.run("getComputedStyle(document.body).backgroundColor")
            start = time.monotonic()
            window.press(*"arna" * 25)
            assert window.text("progress").startswith("75 of 500 decided: 50 accepted, 0 edited, 25 rejected")
            assert time.monotonic() - start < 60
    assert tones == {False: "rgb(255, 255, 255)", True: "rgb(20, 23, 26)"}


def test_earlier_reviews_are_shown_and_passed_over(files: SetFiles, tmp_path: Path) -> None:
    _, table = Review.of(files.questions).write()
    decisions = [{"id": one.id, "decision": "reject"} for one in read_questions(files.questions)[:2]]
    (tmp_path / "done.json").write_text(json.dumps(decisions))
    assert table.is_file()
    Review.of(files.questions).apply(tmp_path / "done.json", reviewer="Ada")
    page, _ = Review.of(files.questions).write()
    with Browser(tmp_path) as window:
        opened(window, page)
        assert window.text("place").startswith("3 of 6")
        assert window.text("progress").endswith("0 rejected, 2 reviewed before")
        window.press("p")
        assert window.text("state").startswith("rejected by Ada on 20")


def test_decisions_are_there_at_every_opening(files: SetFiles, tmp_path: Path) -> None:
    page, _ = Review.of(files.questions).write()
    with Browser(tmp_path) as window:
        opened(window, page)
        window.press("a", "a")
        window.until("document.body.dataset.writing === '0'")
        for _ in range(20):
            opened(window, page)
            assert window.text("progress").startswith("2 of 6 decided"), window.complaints()


def test_decisions_of_another_window_appear(files: SetFiles, tmp_path: Path) -> None:
    page, _ = Review.of(files.questions).write()
    with Browser(tmp_path) as window:
        opened(window, page)
        window.run("window.heard = []; window.other = new BroadcastChannel('ragvlc-review')")
        window.run("window.other.onmessage = ({ data }) => window.heard.push(data)")
        window.press("a")
        window.until("window.heard.length === 1")
        assert window.run("window.heard[0][1].word") == "accept"
        window.run("window.other.postMessage([window.heard[0][0], { word: 'reject', note: '' }])")
        window.until("document.getElementById('progress').textContent.includes('1 rejected')")
        assert window.text("progress").startswith("1 of 6 decided")


def test_a_browser_without_a_database_says_so(files: SetFiles, tmp_path: Path) -> None:
    page, _ = Review.of(files.questions).write()
    with Browser(tmp_path) as window:
        window.call(
            "Page.addScriptToEvaluateOnNewDocument", source="Object.defineProperty(window, 'indexedDB', {value: null})"
        )
        opened(window, page)
        assert not window.run("document.getElementById('storage').hidden")
        window.press("a")
        assert window.text("progress").startswith("1 of 6 decided")
