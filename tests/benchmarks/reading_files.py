"""How well files are read: PDF readers on ten PDFs made for the purpose, and each of our readers on thirty files.

    .venv/bin/python tests/benchmarks/reading_files.py                 (make bench) both tables, as in docs/files.md
    .venv/bin/python tests/benchmarks/reading_files.py FOLDER          one's own PDFs, against Debian's pdftotext

Truths are the texts that the files were made of. Readers that are not installed are left out of the table:
`pip install pdfplumber` brings two, `apt-get install poppler-utils` another.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import logging
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "documents"))

from _figures import record
from rapidfuzz.distance import LCSseq
from ten_pdfs import Made, ten_pdfs
from thirty_files import thirty_files

from ragvlc.documents.balance import balanced
from ragvlc.documents.extraction import Unreadable, extract, kind_of
from ragvlc.documents.formats.found import visible

REPEATS = 5


def pypdf(data: bytes) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def pypdf_layout(data: bytes) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text(extraction_mode="layout") for page in PdfReader(io.BytesIO(data)).pages)


def pypdfium2(data: bytes) -> str:
    import pypdfium2

    return "\n\n".join(page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(data))


def pdfplumber(data: bytes) -> str:
    import pdfplumber

    with pdfplumber.open(io.BytesIO(data)) as pdf:
        return "\n\n".join(page.extract_text() for page in pdf.pages)


def pdfminer(data: bytes) -> str:
    from pdfminer.high_level import extract_text

    return extract_text(io.BytesIO(data))


def pdftotext(data: bytes) -> str:
    done = subprocess.run(["pdftotext", "-q", "-", "-"], input=data, capture_output=True, check=True)
    return done.stdout.decode()


def ours(data: bytes) -> str:
    return extract("pdf", data).text


def readers() -> Mapping[str, Callable[[bytes], str]]:
    """Returns the readers that are installed, by what the table calls them."""
    found: dict[str, Callable[[bytes], str]] = {"pypdf": pypdf, "pypdf, layout": pypdf_layout, "pypdfium2": pypdfium2}
    if importlib.util.find_spec("pdfplumber"):
        found |= {"pdfplumber": pdfplumber, "pdfminer.six": pdfminer}
    if shutil.which("pdftotext"):
        found["pdftotext"] = pdftotext
    return {**found, "ragvlc": ours}


def in_order(truth: str, text: str) -> float:
    """Returns the share of words that two texts have in common, in the same order; bars of tables aside."""
    first, second = ([word for word in one.split() if word != "|"][:6000] for one in (truth, text))
    return 2 * LCSseq.similarity(first, second) / max(1, len(first) + len(second))


def said(read: Callable[[bytes], str], made: Made) -> str:
    """Returns a cell of the table: words in order, or what happened instead."""
    try:
        text = read(made.data)
    except Unreadable as error:
        return f"'{error}'"
    except Exception as error:  # noqa: BLE001 - what a library raises is the finding
        return type(error).__name__
    rows = [row for row in made.rows if "| " + " | ".join(row) + " |" in text]
    return f"{in_order(made.text, text):.2f}" + (f", rows {len(rows)}/{len(made.rows)}" if made.rows else "")


def pdf_table() -> None:
    """Prints the readers of PDF files on ten of them."""
    pdfs, known = ten_pdfs(), readers()
    print("| | " + " | ".join(known) + " |\n| --- |" + " --- |" * len(known))
    for name, made in pdfs.items():
        print(f"| {name} | " + " | ".join(said(read, made) for read in known.values()) + " |")
    seconds: dict[str, list[float]] = {name: [] for name in known}
    for _ in range(REPEATS):
        for name, read in known.items():
            begun = time.perf_counter()
            for made in pdfs.values():
                if not made.locked:
                    read(made.data)
            seconds[name].append((time.perf_counter() - begun) / (len(pdfs) - 1))
    print("| milliseconds a file | " + " | ".join(f"{1000 * min(one):.0f}" for one in seconds.values()) + " |")
    for name, others in seconds.items():
        if name != "ragvlc":
            ratios = [other / mine for other, mine in zip(others, seconds["ragvlc"], strict=True)]
            record(f"ten PDF files, against {name}", ratios)


def file_table() -> None:
    """Prints each of our readers on its files: against what went in, and against the second way of counting."""
    figures: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for file in thirty_files():
        kind = kind_of(file.name) or ""
        found = extract(kind, file.data)
        sheet = balanced(file.name, kind, found)
        wanted = visible(file.text)
        missing = sum((wanted - visible(found.text)).values())
        for place, figure in enumerate((1, sum(wanted.values()), missing, sheet.lost)):
            figures[kind][place] += figure
    print("\n| reader | files | characters that went in | missing | found missing by the second way |")
    print("| --- | --- | --- | --- | --- |")
    for kind, (count, wanted_characters, missing, lost) in sorted(figures.items()):
        print(f"| {kind} | {count} | {wanted_characters:,} | {missing} | {lost} |")


def own_files(folder: Path) -> None:
    """Prints how far readers agree with pdftotext on one's own PDFs."""
    for file in sorted(folder.glob("*.pdf")):
        data = file.read_bytes()
        try:
            truth = pdftotext(data)
        except subprocess.CalledProcessError:
            print(f"{file.name}: pdftotext cannot read it")
            continue
        cells = []
        for name, read in readers().items():
            try:
                cells.append(f"{name} {in_order(truth, read(data)):.2f}")
            except Exception as error:  # noqa: BLE001 - what a library raises is the finding
                cells.append(f"{name} {type(error).__name__}")
        print(f"{file.name}: {', '.join(cells)}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="one's own PDFs")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.folder:
        own_files(options.folder)
    else:
        pdf_table()
        file_table()


if __name__ == "__main__":
    main()
