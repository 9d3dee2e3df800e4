"""Citations: every work that a kind names has an entry with what is known of it, and exports name who cites it."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
import sweep_folders
from command_line import Cli
from sweep_folders import cell, example, row

from ragvlc.analysis.export.citations import citations, cited, known_works
from ragvlc.analysis.results import Results
from ragvlc.core.component import find_kind, known_kinds
from ragvlc.families import FAMILIES, Metric

KINDS = [(family, kind) for family in FAMILIES for kind in known_kinds(family)]
NO_AUTHORS = {"2605.10235"}
"""Works whose authors could not be confirmed."""
NAMED = re.compile(
    r"\bet al\.|\b(?:ICML|NeurIPS|EMNLP|SIGIR|ICLR|ACL) (?:19|20)\d\d|\b[A-Z][a-zé]+,? \(?(?:19|20)\d\d\)?[,:;)]"
)


def heads_of(family: str, kind: str) -> tuple[tuple[str, ...], str]:
    """Returns the works that a kind cites, and its head."""
    cls = find_kind(FAMILIES[family], kind)
    return cited(cls.model_construct()), sys.modules[cls.__module__].__doc__ or ""


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_every_work_that_a_kind_cites_has_an_entry(family: str, kind: str) -> None:
    works, head = heads_of(family, kind)
    assert [work for work in works if work not in known_works()] == []
    if NAMED.search(head):
        assert works, "the head names a paper, and neither its arXiv number, its DOI nor its address"


def test_entries_have_authors_title_year_and_where_to_find_them() -> None:
    keys = set()
    for work, entry in known_works().items():
        fields = dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))
        key = re.match(r"@(?:misc|article|inproceedings)\{([a-z0-9]+),\n", entry)
        assert key, entry
        keys.add(key[1])
        assert entry.count("{") == entry.count("}")
        assert fields["title"]
        assert ("author" in fields) is (work not in NO_AUTHORS), work
        if work in NO_AUTHORS:
            continue
        for name in fields["author"].split(" and "):
            assert name == "others" or re.match(r".+, .+", name), name
        if "eprint" in fields:
            assert fields["archivePrefix"] == "arXiv"
            assert fields["year"] == f"20{fields['eprint'][:2]}"
            assert fields["url"].endswith(fields["eprint"])
        else:
            assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    assert len(keys) == len(known_works())


def test_first_authors_are_those_that_the_heads_name() -> None:
    """A head that says `Li et al. 2025, ... arXiv 2502.09977` and the entry of 2502.09977 agree."""
    checked = 0
    for family, kind in KINDS:
        _, head = heads_of(family, kind)
        for author, number in re.findall(r"([A-Z]\w+) et al\.\s+\(?\d{4}[^.;]{0,3}\s*arXiv\s+(\d{4}\.\d{5})", head):
            found = re.search(r"author += \{([^,]+),", known_works()[number])
            assert found
            assert author in found[1].replace("{\\'e}", "é"), (family, kind, number)
            checked += 1
    assert checked >= 15


def stored(folder: Path, pipeline: str, metrics: str = "") -> Results:
    """Writes results whose cell has this pipeline."""
    found = sweep_folders.write(folder, [example("q")], [cell("a", [row("q", {"m": 1.0})])])
    key = found.cells[0].facts["key"]
    (folder / key).mkdir(exist_ok=True)
    (folder / key / "resolved.yaml").write_text(pipeline)
    (folder / "sweep.yaml").write_text(f"name: x\nmetrics: {metrics or '[]'}\n")
    return Results.load(folder)


RAG = """
pipeline:
  generators: {main: {kind: scripted}}
  routes: {rag: {kind: retrieve, retriever: bm25, order: edges_best_last}}
  router: always
dataset: {kind: passkey, pad_to_tokens: 100}
"""


def test_what_took_part_is_cited_with_the_parts_that_cite_it(tmp_path: Path) -> None:
    found = citations(stored(tmp_path, RAG, "[{kind: ndcg, k: 3}, {kind: information_loss, of: token_f1}]"))
    assert found.unread == ()
    assert found.works["2005.11401"] == ("routes.retrieve",)
    assert found.works["2410.05983"] == ("routes.retrieve", "orders.edges_best_last")
    assert "retrievers.bm25" in found.works["10.1561/1500000019"]
    assert found.works["1805.01597"] == ("metrics.ndcg",)
    assert found.works["1806.03822"] == ("metrics.token_f1",)
    assert found.works["2404.06654"] == ("datasets.passkey",)
    assert "2406.02818" in found.works
    assert "2404.10136" not in found.works
    assert found.bibtex.count("\n@") == len(found.works)
    assert "% routes.retrieve, orders.edges_best_last\n@misc{jin2024order," in found.bibtex


def test_works_of_own_kinds_are_cited_by_number_and_said_to_be_unknown(tmp_path: Path) -> None:
    module = types.ModuleType("own_cited", "Own: after Doe 2031, arXiv 3101.00001, and https://example.org/paper.\n")
    module.__dict__["Metric"] = Metric
    exec("class Own(Metric):\n    def score(self, answer, example, run):\n        return 1.0\n", module.__dict__)
    sys.modules["own_cited"] = module
    try:
        found = citations(stored(tmp_path, RAG, "['own_cited:Own']"))
    finally:
        del sys.modules["own_cited"]
    assert found.unknown == ("3101.00001", "https://example.org/paper")
    assert "  eprint = {3101.00001}" in found.bibtex
    assert found.bibtex.count("% title and authors: not known here") == 2


def test_what_cannot_be_read_here_is_said(tmp_path: Path, ragvlc: Cli) -> None:
    found = citations(stored(tmp_path / "runs/own", RAG.replace("bm25", "nowhere:Else"), "[token_f1]"))
    assert len(found.unread) == 1
    assert found.unread[0].startswith("pipeline of a (")
    assert "% not known, as it cannot be read here: pipeline of a (" in found.bibtex
    done = ragvlc("export", "own", "--to", "citations")
    assert done.code == 0
    assert "1 part could not be read" in done.out
