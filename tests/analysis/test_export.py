"""Exported results: tables that compile and read as written, data that loads again, figures that open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import analysis_things as things
import pandas as pd
import pytest
from command_line import Cli
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis.export.latex import escaped, latex_table
from ragvlc.analysis.export.markdown import markdown_table
from ragvlc.analysis.results import Results
from ragvlc.analysis.tables import Entry, Table
from ragvlc.core.errors import ConfigError

NASTY = "a_b & 50% #1 $x$ {y} \\input{/etc/passwd} ~ ^ < > | ` ' \" [z] * -- fi\n"
RULES = (
    r"\IfFileExists{booktabs.sty}{\usepackage{booktabs}}"  # Debian has it in another package than LaTeX
    r"{\let\toprule\hline\let\midrule\hline\let\bottomrule\hline}"
)
LETTERS = "".join(chr(one) for one in range(0xA0, 0x180)) + "’“”–—…≥×中文ёλ🙂\u202e\x1b[31m"


def small(folder: Path) -> Results:
    """Writes two cells of which one is better, one question failed, and lengths are settings."""
    right = [row(f"q{n}", {"m": 1.0, "f": 0.5}) for n in range(9)]
    wrong = [row(f"q{n}", {"m": float(n < 4), "f": 0.25}) for n in range(8)]
    cells = [
        cell("full", [*wrong, failed("q8", {"m": 0.0, "f": 0.0})], settings={"routes.rag.chunker.size": 64}),
        cell("rag size=128", right, settings={"routes.rag.chunker.size": 128}, pipeline="rag"),
    ]
    return write(folder, [example(f"q{n}") for n in range(9)], cells, metrics=("m", "f"), baseline="full")


def compiled(folder: Path, *tables: str) -> str:
    """Compiles tables with pdflatex; returns its log."""
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no LaTeX here: apt-get install texlive-latex-base")
    body = "\n".join(tables)
    page = f"\\documentclass{{article}}{RULES}\\begin{{document}}\\listoftables\n{body}\\end{{document}}"
    (folder / "page.tex").write_text(page, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    for _ in range(2):  # the list of tables reads what the first run wrote
        found = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    said = found.stdout.decode("utf-8", "replace")
    assert found.returncode == 0, said[-3000:]
    assert (folder / "page.pdf").stat().st_size > 1000
    return said


def test_the_best_is_bold_and_intervals_are_beside_the_figures(tmp_path: Path) -> None:
    results = small(tmp_path)
    results.export(to=["latex", "markdown"], columns=["m", "difference", "p", "size", "failed"])
    text = (tmp_path / "export/tables/comparison.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "rule" not in line]
    assert rows[0].split(" & ") == [
        "    ",
        "{m}",
        r"{\shortstack[r]{difference \\ to full}}",
        "{p}",
        "{size}",
        "{failed} \\\\",
    ]
    assert rows[1].startswith(r"    full & 0.44 {\footnotesize {[}0.")
    assert rows[2].startswith(r"    rag size=128 & \textbf{1.00} {\footnotesize {[}0.")
    assert "+0.56 {\\footnotesize {[}" in rows[2]
    assert rows[1].endswith(r"& 64 & 1 \\")
    assert "95 \\% interval" in text
    assert "failed" not in text.partition("bottomrule")[2]
    lines = (tmp_path / "export/tables/comparison.md").read_text().splitlines()
    assert lines[2] == "|  | m | difference to full | p | size | failed |"
    assert lines[5].startswith("| rag size=128 | **1.00** ")


def test_losses_that_are_no_columns_are_named_below(tmp_path: Path) -> None:
    results = small(tmp_path)
    results.export(to=["latex"], columns=["m"])
    text = (tmp_path / "export/tables/comparison.tex").read_text()
    assert "Counted over all cells and not shown: failed 1." in text


def test_latex_of_hostile_results_compiles_and_obeys_nothing(tmp_path: Path) -> None:
    results = things.hostile(tmp_path)
    results.export(to=["latex"])
    texts = [path.read_text("utf-8") for path in sorted((tmp_path / "export/tables").glob("*.tex"))]
    assert len(texts) >= 4
    compiled(tmp_path, *texts)


@pytest.mark.parametrize("text", [NASTY, LETTERS, "[a", "*a", "\\\\[2cm]", "\ufeff中", "%\\end{table}"])
def test_any_text_compiles_as_name_head_title_note_and_word(tmp_path: Path, text: str) -> None:
    table = Table(text, (text, "b"), ((text, (Entry(word=text), Entry(-0.5, -1.0, 0.0, 2))),) * 2, text)
    compiled(tmp_path, latex_table(table, "t", text))


def test_what_pdflatex_shows_is_the_text(tmp_path: Path) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pypdf = pytest.importorskip("pypdf")
    text = "a_b & 50% #1 $x$ {y} \\z ~ ^ < > | [w] -- 中"
    compiled(tmp_path, latex_table(Table(text, (), (), ""), "t", "s").replace(r"\centering\small", r"\small"))
    if reader is None:
        found = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "page.pdf").pages)
    else:
        found = subprocess.run([reader, "page.pdf", "-"], cwd=tmp_path, capture_output=True, check=True).stdout.decode()
    shown = re.sub(r"\s", "", found)
    for part in ("b&50%#1$x$", "{y}\\z", "[w]--", "[U+4E2D]"):
        assert part in shown, shown


def test_minus_signs_are_no_hyphens_and_letters_keep_their_accents() -> None:
    table = Table("t", ("a",), (("-n", (Entry(-0.25, -0.5, 0.1, 2, "+"),)),), "")
    assert r"{-}n & $-$0.25 {\footnotesize {[}$-$0.50, +0.10{]}}" in latex_table(table, "t", "s")
    assert escaped("é ï ß 中") == r"\'{e} " + r"\"{\i} \ss{} \ragvlcchar{中}{4E2D}"


def test_markdown_has_one_row_a_cell_whatever_its_name() -> None:
    name = "a | b\n<script>alert(1)</script> [x](http://y) **z** `c`"
    text = markdown_table(Table(name, (name,), ((name, (Entry(word=name),)),), name))
    title, _, *grid = text.splitlines()
    assert title.startswith("### a \\| b \\<script\\>")
    assert len(grid) == 5
    assert len(re.findall(r"(?<!\\)\|", grid[2])) == 3
    assert not re.search(r"(?<!\\)[<*`\[]", text)


def test_data_loads_again_with_the_figures_of_the_results(tmp_path: Path) -> None:
    results = things.hostile(tmp_path)
    results.export(to=["csv", "parquet"], columns=["m", "size", "selector"])
    folder = tmp_path / "export/data"
    for read in (
        lambda name: pd.read_csv(folder / f"{name}.csv"),
        lambda name: pd.read_parquet(folder / f"{name}.parquet"),
    ):
        cells, answers, chosen = read("cells"), read("answers"), read("comparison")
        assert list(cells["cell"]) == [one.name for one in results.cells]
        assert list(cells["m"].round(6)) == [round(one.mean("m"), 6) for one in results.cells]
        assert len(answers) == sum(len(one.rows) for one in results.cells)
        assert things.HOSTILE in answers["question"][0]
        assert json.loads(answers["references"][0]) == [f"right {things.HOSTILE}"]
        assert len(read("differences")) == 2 * (len(results.cells) - 1)
        assert list(chosen.columns) == ["cell", "pipeline", "complete", "m", "m_low", "m_high", "size", "selector"]
        assert json.loads(chosen["selector"][1]) == {"kind": "top_k", "k": 2}


def test_another_baseline_changes_table_and_data_and_a_single_cell_has_no_differences(tmp_path: Path) -> None:
    small(tmp_path).export(to=["csv", "latex"], baseline="rag", columns=["m", "difference"])
    found = pd.read_csv(tmp_path / "export/data/differences.csv")
    assert list(found["baseline"]) == ["rag size=128"] * 2
    assert found["difference"][0] == pytest.approx(-5 / 9)
    assert "to rag size=128" in (tmp_path / "export/tables/comparison.tex").read_text()
    alone = write(tmp_path / "alone", [example("q")], [cell("a", [row("q", {"m": 1.0})])])
    alone.export(to=["csv", "parquet"])
    assert list(pd.read_parquet(tmp_path / "alone/export/data/differences.parquet")["cell"]) == []


def test_a_column_of_numbers_and_words_is_of_words(tmp_path: Path) -> None:
    cells = [
        cell("a", [row("q", {"m": 1.0})], settings={"k": 4}),
        cell("b", [row("q", {"m": 1.0})], settings={"k": "all"}),
    ]
    write(tmp_path, [example("q")], cells).export(to=["parquet"])
    assert list(pd.read_parquet(tmp_path / "export/data/cells.parquet")["k"]) == ["4", "all"]


def test_every_figure_is_written_in_three_formats(tmp_path: Path) -> None:
    results = small(tmp_path)
    written = {one.path.name for one in results.export(to=["figures"], columns=["f"])}
    names = {name.replace("_", "-") for name in results.figures("f")}
    assert written == {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "png")}
    folder = tmp_path / "export/figures"
    for name in names:
        assert (folder / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
        assert (folder / f"{name}.png").read_bytes()[1:4] == b"PNG"
        svg = (folder / f"{name}.svg").read_text("utf-8")
        assert "<svg" in svg
        assert "<script" not in svg


def test_the_same_results_give_the_same_files(tmp_path: Path) -> None:
    results = small(tmp_path)
    one, other = ({p.path.name: p.path.read_bytes() for p in results.export(tmp_path / name)} for name in ("a", "b"))
    assert one == other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"to": ["word"]}, "--to word: is no format. Known: latex, markdown"),
        ({"to": ["latx"]}, "Nearest: latex."),
        ({"columns": ["mm"]}, "--columns: 'mm' is no column. Known: m, f, "),
        ({"baseline": "nobody"}, "is called 'nobody'"),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(tmp_path: Path, words: dict, said: str) -> None:
    results = small(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(said)):
        results.export(**words)
    assert not (tmp_path / "export").exists()


def test_the_command_lists_what_it_wrote(ragvlc: Cli, tmp_path: Path) -> None:
    small(tmp_path / "runs/own")
    done = ragvlc("export", "own", "--columns", "m, difference", "--to", "latex", "--to", "csv")
    assert done.code == 0, done.err
    assert "runs/own/export/tables/comparison.tex: Comparison: 2 rows, 2 columns" in done.out
    for line in done.out.splitlines():
        assert Path(line.split(":")[0]).is_file()
    done = ragvlc("export", "own", "--to", "pdf")
    assert done.code == 2
    assert done.err.count("error:") == 1
    assert ragvlc("export", "nothing").code == 2


def test_formats_and_columns_may_be_one_word(tmp_path: Path) -> None:
    written = small(tmp_path).export(to="latex", columns="m")
    assert {one.path.suffix for one in written} == {".tex"}
    assert "1 column" in written[0].words
    assert "1 columns" not in written[0].words


def test_options_take_commas_and_refuse_nothing(tmp_path: Path, ragvlc: Cli) -> None:
    small(tmp_path / "runs/hand")
    done = ragvlc("export", "hand", "--to", "latex,csv", "--to", "markdown")
    assert done.code == 0, done
    assert {path.suffix for path in (tmp_path / "runs/hand/export").rglob("*.*")} == {".tex", ".csv", ".md"}
    for words in (("--to", ","), ("--columns", " ,")):
        done = ragvlc("export", "hand", *words)
        assert done.code == 2
        assert f"{words[0]} '{words[1]}': names nothing" in done.err
