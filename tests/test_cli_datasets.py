"""`ragvlc datasets`: the benchmarks that load by name, in short and in detail."""

from __future__ import annotations

from ragvlc.documents.released import releases


def test_all_are_listed_with_what_was_tried(ragvlc):
    said = ragvlc("datasets")
    assert said.code == 0
    for kind, release in releases().items():
        assert f"{kind}  {release.title}; " in said.out
        assert release.citation in said.out
    assert "by form only" in said.out
    assert "real files: 18 of the 20 sets" in said.out


def test_one_is_shown_with_its_files_and_how_to_read_it(ragvlc):
    said = ragvlc("datasets", "longbench")
    assert "packed in data.zip" in said.out
    assert "official cut      middle of the whole prompt" in said.out
    assert "data/{subset}.jsonl (size not known): 21 sets, 4,750 records together" in said.out
    assert "dataset: {kind: longbench, path: FOLDER}" in said.out


def test_an_unknown_one_is_answered_with_the_nearest(ragvlc):
    said = ragvlc("datasets", "longbensh")
    assert (said.code, said.out) == (2, "")
    assert "Nearest: longbench." in said.err
