"""`ragvlc ask` with several pipelines and questions: one table, one page, shared work, and everything counted."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import browser
import pytest
from browser import Browser
from command_line import Cli

from ragvlc.cli.asking_several import sorted_words
from ragvlc.core.errors import ConfigError, DatasetError

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\x1b]0;title\x07"
TOWER = "# Tower\n\nThe tower is 31 metres high. It was built by Ada. " + "Nothing more is said of it here. " * 60
SCRIPT = "generators: {main: {kind: scripted, replies: {How high: It is 31 metres high., Who built: %s}}}\n"
FILES = {
    "tower.md": TOWER,
    "other.md": "# Other\n\nAnother text about a bridge.",
    "full.yaml": SCRIPT % "Ada" + "routes: {full: {kind: full_context}}\nrouter: always\n",
    "rag.yaml": SCRIPT % "Nobody" + "routes: {rag: {kind: retrieve, retriever: bm25, "
    "chunker: {kind: tokens, size: 40}, selector: {kind: top_k, k: 1}}}\nrouter: always\n",
    "questions.csv": "question,answers,evidence\nHow high is the tower?,31 metres,31 metres high\nWho built it?,Ada,\n",
}
BOTH = ("-p", "full.yaml", "-p", "rag.yaml")


@pytest.fixture
def here(tmp_path: Path, ragvlc: Cli) -> Path:
    """Returns the current folder, with documents, pipelines and questions."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


class Page(HTMLParser):
    """What a page has: its tags, its outside references, and texts by class."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.marked: list[str] = []
        self._mark = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.add(tag)
        self._mark = tag == "mark"
        self.outside += [value for name, value in attrs if name in ("src", "href", "action") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._mark = False

    def handle_data(self, data: str) -> None:
        if self._mark:
            self.marked.append(data)


def replies(text: str) -> list[list[str]]:
    """Returns the answers on a page, by question and pipeline."""
    return [
        re.findall(r'<div class="text[^"]*">([^<]*)</div>', one) for one in text.split('<article class="asked">')[1:]
    ]


def test_two_questions_by_two_pipelines_are_on_one_page(here: Path, ragvlc: Cli) -> None:
    done = ragvlc("ask", "tower.md", "How high is the tower?", "Who built it?", *BOTH)
    assert done.code == 0, done.err
    text = (here / "ask.html").read_text()
    assert replies(text) == [["It is 31 metres high."] * 2, ["Ada", "Nobody"]]
    assert "<title>tower.md - ragvlc ask</title>" in text
    assert "both pipelines answer 1 of 2 questions" in text
    assert re.search(r"full reads [\d,]+ tokens a question, rag \d+: [\d.]+ times as many", text)
    page = Page(text)
    assert page.marked == ["Ada"]
    assert not page.outside
    assert "script" not in page.tags
    assert "contains" not in text.partition("<body>")[2]
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith(("full ", "rag "))][:4] == [
        "full",
        "rag",
    ] * 2
    assert done.out.endswith("ask.html\n")


def test_with_references_there_are_scores_with_intervals_and_the_evidence_is_marked(here: Path, ragvlc: Cli) -> None:
    done = ragvlc("ask", "tower.md", "--questions", "questions.csv", *BOTH, "--page", "out/both.html")
    assert done.code == 0, done.err
    text = (here / "out/both.html").read_text()
    assert "Accepted: 31 metres" in text
    assert re.search(r"contains</?[^>]*> ?<strong>1.00</strong>|contains <strong>1.00</strong>", text)
    assert '<td class="best">1.00 <small>[' in text
    assert "Intervals are for other questions about these documents" in text
    assert "Best contains: full, 1.000." in done.out
    assert "31 metres high" in Page(text).marked
    assert re.search(r"full +It is 31 metres high\. .* 1\.00$", done.out, re.MULTILINE)


def test_questions_may_be_lines_of_a_text(here: Path, ragvlc: Cli) -> None:
    (here / "q.txt").write_text("\ufeffHow high?\n\n  Who built it?  \n")
    done = ragvlc("ask", "-d", "tower.md", "--questions", "q.txt", "-p", "full.yaml")
    assert done.code == 0, done.err
    assert replies((here / "ask.html").read_text()) == [["It is 31 metres high."], ["Ada"]]


def test_one_pipeline_and_one_question_answer_as_before(here: Path, ragvlc: Cli) -> None:
    for words in (("full.yaml", "Who built it?", "-d", "tower.md"), ("tower.md", "Who built it?", "-p", "full.yaml")):
        done = ragvlc("ask", *words)
        assert (done.code, done.out) == (0, "Ada\n")
    assert not (here / "ask.html").exists()


def test_hostile_texts_are_shown_and_not_obeyed(here: Path, ragvlc: Cli) -> None:
    (here / "bad.md").write_text(f"# {HOSTILE}\n\n{HOSTILE} is high.")
    reply = json.dumps(HOSTILE)
    (here / "bad.yaml").write_text(
        f"generators: {{main: {{kind: scripted, replies: {{How high: {reply}}}}}}}\n"
        "routes: {full: {kind: full_context}}\nrouter: always\n"
    )
    done = ragvlc("ask", "bad.md", f"How high {HOSTILE}?", "Is it high?", "-p", "bad.yaml", "-p", "full.yaml")
    assert done.code == 0, done.err
    page = Page((here / "ask.html").read_text())
    assert not {"script", "img"} & page.tags
    assert not page.outside
    assert "\x1b" not in done.out


def test_a_failed_question_is_counted_and_the_others_are_answered(here: Path, ragvlc: Cli) -> None:
    (here / "tight.yaml").write_text(
        "generators: {main: {kind: scripted, window: 100, default: short}}\n"
        "routes: {full: {kind: full_context, truncation: refuse, answer_tokens: 8}}\nrouter: always\n"
    )
    done = ragvlc("ask", "tower.md", "How high?", "Who built it?", "-p", "tight.yaml", "-p", "full.yaml")
    assert done.code == 1
    assert "tight: 2 questions failed. " in done.out
    text = (here / "ask.html").read_text()
    assert replies(text)[1][1] == "Ada"
    assert "Failed questions: mend the cause and ask again" in text


def test_cut_text_thoughts_and_missing_answers_are_counted(here: Path, ragvlc: Cli) -> None:
    (here / "cut.yaml").write_text(
        "generators: {main: {kind: scripted, window: 200, replies: {How high: '<think>hm</think>'}, default: short}}\n"
        "routes: {full: {kind: full_context, answer_tokens: 8}}\nrouter: always\n"
    )
    done = ragvlc("ask", "tower.md", "How high?", "Who built it?", "-p", "cut.yaml", "-p", "full.yaml")
    assert done.code == 0
    assert "cut: text did not fit the window and was left out, at 2 questions." in done.out
    assert "1 answer ended with a thought and no answer" in done.out
    assert "full: the answer ends at its limit of tokens" not in done.out
    text = (here / "ask.html").read_text()
    assert re.search(r"[\d,]+ tokens of the documents did not fit the window and were not read", text)
    assert replies(text)[0][0].startswith("no answer: ")
    assert "<summary>Thought</summary>" in text
    assert "no\nanswer" in text


def test_an_answer_that_ends_at_its_limit_is_said(here: Path, ragvlc: Cli) -> None:
    (here / "short.yaml").write_text(
        "generators: {main: {kind: scripted, default: one two three four five}}\n"
        "routes: {full: {kind: full_context, answer_tokens: 3}}\nrouter: always\n"
    )
    done = ragvlc("ask", "tower.md", "How high?", "Who built it?", "-p", "short.yaml", "-p", "full.yaml")
    assert done.code == 0
    assert "short: the answer ends at its limit of tokens (`answer_tokens`), at 2 questions." in done.out
    assert "full: complete\n" in done.err, "no score where no reference is known"
    text = (here / "ask.html").read_text()
    assert "Cut short: the answer ends at the limit of its tokens (`answer_tokens`)." in text


def test_equal_work_of_pipelines_is_done_once(here: Path, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragvlc.retrievers.bm25 import BM25

    made = []
    inner = BM25.index
    monkeypatch.setattr(BM25, "index", lambda self, *given, **named: made.append(1) or inner(self, *given, **named))
    (here / "rag2.yaml").write_text(FILES["rag.yaml"].replace("k: 1", "k: 2"))
    done = ragvlc("ask", "tower.md", "How high?", "Who built it?", "-p", "rag.yaml", "-p", "rag2.yaml")
    assert done.code == 0, done.err
    assert len(made) == 1


def test_documents_of_the_same_name_are_told_apart(here: Path, ragvlc: Cli) -> None:
    (here / "b").mkdir()
    (here / "b/tower.md").write_text("# Second\n\nThis one is low.")
    done = ragvlc("ask", "tower.md", "b/tower.md", "tower.md", "How high?", "Who?", "-p", "full.yaml")
    assert done.code == 0, done.err
    text = (here / "ask.html").read_text()
    assert "2 documents, 2 questions, 1 pipeline:" in text
    assert "tower.md (2)" in text


def test_nothing_is_left_behind_but_the_page(here: Path, ragvlc: Cli) -> None:
    before = {one.name for one in here.iterdir()}
    assert ragvlc("ask", "tower.md", "How high?", "Who built it?", *BOTH).code == 0
    assert {one.name for one in here.iterdir()} - before - {"cache"} == {"ask.html"}


def test_an_earlier_page_is_replaced_and_is_no_document(here: Path, ragvlc: Cli) -> None:
    first = ragvlc("ask", ".", "How high?", *BOTH, "-q")
    assert (first.code, first.err) == (0, ""), "quiet: no progress"
    page = (here / "ask.html").read_text()
    again = ragvlc("ask", ".", "How high?", *BOTH, "-q")
    assert (again.code, again.err) == (0, "")
    assert "ask.html" not in (here / "ask.html").read_text()
    assert replies((here / "ask.html").read_text()) == replies(page)


def test_words_are_taken_for_what_they_are(here: Path) -> None:
    def taken(*words: str, file: Path | None = None, pipelines: tuple[str, ...] = ()) -> tuple:
        found = sorted_words(words, pipelines, (), file)
        return found.pipelines, [str(one) for one in found.documents], found.questions

    assert taken("tower.md", "a b?", "c?") == (("full_context", "rag"), ["tower.md"], ("a b?", "c?"))
    assert taken("rag", "full_context", "tower.md", "a?") == (("rag", "full_context"), ["tower.md"], ("a?",))
    assert taken("tower.md", "rag", "a?") == (("rag",), ["tower.md"], ("a?",))
    assert taken("rag", "tower.md", "Why?", "rag") == (("rag",), ["tower.md"], ("Why?", "rag"))
    assert taken("rag", "other.md") == (("rag",), [], ("other.md",))
    assert taken("tower.md", file=Path("q.csv")) == (("full_context", "rag"), ["tower.md"], ())
    assert taken("tower.md", "x" * 5000 + " ?") == (("full_context", "rag"), ["tower.md"], ("x" * 5000 + " ?",))
    for words, error in {
        ("rag",): "needs a question",
        ("tower.md",): "needs a question",
        ("tower.md", " "): "needs a question",
        ("What is it?",): "needs a document",
    }.items():
        with pytest.raises(ConfigError, match=error):
            taken(*words)
    with pytest.raises(DatasetError, match="no such file or folder. Nearest: tower.md"):
        taken("towr.md", "a?")
    with pytest.raises(ConfigError, match="takes no further questions"):
        taken("tower.md", "a b?", file=Path("q.csv"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tower.md", "a?", "b?", "--trace", *BOTH), "--trace: is of one pipeline"),
        (("tower.md", "a?", "b?", "--choice", "x", *BOTH), "--choice: are the options of one question"),
        (("tower.md", "--questions", "nothing.csv"), "nothing.csv: no such file of questions"),
        (("tower.md", "--questions", "picture.png", *BOTH), "is no table of questions. Known endings: .txt"),
        (("tower.md", "--questions", "empty.txt", *BOTH), "empty.txt: no question in it"),
        (("tower.md", "a?", "b?", "--page", "folder", *BOTH), "--page folder: is a folder"),
        (("tower.md", "a?", "b?", "--page", "tower.md", *BOTH), "--page tower.md: is there already"),
        (("tower.md", "--questions", "questions.csv", "--page", "questions.csv", *BOTH), "is no page of ask"),
        (("tower.md", "a?", "b?", "-p", "rga"), "Nearest: rag."),
        (("tower.md", "a?", "b?", "-p", "missing.yaml"), "missing.yaml"),
    ],
)
def test_bad_input_is_one_error(here: Path, ragvlc: Cli, words: tuple[str, ...], said: str) -> None:
    (here / "folder").mkdir()
    (here / "empty.txt").write_text("\n")
    (here / "picture.png").write_bytes(b"\x89PNG")
    done = ragvlc("ask", *words)
    assert done.code == 2, done
    assert done.err.count("error:") == 1
    assert said in done.err
    assert not (here / "ask.html").exists()


@pytest.mark.skipif(browser.found() is None, reason=f"no browser: none of {', '.join(browser.NAMES)}")
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser_the_page_asks_for_nothing_and_fits_a_phone(here: Path, ragvlc: Cli, *, dark: bool) -> None:
    (here / "long.md").write_text(f"# {'x' * 300}\n\n{HOSTILE} {'high' * 200}")
    words = ("tower.md", "long.md", "How high?", f"Who built {'it' * 200} {HOSTILE}?", *BOTH)
    assert ragvlc("ask", *words).code == 0
    with Browser(here, dark=dark) as window:
        window.open(here / "ask.html")
        assert window.run("document.querySelectorAll('.reply').length") == 4
        beside = window.run("[...document.querySelectorAll('.reply')].map(one => one.getBoundingClientRect().top)")
        assert beside[0] == beside[1] < beside[2] == beside[3]
        paper = window.run("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(20, 23, 26)") is dark
        assert (
            window.run(
                "(() => { const one = document.querySelector('details'); one.open = true; "
                "return one.querySelector('.passages').getBoundingClientRect().height; })()"
            )
            > 10
        )
        window.call("Emulation.setDeviceMetricsOverride", width=380, height=800, deviceScaleFactor=1, mobile=True)
        window.until("innerWidth <= 400")
        assert window.run("document.documentElement.scrollWidth") <= 380
        tops = window.run("[...document.querySelectorAll('.reply')].map(one => one.getBoundingClientRect().top)")
        assert tops == sorted(set(tops))
        asked = [
            one["params"]["request"]["url"] for one in window.events if one["method"] == "Network.requestWillBeSent"
        ]
        assert [one for one in asked if not one.startswith("file:")] == []
        assert not [one for one in window.events if one["method"] == "Page.javascriptDialogOpening"]
