"""Tables of questions as other tools and people write them: columns, cells, indexes, kinds of files."""

from __future__ import annotations

import json

import openpyxl
import pandas as pd
import pytest

from ragvlc.check import checked
from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.folder import Folder
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "Handbook.md").write_text("# Staff handbook\n\nLeave is 30 days. They met in Paris and Lyon.\n")
    (tmp_path / "sub" / "mill.txt").write_text("The mill grinds rye and wheat since 1868.")
    return tmp_path


def asked(folder, table, name="questions.csv", **fields):
    if isinstance(table, str):
        (folder / name).write_bytes(table.encode("utf-8"))
    elif name.endswith(".xlsx"):
        table.to_excel(folder / name, index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(folder / name)
    else:
        table.to_csv(folder / name, index=False)
    return Folder(path=str(folder), questions=name, **fields)


def refusal(data):
    with pytest.raises(DatasetError) as caught:
        data.load()
    return str(caught.value)


def only(data):
    (example,) = data.load()
    return example


def notes(data):
    return "\n".join(data.load().notes)


@pytest.mark.parametrize(
    "head",
    [
        "user_input,reference,reference_contexts",
        "question,ground_truth,contexts",
        "Question,Expected answer,Evidence",
        "input,expected_output,context",
        "QUERY,Ground-Truths,supporting_text",
        "Frage,Erwartete Antwort,Belegstelle",
        "question,réponse attendue,extrait",
        "user input ,Reference-Answer, Reference Contexts",
        "\u200bquestionText,correctAnswer,quote",
        "inputs,expected_response,expected_retrieved_context",
        "q,a,passage",
        "prompt,output,context",
    ],
)
def test_names_that_people_and_tools_use(folder, head):
    quote = "They met in Paris"
    example = only(asked(folder, f"\ufeff{head}\nWhere did they meet?,Paris,{quote}\n"))
    assert (example.query.text, example.references) == ("Where did they meet?", ("Paris",))
    assert example.evidence == (Span("Handbook.md", 36, 36 + len(quote)),)
    told = notes(asked(folder, f"{head}\nWhere did they meet?,Paris,{quote}\n"))
    assert ': answers, such as "Paris".' in told
    assert f': evidence, such as "{quote}".' in told


@pytest.mark.parametrize(
    ("head", "named", "found"),
    [
        ("Source document", "Handbook.md", "Handbook.md"),
        ("source_file", "sub/mill.txt", "sub/mill.txt"),
        ("file", "mill.txt", "sub/mill.txt"),
        ("doc_id", "HANDBOOK.MD", "Handbook.md"),
        ("source", "handbook", "Handbook.md"),
        ("Dokument", "Staff handbook", "Handbook.md"),
        ("url", "https://intra.example/docs/Handbook.md?x=1", "Handbook.md"),
        ("File Path", r".\sub\mill.txt", "sub/mill.txt"),
    ],
)
def test_documents_by_the_names_that_people_use(folder, head, named, found):
    example = only(asked(folder, f"question,answer,{head}\nWhat?,x,{named}\n"))
    assert [one.id for one in example.documents] == [found]


def test_a_source_that_names_no_document_is_a_tag_and_told(folder):
    data = asked(folder, "question,answer,source\nWhat?,x,written by hand\n")
    assert only(data).tags["source"] == "written by hand"
    assert "column 'source': a tag, such as \"written by hand\"" in notes(data)
    both = asked(folder, "question,answer,source\nWhat?,x,Handbook.md\nWhy?,y,Handbok.md\n")
    assert "no document has the id 'Handbok.md'. Nearest: Handbook.md." in refusal(both)
    several = asked(folder, "question,answer,documents\nWhat?,x,Handbook.md; mill.txt\n")
    assert 'Set `separator: ";"` for several' in refusal(several)


@pytest.mark.parametrize(
    ("head", "row", "said"),
    [
        ("question,answer,ground_truth", "q,x,y", 'columns: {answers: "ground_truth"}'),
        ("question,Answer,answers", "q,x,y", "the columns 'Answer' and 'answers' both hold answers"),
        ("question,query,answer", "q,x,y", "the columns 'question' and 'query' both hold question"),
        ("question,answer,file,path", "q,x,mill.txt,mill.txt", "the columns 'file' and 'path' both hold documents"),
        ("question,answer,id,qid", "q,x,1,2", "the columns 'id' and 'qid' both hold id"),
        ("question,answer,answer", "q,x,y", "the head line has the column 'answer' twice"),
    ],
)
def test_two_columns_for_one_field_are_refused_by_name(folder, head, row, said):
    assert said in refusal(asked(folder, f"{head}\n{row}\n"))


def test_the_settings_say_which_column_is_which(folder):
    text = "question,answer,ground_truth,Soll\nWhere?,Rome,Paris,Lyon\n"
    data = asked(folder, text, columns={"answers": "ground truth"})
    assert only(data).references == ("Paris",)
    assert only(data).tags["answer"] == "Rome"
    assert only(asked(folder, text, columns={"answers": ("ground_truth", "Soll")})).references == ("Paris", "Lyon")
    assert "columns.answers: no column 'Sol'. Known: question, answer, ground_truth, Soll. Nearest: Soll." in refusal(
        asked(folder, text, columns={"answers": "Sol"})
    )
    plain = Folder(path=str(folder), questions="questions.csv")
    assert plain.key != data.key
    assert "columns" not in plain.key_facts()["fields"]  # stored results of older versions are still found


@pytest.mark.parametrize("head", ["Soll-Antwort", "Gold text", "expected result", "Truth", "responses expected"])
def test_no_column_becomes_a_tag_in_silence_when_no_answers_are_left(folder, head):
    message = refusal(asked(folder, f"question,{head}\nWhere?,Paris\n"))
    assert f"the column '{head}' is only a tag" in message
    assert f'columns: {{answers: "{head}"}}' in message
    data = asked(folder, f"question,{head}\nWhere?,Paris\n", columns={"tags": (head,)})
    assert only(data).references == ()
    assert "no question has an answer to compare with" in notes(data)


def test_what_a_system_said_is_no_reference(folder):
    data = asked(folder, "input,actual_output,expected_output,retrieval_context\nWhere?,Rome,Paris,\"['x']\"\n")
    assert only(data).references == ("Paris",)
    assert only(data).evidence == ()
    assert "column 'actual_output': what a system said or retrieved" in notes(data)
    bare = asked(folder, "question,response\nWhere?,Rome\n")
    assert only(bare).references == ()
    assert "no question has an answer to compare with" in notes(bare)


@pytest.mark.parametrize(
    "cell",
    ["['Paris', 'Lyon']", "['Paris' 'Lyon']", '["Paris", "Lyon"]', "array(['Paris', 'Lyon'], dtype=object)",
     "{'text': ['Paris', 'Lyon'], 'answer_start': [3, 9]}", "{'text': array(['Paris', 'Lyon'], dtype=object)}",
     "{'value': 'Paris', 'aliases': ['Lyon', 'Paris']}"],
)  # fmt: skip
def test_lists_in_cells(folder, cell):
    data = asked(folder, pd.DataFrame({"question": ["Where?"], "answers": [cell]}))
    assert only(data).references == ("Paris", "Lyon")
    assert "'answers': 1 cell read as lists." in notes(data)


@pytest.mark.parametrize("cell", ["['Paris', 'Lyo", "['a' 'b' ... 'z']", "[“Paris”, “Lyon”]"])
def test_lists_that_cannot_be_read_are_told_by_line(folder, cell):
    data = asked(folder, pd.DataFrame({"question": ["Who?", "Where?"], "answers": ["[sic] him", cell]}))
    message = refusal(data)
    assert "line 3: 'answers' looks like a list, but " in message
    assert 'Write it as JSON, such as ["one", "two"].' in message


def test_bars_separate_only_where_the_settings_say_so(folder):
    text = "question,answers\nWhere?,Paris|Lyon\n"
    assert only(asked(folder, text)).references == ("Paris|Lyon",)
    assert "'answers': 1 cell with '|', each one text. Set `separator: \"|\"`" in notes(asked(folder, text))
    assert only(asked(folder, text, separator="|")).references == ("Paris", "Lyon")
    assert only(asked(folder, text.replace("|", " ; "), separator=";")).references == ("Paris", "Lyon")
    listed = 'question,answers\nWhere?,"[""a|b"", ""c""]"\n'
    assert only(asked(folder, listed, separator="|")).references == ("a|b", "c")
    options = asked(folder, "question,options,answer\nWhich?,rye|oats,A\n")
    assert "'options' gives one option only: 'rye|oats'. If it holds several, set `separator: \"|\"`." in refusal(
        options
    )


def choice(folder, rows, head="question,options,answer_index", **fields):
    lines = [f'Which {n}?,"{options}",{index}' for n, (options, index) in enumerate(rows)]
    return asked(folder, "\n".join([head, *lines]) + "\n", **fields)


def test_indexes_count_from_0_and_may_be_floats_and_letters(folder):
    options = "['rye', 'oats', 'wheat']"
    right = [example.references[0] for example in choice(folder, [(options, 0), (options, "2.0"), (options, 1)]).load()]
    assert right == ["rye", "wheat", "oats"]
    right = [
        one.references[0] for one in choice(folder, [(options, "A"), (options, "(c)"), (options, "option b")]).load()
    ]
    assert right == ["rye", "wheat", "oats"]
    right = [one.references[0] for one in choice(folder, [(options, 1), (options, 3)], answer_index_from=1).load()]
    assert right == ["rye", "wheat"]


@pytest.mark.parametrize("name", ["answer_index", "label", "correct option", "answer"])
def test_indexes_that_count_from_1_are_refused_with_the_setting(folder, name):
    options = "['rye', 'oats', 'wheat']"
    head = f"question,choices,{name}"
    message = refusal(choice(folder, [(options, 1), (options, "3.0"), (options, 2)], head))
    assert f"'{name}' is never 0, and is once 3 of 3 options (line 3)" in message
    assert "answer_index_from: 1" in message
    unclear = choice(folder, [(options, 1), (options, 2)], head)
    assert [one.references[0] for one in unclear.load()] == ["oats", "wheat"]
    assert "is never 0 in 2 rows, and is read as counted from 0" in notes(unclear)
    below = choice(folder, [(options, 0), (options, 1)], head, answer_index_from=1)
    assert "line 2: " in refusal(below)


def test_letters_without_options_and_documents_called_none(folder):
    message = refusal(asked(folder, "question,correct_option\nWhich?,B\n"))
    assert "'correct_option' is B, the letter of an option, but the row has no options" in message
    data = asked(folder, "question,answer,documents,tag\nWhich?,None,None,x\n")
    assert (only(data).references, len(only(data).documents)) == (("None",), 2)
    assert "'documents': 1 cell of NaN or None, read as empty" in notes(data)


def test_options_in_columns_of_their_own(folder):
    example, other = asked(folder, "question,A,B,C,answer\nWhich?,rye,oats,,b\nAnd?,1,2,3,2\n").load()
    assert (example.query.choices, example.references) == (("rye", "oats"), ("oats",))
    assert other.references == ("2",)
    example = only(
        asked(folder, "question,option_1,option_2,correct\nWhich?,rye,oats,x\n", columns={"tags": ("correct",)})
    )
    assert example.query.choices == ("rye", "oats")
    arc = {"question": "Which?", "choices": {"text": ["rye", "oats"], "label": ["A", "B"]}, "answerKey": "B"}
    assert only(asked(folder, json.dumps(arc) + "\n", "arc.jsonl")).references == ("oats",)


@pytest.mark.parametrize(
    "row",
    [
        {"inputs": {"question": "Where?"}, "expectations": {"expected_response": "Paris"}},
        {"inputs": {"question": "Where?"}, "outputs": {"answer": "Paris"}},
        {"inputs": {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Where?"}]},
         "expectations": {"expected_response": "Paris"}},
        {"vars": {"question": "Where?"}, "__expected": "Paris"},
        {"question": "Where?", "answers": {"text": ["Paris"], "answer_start": [5]}, "is_impossible": False},
        {"request": "Where?", "expected_response": "Paris", "response": "Rome"},
        {"user_input": "Where?", "reference": "Paris", "retrieved_contexts": ["x"], "response": "Rome"},
    ],
)  # fmt: skip
def test_objects_in_columns(folder, row):
    example = only(asked(folder, json.dumps(row) + "\n", "asked.jsonl"))
    assert (example.query.text, example.references) == ("Where?", ("Paris",))
    text = {name: str(value) if isinstance(value, dict) else value for name, value in row.items()}
    example = only(asked(folder, pd.DataFrame([text])))
    assert (example.query.text, example.references) == ("Where?", ("Paris",))


@pytest.mark.parametrize(
    ("cell", "references"),
    [
        ("Paris", ("Paris",)),
        ("contains: Paris", ("Paris",)),
        ("icontains-any: Paris, Lyon", ("Paris", "Lyon")),
        ("similar(0.8): in Paris", ("in Paris",)),
        ("Note: it is Paris", ("Note: it is Paris",)),
        ("llm-rubric: names the city", ()),
        ("javascript: output.length < 9", ()),
    ],
)
def test_what_promptfoo_expects(folder, cell, references):
    data = asked(folder, pd.DataFrame({"query": ["Where?"], "__expected": [cell]}))
    assert only(data).references == references
    assert ("a rule of promptfoo that is no answer" in notes(data)) == (not references)


def test_empty_rows_and_cells_are_counted(folder):
    text = (
        "id,question,answers,documents\n1.0,Where?,Paris,mill.txt\n2.0,,Lyon,\n3.0,When?,nan,\n4.0,nan,x,\n5.0,Who?,None,\n"
        "6.0,where?,Rome,mill.txt\n"
    )
    found = asked(folder, text).load()
    assert [one.id for one in found] == ["1", "3", "5", "6"]
    assert found.skipped == {"row without a question": 2}
    told = "\n".join(found.notes)
    assert "'id': numbers with a decimal point, read as whole numbers" in told
    assert "'answers': 1 cell of NaN or None, read as empty" in told
    assert "answers that say none: 1 (line 6)" in told
    assert "rows without a question, left out: 2 (lines 3, 5)" in told
    assert "questions without an answer to compare with: 1 (line 4)" in told
    assert "questions that name no document, asked over all: 2 (lines 4, 6)" in told
    assert "questions asked again over the same documents: 1" in told
    assert "question '1' stands in line 2 already" in refusal(asked(folder, text.replace("3.0,", "1.0,")))


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "q.xlsx", "q.parquet", "q.jsonl", "q.json", "q_columns.json"])
def test_every_kind_of_file_says_the_same(folder, name):
    frame = pd.DataFrame(
        {
            "Question": ["Where?", "How many?"],
            "Expected answer": [["Paris", 'it\'s "Lyon"'], ["30"]],
            "theme": [1.0, None],
        }
    )
    if name == "q.json":
        frame.to_json(folder / name, orient="records")
    elif name == "q_columns.json":
        frame.to_json(folder / name)
    elif name == "q.jsonl":
        frame.to_json(folder / name, orient="records", lines=True)
    elif name == "q.tsv":
        frame.to_csv(folder / name, index=False, sep="\t")
    else:
        asked(folder, frame, name)
    first, second = Folder(path=str(folder), questions=name).load()
    assert (first.references, second.references) == (("Paris", 'it\'s "Lyon"'), ("30",))
    assert {document.id for document in first.documents} == {"Handbook.md", "sub/mill.txt"}
    assert "theme" not in second.tags


def test_files_as_excel_writes_them(folder):
    text = "sep=;\r\nFrage;Antwort\r\nWo?;Köln\r\n"
    assert only(asked(folder, text)).references == ("Köln",)
    assert only(asked(folder, text)).id == "q3"  # the line in the file
    (folder / "old.csv").write_bytes(text.encode("cp1252"))
    data = Folder(path=str(folder), questions="old.csv", exclude=("questions.csv",))
    assert only(data).references == ("Köln",)
    assert "not UTF-8, read as cp1252" in notes(data)
    (folder / "wide.csv").write_bytes("question\tanswer\nWo?\tKöln\n".encode("utf-16"))
    assert only(Folder(path=str(folder), questions="wide.csv", exclude=("*.csv",))).references == ("Köln",)
    long = "x" * 300_000
    assert only(asked(folder, f"question,answers,note\nWhat?,y,{long}\n")).tags["note"] == long
    commented = '# how to fill this in, "with quotes"\n\n"question","answer, in full"\nWo?,"Köln, Bonn"\n'
    data = asked(folder, commented, columns={"answers": "answer, in full"})
    assert only(data).references == ("Köln, Bonn",)


def test_sheets_of_a_workbook(folder):
    with pd.ExcelWriter(folder / "q.xlsx") as book:
        pd.DataFrame({"notes": ["x"]}).to_excel(book, sheet_name="About", index=False)
        pd.DataFrame({"question": ["Where?"], "answer": [30.0]}).to_excel(book, sheet_name="Asked", index=False)
    data = Folder(path=str(folder), questions="q.xlsx")
    assert only(data).references == ("30",)
    assert "read from the sheet 'Asked', one of 2" in notes(data)
    with pd.ExcelWriter(folder / "q.xlsx") as book:
        for name in ("One", "Two"):
            pd.DataFrame({"question": ["Where?"], "answer": ["x"]}).to_excel(book, sheet_name=name, index=False)
    assert "the sheets 'One', 'Two' all look like tables" in refusal(data)
    book = openpyxl.Workbook()
    for cells in (["question", "answer"], ["Where?", "=1+1"]):
        book.active.append(cells)
    book.save(folder / "q.xlsx")
    assert "'answer' is a formula without a stored value" in refusal(data)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("q.xls", "Save it as .xlsx or .csv"),
        ("q.ods", "Save it as .xlsx or .csv"),
        ("q.docx", "Save it as .csv or .xlsx"),
        ("q.pkl", "Save it as .parquet or .csv"),
        ("q.xlsx", "cannot be read as .xlsx"),
        ("q.parquet", "cannot be read as Parquet"),
        ("q.json", "is not JSON"),
    ],
)
def test_other_files_are_refused_with_what_to_do(folder, name, said):
    (folder / name).write_bytes(b"nothing of the kind")
    assert said in refusal(Folder(path=str(folder), questions=name))


@pytest.mark.parametrize("written", ["./tables/q[1].csv", "tables/q[1].csv"])
def test_the_table_is_never_a_document(folder, written):
    (folder / "tables").mkdir()
    (folder / "tables" / "q[1].csv").write_text("question,answer\nWhere?,Paris\n")
    data = Folder(path=str(folder), questions=written)
    assert {one.id for one in only(data).documents} == {"Handbook.md", "sub/mill.txt"}
    (folder / "more.csv").write_text("Frage,Antwort\nWo?,Paris\n")
    assert "more.csv is read as a document, and looks like a table of questions" in notes(data)


def test_what_was_read_is_in_check_run_and_report(folder, tmp_path):
    data = asked(folder, "Question,Expected answer,theme\nWhere?,Paris,x\n")
    found = checked(data)
    line = "questions.csv: column 'Expected answer': answers, such as \"Paris\"."
    assert line in found.notes
    assert "How the questions were read:" in found.renderables()
    pipelines = {"full": {"generators": {"main": {"kind": "scripted"}}, "routes": {"full": "full_context"}}}
    spec = {"name": "x", "dataset": data.spec(), "pipelines": pipelines, "metrics": ["contains"], "tracker": "none"}
    with ScriptedPool(FunctionEngine(lambda _: "Paris"), tmp_path / "cache") as pool:
        results = run_sweep(Sweep.model_validate(spec), tmp_path / "runs", pool=pool).results()
    assert line in results.cells[0].facts["notes"]
    from ragvlc.analysis.report import terminal_report

    assert f"- {line}" in terminal_report(results)
    from ragvlc.analysis.page import html_page

    assert "How the questions were read" in html_page(results)


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("title", ["Questions", "Quiz 2024", "Quiz, 2024", "Stand: 2024-05-01; final"])
def test_titles_above_the_head_and_repeated_heads_are_left_out_and_said(folder, title, mark):
    lines = ["Frage{}Antwort", "Wo?{}Paris", "frage{}antwort", "Wer?{}Anna"]
    found = asked(folder, "\n".join([f'"{title}"', "", *(one.format(mark) for one in lines)]) + "\n").load()
    assert [(one.id, one.references) for one in found] == [("q4", ("Paris",)), ("q6", ("Anna",))]
    told = "\n".join(found.notes)
    assert f"the head is line 3; what is above it is not read ({title})." in told
    assert "the head is repeated in line 5: left out." in told


def test_a_first_line_without_known_names_stays_the_head_where_the_settings_name_it(folder):
    fields = {"columns": {"question": "Quiz", "answers": "Sol"}}
    found = asked(folder, "Quiz,Sol\nquestion,x\nWho?,answer\n", **fields).load()
    assert [one.query.text for one in found] == ["question", "Who?"]


def test_a_workbook_with_a_title_a_percentage_and_rows_of_formulas(folder):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Our quiz"], ["Question", "Answer"], ["How much?", 0.28]):
        sheet.append(row)
    sheet["B3"].number_format = "0%"
    sheet.merge_cells("A1:D1")
    book.save(folder / "q.xlsx")
    data = Folder(path=str(folder), questions="q.xlsx")
    assert data.load()[0].references == ("28 %",)
    sheet.append(["=A3", "=B3"])
    book.save(folder / "q.xlsx")
    assert "row 4: 'Question' is a formula without a stored value" in refusal(data)


def test_answers_that_became_floats_are_whole_numbers_again(folder):
    found = asked(folder, "question,answers\nWhen?,1707.0\nWhy?,\nHow many?,-3.0\n").load()
    assert [one.references for one in found] == [("1707",), (), ("-3",)]
    assert "'answers': numbers with a decimal point, read as whole numbers." in "\n".join(found.notes)
    found = asked(folder, "question,answers\nWhich version?,3.0\nWhich other?,2.7\n").load()
    assert [one.references for one in found] == [("3.0",), ("2.7",)]


def test_a_tag_that_names_documents_is_said(folder):
    assert "'Beleg-Datei' is only a tag, and its cells name documents" in notes(
        asked(folder, "question,answers,Beleg-Datei\nWhere?,Paris,mill.txt\n")
    )
    message = refusal(asked(folder, "question,answers,source\nWhere?,Paris,mill.txt; other.txt\n"))
    assert "no document has the id 'mill.txt; other.txt'" in message
