"""A folder of one's own files: what they say, what cannot be read, and a table of questions about them."""

from __future__ import annotations

import json

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.folder import Folder
from ragvlc.documents.extraction import Settings, Unreadable, extract
from ragvlc.documents.files import read_document, read_folder
from ragvlc.families import Dataset, Metric
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

PAGE = """<html><head><title> The
 weir</title><style>p {color: red}</style><script>var hidden = 1</script></head>
<body><h1>Weir &amp; lock</h1><p>The weir is <b>old</b>.</p><noscript>Switch it on</noscript>
<ul><li>wood<li>stone</ul></body></html>"""


@pytest.fixture
def folder(tmp_path, write_pdf):
    """Four files of four kinds, and others that are none."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "pond.txt").write_text("The pond holds forty\ncarp. It is deep.", encoding="utf-8")
    (tmp_path / "notes" / "hill.md").write_text("```\n# no heading\n```\n## The *bare* hill ##\n\nNobody climbs.\n")
    (tmp_path / "weir.HTML").write_text(PAGE, encoding="utf-8")
    write_pdf(tmp_path / "mill.pdf", "The mill stands.", "It grinds rye\nand wheat.", title="The mill")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "Makefile").write_text("all:")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("no")
    return tmp_path


def asked(folder, text, name="questions.csv", **fields):
    (folder / name).write_text(text, encoding="utf-8")
    return Folder(path=str(folder), questions=name, **fields)


def refusal(data):
    with pytest.raises(DatasetError) as caught:
        data.load()
    return str(caught.value)


def test_documents_of_four_kinds(folder):
    found = {document.id: document for document in Folder(path=str(folder)).collection()}
    assert list(found) == ["mill.pdf", "notes/hill.md", "pond.txt", "weir.HTML"]
    titles = {name: document.title for name, document in found.items()}
    assert titles == {
        "mill.pdf": "The mill",
        "notes/hill.md": "The *bare* hill",
        "pond.txt": "pond",
        "weir.HTML": "The weir",
    }
    assert found["pond.txt"].text == "The pond holds forty\ncarp. It is deep."
    assert found["mill.pdf"].text == "The mill stands.\n\nIt grinds rye\nand wheat."
    assert found["mill.pdf"].metadata == {"pages": 2}
    page = found["weir.HTML"].text
    assert page.split() == ["Weir", "&", "lock", "The", "weir", "is", "old.", "-", "wood", "-", "stone"]
    files = read_folder(folder)
    assert dict(files.read) == {"pdf": 1, "md": 1, "txt": 1, "html": 1}
    assert dict(files.passed_over) == {".png": 1, "no ending": 1}
    assert files.hidden == 2
    assert read_folder(folder, exclude=["notes/*", "*.png"]).documents == tuple(
        found[name] for name in ("mill.pdf", "pond.txt", "weir.HTML")
    )


def test_a_changed_file_is_read_again_and_others_are_kept(folder):
    first = read_folder(folder)
    assert read_folder(folder).documents is first.documents
    (folder / "pond.txt").write_text("Empty it is, the pond.")
    assert read_folder(folder).documents[2].text == "Empty it is, the pond."


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        ("Grüße 茶".encode(), "Grüße 茶", "utf-8"),
        ("Grüße".encode("utf-8-sig"), "Grüße", "utf-8"),
        ("Grüße 茶".encode("utf-16"), "Grüße 茶", "utf-16"),
        ("Grüße".encode("utf-32"), "Grüße", "utf-32"),
    ],
)
def test_encodings_that_say_what_they_are(data, text, encoding):
    found = extract("txt", data)
    assert (found.text, found.encoding and found.encoding.name) == (text, encoding)


def test_other_encodings_are_found_out_or_set(folder):
    russian = "Мельница стоит у реки, и каждое утро мельник открывает ворота. " * 5
    assert extract("txt", russian.encode("cp1251")).text == russian
    declared = '<meta charset="iso-8859-2"><p>Łódź</p>'.encode("iso-8859-2")
    assert extract("html", declared).text.strip() == "Łódź"
    (folder / "old.txt").write_bytes("Łódź".encode("iso-8859-2"))
    texts = {
        one.id: one.text for one in Folder(path=str(folder), encoding="iso-8859-2", exclude=("*.*l",)).collection()
    }
    assert texts["old.txt"] == "Łódź"
    with pytest.raises(Unreadable, match="no known encoding"):
        extract("txt", b"x", Settings("latin-99"))
    with pytest.raises(Unreadable, match="not UTF-8 from byte 1 on"):
        extract("txt", b"a\xff\x00\x01\x00")


def test_files_without_text_are_told_together(folder, write_pdf):
    write_pdf(folder / "scan.pdf", None, None)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (folder / "blank.md").write_text(" \n")
    (folder / "wrong.txt").write_bytes(b"\x00\xff\x00")
    message = refusal(asked(folder, "question\nWhat?\n"))
    assert message.startswith(f"{folder}: 4 files are not read in full\n")
    assert "scan.pdf: no text on any of its pages (2); it is probably scanned and needs OCR." in message
    assert "broken.pdf: cannot be read as PDF" in message
    assert "blank.md: empty." in message
    assert "wrong.txt: not text in any known encoding" in message
    assert "unreadable: skip" in message
    (example,) = asked(folder, "question\nWhat?\n", unreadable="skip").load()
    assert len(example.documents) == 4


def test_a_locked_pdf_needs_a_password(tmp_path, write_pdf):
    from pypdf import PdfReader, PdfWriter

    write_pdf(tmp_path / "open.pdf", "Secret.")
    writer = PdfWriter(clone_from=PdfReader(tmp_path / "open.pdf"))
    writer.encrypt("word", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(DatasetError, match=r"locked\.pdf: needs a password"):
        read_document(tmp_path / "locked.pdf")
    assert read_document(tmp_path / "open.pdf").text == "Secret."
    assert read_document(tmp_path / "open.pdf").title == "open"


CSV = """id,question,answers,documents,evidence,choices,unanswerable,theme
a,How many carp?,forty|40,pond.txt,forty carp,,,water
b,What is ground?,"[""rye | oats"", ""wheat""]",mill.pdf,rye and wheat.,,no,
c,Who climbs?,B,hill.md,,Everyone|Nobody,,
d,How old is it?,,,,,yes,
e,And the weir?,stone,,stone,,,
f,And so?,,,cannot be found,,,
"""


def test_questions_from_a_table(folder):
    a, b, c, d, e, f = asked(folder, CSV, separator="|").load()
    assert (a.id, a.references, [one.id for one in a.documents]) == ("a", ("forty", "40"), ["pond.txt"])
    assert a.evidence == (Span("pond.txt", 15, 25),)  # across the line break
    assert (a.tags["theme"], a.tags["evidence"], a.cluster, a.relevant) == ("water", "located", "pond.txt", {})
    assert b.references == ("rye | oats", "wheat")
    assert (b.tags["evidence"], b.evidence[0].document_id) == ("located", "mill.pdf")
    assert (c.references, c.query.choices, c.documents[0].id) == (("Nobody",), ("Everyone", "Nobody"), "notes/hill.md")
    assert d.unanswerable
    assert len(d.documents) == 4
    assert d.documents is e.documents
    assert (e.relevant, e.cluster) == ({"weir.HTML": 1.0}, "weir.HTML")
    assert (f.references, f.tags["evidence"], f.relevant, f.cluster) == ((), "not located", {}, "f")


def test_a_question_without_answers_has_no_score(folder):
    (example,) = asked(folder, "question\nAnd so?\n").load()
    for kind in set(known_kinds("metrics")) - {"quote_survival"}:  # compares with the documents alone
        cls = find_kind(Metric, kind)
        if cls.score is not Metric.score:  # those that need a model decide for themselves
            assert cls().score(Answer("so"), example) is None, kind


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(folder, delimiter):
    text = delimiter.join(["question", "answers"]) + "\n" + delimiter.join(["How many, then?", "forty"]) + "\n"
    (example,) = asked(folder, text).load()
    assert (example.query.text, example.references) == ("How many, then?", ("forty",))


def test_questions_from_json_lines(folder):
    rows = [
        {"question": "How many?", "answers": ["forty"], "documents": "pond.txt", "evidence": ["forty carp", "nowhere"]},
        {"question": "Which?", "choices": ["a", "b"], "answer_index": 1, "meta": {"depth": 2}, "year": 1868},
        {"question": "What?", "answer": 40, "evidence": [{"doc_id": "pond.txt", "start": 4, "end": 8, "text": "pond"}]},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    first, second, third = asked(folder, text, "asked.jsonl").load()
    assert (first.id, first.tags["evidence"]) == ("q1", "partly located")
    assert second.references == ("b",)
    assert (second.tags["depth"], second.tags["year"]) == (2, 1868)
    assert (third.references, third.evidence) == (("40",), (Span("pond.txt", 4, 8),))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("qestion,answers\nx,y\n", "the head line has no column 'question': qestion, answers. Nearest: qestion."),
        ("question,awnsers\nx,y\n", "line 2: 'awnsers' is no known column. Nearest: answers. Rename it"),
        ("question,documents\nx,pnod.txt\n", "line 2: no document has the id 'pnod.txt'. Nearest: pond.txt."),
        ("question,answers\n,y\n", "none of its 1 rows has a question in 'question'"),
        ("question,unanswerable\nx,perhaps\n", "'unanswerable' must be true or false"),
        ("question,answers,choices\nx,C,\"['a', 'b']\"\n", "the answer 'C' is no letter from A to B"),
        ("question,id\nx,1\ny,1\n", "line 3: question '1' stands in line 2 already"),
        ("question\nx,y\n", "line 2: has 2 cells, the head line 1"),
        ('question\n"x\n', "is not CSV"),
        ("question\n", "holds no questions"),
    ],
)
def test_tables_that_do_not_fit_are_refused(folder, text, told):
    assert told in refusal(asked(folder, text))


def test_what_is_not_there(folder, tmp_path):
    assert "ragvlc check" in refusal(Folder(path=str(folder)))
    assert "qustions.csv: no such file. Nearest: questions.csv." in refusal(
        asked(folder, CSV).model_copy(update={"questions": "qustions.csv"})
    )
    assert "no such folder" in refusal(Folder(path=str(folder / "nowhere"), questions="x.csv"))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "x.mp4").write_bytes(b"0")
    assert "(other files: 1 .mp4)" in refusal(asked(tmp_path / "bare", "question\nx\n"))


def test_the_only_table_of_the_folder_is_taken_and_said(folder):
    given = asked(folder, CSV, "questions_2024.csv", separator="|")
    data = Folder(path=str(folder), separator="|")
    found = data.load()
    assert [one.key for one in found] == [one.key for one in given.load()]
    assert "questions_2024.csv: the folder's only table of questions, since none was named." in found.notes
    assert not any("only table" in note for note in given.load().notes)
    asked(folder, CSV, "questions.jsonl.gz")
    assert "there are 2 tables of questions: questions.jsonl.gz, questions_2024.csv. Name one" in refusal(data)
    data = data.model_copy(update={"exclude": ("questions.jsonl.gz",)})
    assert len(data.load()) == 6


def test_a_missing_table_names_those_that_are_there(folder):
    asked(folder, CSV, "Fragen.csv")
    said = refusal(Folder(path=str(folder), questions="question.csv"))
    assert f"looked for inside the folder {folder}. Tables there: Fragen.csv." in said
    notes = folder / "notes"
    said = refusal(Folder(path=str(notes), questions="Fragen.csv"))
    assert "Beside the folder there is one: write `questions: ../Fragen.csv`. There is no table in it." in said
    (folder / "Fragen.csv").write_text("Frage,Antwort\nWho climbs?,Nobody\n")
    assert len(Folder(path=str(notes), questions="../Fragen.csv").load()) == 1


def test_the_key_stands_while_the_folder_changes(folder):
    data = asked(folder, CSV, separator="|")
    key, rows = data.key, [example.key for example in data.load()]
    (folder / "weir.HTML").write_text("<p>Gone is the stone.</p>", encoding="utf-8")
    assert asked(folder, CSV, separator="|").key == key
    after = [example.key for example in asked(folder, CSV, separator="|").load()]
    assert [before == now for before, now in zip(rows, after, strict=True)] == [True, True, True, False, False, False]
    assert Dataset.build(data.spec()) == data


@pytest.fixture
def twenty(tmp_path, write_pdf):
    """Twenty PDF and Markdown files about as many mills, and a question about each."""
    place = tmp_path / "mills"
    place.mkdir()
    rows = ["question,answers,documents,evidence"]
    for n in range(20):
        said = f"The mill of Village{n} was built in {1700 + n}."
        if n % 2:
            write_pdf(place / f"mill{n}.pdf", "A report about mills.", said, f"Page three of {n}.", title=f"Mill {n}")
        else:
            (place / f"mill{n}.md").write_text(f"# Mill {n}\n\nA report.\n\n{said}\n\nThe end of {n}.\n")
        suffix = "pdf" if n % 2 else "md"
        rows.append(f"When was the mill of Village{n} built?,{1700 + n},mill{n}.{suffix},{said}")
    (place / "questions.csv").write_text("\n".join(rows) + "\n")
    return place


def test_a_sweep_over_twenty_files(twenty, tmp_path, word_model):
    generators = {"main": {"kind": "scripted"}}
    rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 40, "overlap": 0}, "retriever": "bm25"}
    spec = {
        "name": "mills",
        "dataset": {"kind": "folder", "path": str(twenty), "questions": "questions.csv", "pad_tokenizer": word_model},
        "pipelines": {
            "full": {"generators": generators, "routes": {"full": "full_context"}},
            "rag": {"generators": generators, "routes": {"rag": rag}},
        },
        "axes": {"shape": [{"dataset.scope": "example"}, {"dataset.scope": "corpus"}, {"dataset.pad_to_tokens": 60}]},
        "metrics": ["contains", "evidence_recall"],
        "tracker": "none",
    }

    def reply(prompt: str) -> str:
        village = prompt.rsplit("Village", 1)[1].split(maxsplit=1)[0]
        told = prompt.split(f"Village{village} was built in ")
        return told[1][:4] if len(told) > 1 else "unknown"

    with ScriptedPool(FunctionEngine(reply), tmp_path / "cache") as pool:
        outcome = run_sweep(Sweep.model_validate(spec), tmp_path / "runs", pool=pool)
    assert outcome.complete
    cells = {(cell.facts["pipeline"], cell.facts["dataset"]): cell for cell in outcome.results().cells}
    assert {dataset for _, dataset in cells} == {"mills", "mills, corpus", "mills, 60 tokens"}
    assert len(cells) == 6
    for (pipeline, _), cell in cells.items():
        means = {label: figures["mean"] for label, figures in cell.summary["metrics"].items()}
        assert len(cell.rows) == 20
        if pipeline == "full":
            assert means == {"contains": 1.0, "evidence_recall": 1.0}
        else:
            assert means["contains"] >= 0.8
