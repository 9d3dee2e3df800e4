"""Released files are found as they lie, read within limits, and everything wrong with one is said at once."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile

import pytest

from ragvlc.core.component import known_kinds
from ragvlc.core.data import Document, Span
from ragvlc.core.errors import DatasetError, MissingExtra
from ragvlc.datasets.lara import Lara
from ragvlc.datasets.longbench import Longbench
from ragvlc.datasets.longbench_v2 import LongbenchV2
from ragvlc.documents.evidence import QuoteIndex
from ragvlc.documents.released import releases
from ragvlc.documents.released_rows import KEY, LocatedFile
from tests.released_files import LONGBENCH, LONGBENCH_V2, RELEASED

ROWS = [{"a": 'x, {"} \\', "b": [1, {"c": 2}]}, {"a": "ä\n"}, {"a": ""}]


def read(path, form=""):
    return [dict(row.values) for row in LocatedFile(path).rows(form)]


@pytest.mark.parametrize("indent", [None, 0, 3])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
def test_a_json_list_is_read_element_by_element_wherever_it_is_divided(tmp_path, monkeypatch, indent, piece):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS, indent=indent), encoding="utf-8")
    monkeypatch.setattr("ragvlc.documents.bounded._PIECE", piece)
    assert read(path) == ROWS


def test_an_object_gives_its_keys_and_json_lines_may_be_called_json(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"p 1": ROWS[0], 'p"2': ROWS[1]}))
    assert read(path) == [{**ROWS[0], KEY: "p 1"}, {**ROWS[1], KEY: 'p"2'}]
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert read(path) == ROWS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither a list nor an object"),
        ("[]", "holds no records"),
        ('[{"a": 1}, {"a"', "ends within a record"),
        ('[{"a": 1}, 5, {"b": }]', "record 2: must hold a JSON object"),
        ('[{"a": 1}, 5, {"b": }]', "record 3: is not JSON"),
        ('{"a": {}, {"b": 1}}', "without a name"),
    ],
)
def test_what_is_wrong_with_json_is_said(tmp_path, text, said):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=said):
        read(path)


def test_a_record_above_the_limit_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGVLC_LINE_BYTES", "100")
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"a": "x" * 500}]))
    with pytest.raises(DatasetError, match="RAGVLC_LINE_BYTES"):
        read(path)


def test_one_record_on_one_line_is_a_record_whatever_the_name(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({**LONGBENCH_V2, "further": {"a": 1}}) + "\n")
    assert [one.id for one in LongbenchV2(path=str(path)).load()] == [LONGBENCH_V2["_id"]]


def test_tables_have_texts_and_name_the_line_that_is_torn(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,text\n1,"two\nlines, one cell"\n2,b\n')
    assert read(path) == [{"id": "1", "text": "two\nlines, one cell"}, {"id": "2", "text": "b"}]
    (tmp_path / "rows.tsv").write_text('query-id\tcorpus-id\tscore\nq"1\td1\t1\nq2\td2\n')
    with pytest.raises(DatasetError, match=r"line 3: has 2 cells, the header 3"):
        read(tmp_path / "rows.tsv")


def test_a_file_is_found_in_a_folder_gzipped_in_an_archive_or_by_itself(tmp_path):
    text = json.dumps([LONGBENCH_V2])
    (tmp_path / "mine.json").write_text(text)
    for name in ("gz", "zip"):
        (tmp_path / name).mkdir()
    with gzip.open(tmp_path / "gz" / "data.json.gz", "wt") as file:
        file.write(text)
    with zipfile.ZipFile(tmp_path / "zip" / "all.zip", "w") as archive:
        archive.writestr("LongBench/data.json", text)
    found = [LongbenchV2(path=str(tmp_path / one)).load() for one in ("mine.json", "gz", "zip/all.zip")]
    assert [[example.id for example in examples] for examples in found] == [[LONGBENCH_V2["_id"]]] * 3


def test_a_missing_file_is_named_with_its_size_and_address(tmp_path, monkeypatch):
    (tmp_path / "dota.json").write_text("[]")
    with pytest.raises(DatasetError) as raised:
        LongbenchV2(path=str(tmp_path)).load()
    assert "data.json (450 MB)" in str(raised.value)
    assert "https://huggingface.co/datasets/THUDM/LongBench-v2" in str(raised.value)
    assert "Nearest: dota.json." in str(raised.value)
    with zipfile.ZipFile(tmp_path / "v2.zip", "w") as archive:
        archive.writestr("v2/date.json", "[]")
    with pytest.raises(DatasetError, match=r"450 MB\)\. Download .* Nearest: date.json."):
        LongbenchV2(path=str(tmp_path / "v2.zip")).load()
    with pytest.raises(DatasetError, match="It does not exist"):
        LongbenchV2(path=str(tmp_path / "nowhere")).load()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match="huggingface"):
        LongbenchV2().load()


def test_without_a_path_the_file_or_archive_comes_from_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("data/hotpotqa.jsonl", json.dumps(LONGBENCH) + "\n")
    (tmp_path / "data.json").write_text(json.dumps([LONGBENCH_V2]))

    def download(hub, name, **settings):
        asked.append((hub, name, settings["revision"]))
        if not (tmp_path / name).exists():
            raise OSError("no network")
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert [one.id for one in LongbenchV2(hub="mine/v2", revision="abc").load()] == [LONGBENCH_V2["_id"]]
    assert [one.id for one in Longbench(subset="hotpotqa").load()] == [LONGBENCH["_id"]]
    assert asked == [("mine/v2", "data.json", "abc"), ("THUDM/LongBench", "data.zip", None)]
    with pytest.raises(DatasetError, match=r"holds no file 'data/trec.jsonl'"):
        Longbench(subset="trec").load()
    (tmp_path / "data.json").unlink()
    with pytest.raises(DatasetError, match=r"no network.*Or download data.json \(450 MB\)"):
        LongbenchV2().load()
    with pytest.raises(DatasetError, match="is not on the Hugging Face hub"):
        Lara().load()


@pytest.mark.parametrize("damage", ["cut", "bomb", "encrypted", "text"])
def test_an_archive_that_cannot_be_read_is_said(tmp_path, damage, monkeypatch):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/hotpotqa.jsonl", (json.dumps(LONGBENCH) + "\n") * 2000)
    raw = path.read_bytes()
    if damage == "cut":
        path.write_bytes(raw[:40] + b"\0" * 200 + raw[240:])
    elif damage == "encrypted":
        place = raw.index(b"PK\x01\x02") + 8
        path.write_bytes(raw[:6] + b"\x01" + raw[7:place] + b"\x01" + raw[place + 1 :])
    elif damage == "bomb":
        monkeypatch.setenv("RAGVLC_DECOMPRESSED_BYTES", "1000")
    else:
        path.write_text("no archive")
    said = {"bomb": "RAGVLC_DECOMPRESSED_BYTES", "text": "no zip archive"}.get(damage, "damaged|encrypted")
    with pytest.raises(DatasetError, match=said):
        Longbench(path=str(tmp_path)).load()


def test_everything_wrong_with_records_is_said_at_once(tmp_path):
    wrong = [{**LONGBENCH_V2, "answer": "E", "length": "tiny"}, {**LONGBENCH_V2, "choice_B": None}]
    (tmp_path / "data.json").write_text(json.dumps(wrong))
    with pytest.raises(DatasetError) as raised:
        LongbenchV2(path=str(tmp_path)).load()
    assert raised.value.sentences == [
        "data.json: record 1: 'answer' must be A, B, C or D, not \"E\".",
        "data.json: record 1: 'length' must be short, medium or long, not \"tiny\".",
        "data.json: record 2: 'choice_B' must be a text, not nothing.",
    ]


def test_evidence_is_found_exactly_nearly_or_not():
    text = "The lamp was lit in 1868 by Ada. The keeper of the northern tower carried oil up the stairs. It rained."
    index = QuoteIndex((Document("d", text),))
    located = index.located(
        [
            "The lamp  was lit\nin 1868",
            "A keeper of the northern tower carried oil up the stairs",
            "Nobody knew it",
            " ",
        ]
    )
    assert located.spans == (Span("d", 0, 24), Span("d", 33, 92))
    assert (located.exact, located.fuzzy, located.lost) == (1, 1, 1)
    assert located.tags["evidence"] == "partly located"
    assert located.tags["fuzzy"] is True
    assert index.located(["It snowed."]).tags["evidence"] == "not located"
    assert index.located([]).tags == {"evidence": "none"}


def test_every_released_kind_states_its_facts_and_has_made_files():
    found = releases()
    assert set(RELEASED) == set(found)
    for release in found.values():
        assert all((release.citation, release.licence, release.tasks, release.aggregate, release.files))
        assert release.homepage.startswith("https://")
        assert set(release.metrics) <= set(known_kinds("metrics"))
