"""What tests of data sets share: a vocabulary of words, and a writer of small PDF files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def word_model(tmp_path_factory) -> str:
    """A folder with a tokenizer of which every token is a word or a mark, whatever it is."""
    folder = tmp_path_factory.mktemp("words") / "model"
    folder.mkdir()
    state = {
        "version": "1.0",
        "added_tokens": [
            {"id": 1, "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    (folder / "config.json").write_text('{"max_position_embeddings": 300}', encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="session")
def write_pdf() -> Callable[..., None]:
    """Returns a function that writes a PDF with a line of text a page; a page of None has a picture's place only."""
    return _write_pdf


def _write_pdf(path: Path, *pages: str | None, title: str = "") -> None:
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for place, text in enumerate(pages):
        lines = [] if text is None else text.split("\n")
        shown = " T* ".join(f"({line.replace('(', '').replace(')', '')}) Tj" for line in lines)
        stream = f"BT /F1 11 Tf 14 TL 40 780 Td {shown} ET"
        page = "/Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        objects += [
            f"<< /Type /Page {page} /Contents {5 + 2 * place} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>" if title else "<< >>")
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    info = f"/Info {len(objects)} 0 R"
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n"
    tail += f"<< /Size {len(objects) + 1} /Root 1 0 R {info} >>\nstartxref\n{len(body)}\n%%EOF\n"
    path.write_bytes((body + tail).encode("latin-1"))
