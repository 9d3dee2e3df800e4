"""SORT: released pairs as tables and Parquet, and pairs drawn from books."""

from __future__ import annotations

import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.datasets._sort_pairs import body_of, distance_bins, pairs_of
from ragvlc.datasets.sort import Sort
from tests.released_files import RELEASED

BOOK = " ".join(f"Word{number}{'.' if number % 9 == 8 else ''}" for number in range(3000))


def texts(example):
    document = example.documents[0].text
    return [document[span.start : span.end] for span in example.evidence]


def test_released_pairs_are_joined_with_their_excerpts(tmp_path):
    [one] = Sort(path=str(tmp_path), **RELEASED["sort"](tmp_path), prompts="official").load()
    assert one.query.choices[1] == one.references[0]
    assert one.query.choices[1].startswith("Word10 ")
    assert (one.tags["answer"], one.tags["distance"], one.tags["distance_bin"]) == ("B", 40, 62)
    assert texts(one) == [one.query.choices[1], one.query.choices[0]]
    official = one.query.official
    assert official.fields["title"] == "The Tower"
    assert (official.lead, official.max_tokens, official.cut) == ("Answer: Segment", 1, "")
    assert official.template.endswith("Which of these, A or B, was first in the book {title}?")


def test_parquet_holds_the_same_pairs(tmp_path):
    from pyarrow import Table, parquet

    [table] = Sort(path=str(tmp_path), **RELEASED["sort"](tmp_path)).load()
    row = {
        "book_idx": 69087,
        "excerpt_idx": 0,
        "segment_1": table.references[0],
        "segment_2": table.query.choices[0],
        "seg1_pos": 10,
        "seg2_pos": 50,
        "distance_bin": 62,
        "present_seg1_first": 0,
        "book_title": "The Tower",
        "excerpt_text": table.documents[0].text,
    }
    (tmp_path / "data").mkdir()
    parquet.write_table(
        Table.from_pylist([row, {**row, "excerpt_idx": 100}]), tmp_path / "data" / "test_e250_s20.parquet"
    )
    [one] = Sort(path=str(tmp_path), excerpt_words=250).load()
    assert one == table
    (tmp_path / "data" / "test_e250_s20.parquet").write_text("no table")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        Sort(path=str(tmp_path), excerpt_words=250).load()


def test_pairs_are_drawn_from_books_with_both_labels_and_all_distances(tmp_path):
    gutenberg = (
        f"Title\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{BOOK}\n*** END OF THE PROJECT GUTENBERG EBOOK X ***"
    )
    (tmp_path / "1.txt").write_text(gutenberg)
    (tmp_path / "2.txt").write_text("Too short. " * 50)
    examples = Sort(books=str(tmp_path), excerpt_words=500, pairs=4).load()
    assert len(examples) == 16
    assert examples.skipped == {"pair that a book is too short for": 16}
    assert [one.tags["answer"] for one in examples].count("A") == 8
    assert {one.tags["distance_bin"] for one in examples} == {125, 166, 250, 400}
    for one in examples:
        assert 0 < one.tags["distance"] <= one.tags["distance_bin"]
        assert texts(one)[0] == one.references[0] == one.query.choices["AB".index(one.tags["answer"])]
        assert all(len(segment.split()) == 20 for segment in one.query.choices)
    other = Sort(books=str(tmp_path), excerpt_words=500, pairs=4, pair_seed=1).load()
    assert [one.documents for one in other] != [one.documents for one in examples]


def test_bins_are_those_of_booksort():
    assert distance_bins(250, 20) == [(20, 62), (62, 83), (83, 125), (125, 200)]
    assert distance_bins(20000, 50) == [(50, 1000), (1000, 5000), (5000, 10000), (10000, 16000)]


def test_a_book_without_sentences_gives_no_pairs():
    assert list(pairs_of(["word"] * 1000, (250, 20), 3, "s")) == []
    assert body_of("no marks") == "no marks"


def test_a_folder_without_books_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no \.txt files"):
        Sort(books=str(tmp_path)).load()


@pytest.mark.parametrize(("file", "old", "new"), [("excerpts", ",0,", f",{'9' * 5000},"), ("excerpts", ",0,", ",x,")])
def test_wrong_numbers_of_the_table_of_excerpts_are_named(tmp_path, file, old, new):
    settings = RELEASED["sort"](tmp_path)
    [path] = tmp_path.rglob(f"{file}_*.csv")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match="line 2: 'excerpt_idx' must be a whole number from 0"):
        Sort(path=str(tmp_path), **settings).load()
