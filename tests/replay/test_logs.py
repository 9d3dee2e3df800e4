"""Logs of other tools: read, paired, refused where they are about other questions, and compared."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import log_things as made
import pytest

from ragvlc.cli.main import main
from ragvlc.core.errors import DatasetError
from ragvlc.replay.folders import read_stored
from ragvlc.replay.logs.finding import is_log, read_logs
from ragvlc.replay.logs.records import as_choices, listed
from ragvlc.replay.replaying import Replayed, replay_answers
from ragvlc.replay.spec import Replay
from ragvlc.replay.stored import Stored
from ragvlc.results.official import official_figures

RIGHT = ("q0", "q1", "q2")
"""What the better of two systems answers right."""


def given(*files: Path, **more: Any) -> Replay:
    logs = {"logs": [str(file) for file in files], **more.pop("answers", {})}
    return Replay.model_validate({"name": "tried", "answers": logs, **more})


def stored(*files: Path, **more: Any) -> Stored:
    return read_stored(given(*files, **more))


def replayed(*files: Path, **more: Any) -> Replayed:
    spec = given(*files, **more)
    return replay_answers(spec, read_stored(spec))


def score(found: Replayed, arm: str, metric: str) -> float:
    [cell] = [cell for cell in found.results.cells if cell.facts["arm"] == arm]
    return float(cell.summary["metrics"][metric]["mean"])


def test_lm_eval_logs_bring_questions_references_models_and_scores(tmp_path: Path) -> None:
    files = [made.lm_eval(tmp_path, RIGHT), made.lm_eval(tmp_path, ["q0"], model="org/large")]
    found = replayed(*files)
    assert {cell.facts["arm"] for cell in found.results.cells} == {"org/small", "org/large"}
    assert found.dropped == {"answers under the filter 'flexible-extract', which is not the one compared": 8}
    assert score(found, "org/small", "log_exact_match") == pytest.approx(0.75)
    assert score(found, "org/large", "token_f1") == pytest.approx(0.25)
    facts = found.results.cells[0].examples["0"]
    assert facts["question"] == made.QUESTIONS["q0"]
    assert facts["references"] == ["a red kite", "kite"], "a list that the log wrote as text"
    assert len({one["cluster"] for one in found.results.cells[0].examples.values()}) == 2, "two documents"
    other = replayed(*files, answers={"filter": "flexible-extract"})
    assert score(other, "org/small", "log_exact_match") == pytest.approx(0.75)
    assert other.results.cells[0].rows["0"].answer.text == "[a red kite]"  # type: ignore[union-attr]


def test_lm_eval_options_are_answered_by_the_likeliest(tmp_path: Path) -> None:
    row = {
        "doc_id": 7,
        "doc": {"question": "Which?", "choices": ["red", "blue"]},
        "target": "1",
        "arguments": {f"gen_args_{i}": {"arg_0": "Which?", "arg_1": f" {w}"} for i, w in enumerate(("red", "blue"))},
        "resps": [[["-4.5", "False"]], [["-2.5", "False"]]],
        "filtered_resps": [["-4.5", "False"], ["-2.5", "False"]],
        "filter": "none",
        "metrics": ["acc"],
        "acc": 1.0,
    }
    rolling = {**row, "doc_id": 8, "arguments": {"gen_args_0": {"arg_0": "text"}}, "filtered_resps": ["-99.0"]}
    old = {**row, "doc_id": 9, "arguments": [["Which?", " red"], ["Which?", " blue"]], "filtered_resps": [-1, -2]}
    del old["metrics"]
    file = made.lines(tmp_path / "m" / "samples_which_2026-03-01T10-00-00.5.jsonl", [row, rolling, old])
    found = replayed(file)
    [cell] = found.results.cells
    assert found.dropped == {"records without a reply (the likelihood of a text)": 1}
    assert [one.answer.text for one in cell.rows.values() if one.answer] == ["blue", "red"]
    assert [one.scores["choice_accuracy"] for one in cell.rows.values()] == [1.0, 0.0]
    assert cell.examples["7"]["references"] == ["blue"]


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("filtered_resps", [["nan", "False"], ["-2.5", "False"]], 0),
        ("filtered_resps", [[10**400], [-2]], 0),
        ("filtered_resps", [["-inf", "False"], ["-2.5", "False"]], 1),
        ("target", "9" * 5000, 1),
    ],
)
def test_lm_eval_numbers_that_are_none_end_no_reading(tmp_path: Path, field: str, value: object, read: int) -> None:
    row = {"doc_id": 7, "doc": {}, "target": "1", "arguments": [["Which?", " red"], ["Which?", " blue"]], "resps": []}
    row |= {"filtered_resps": [[-4.5], [-2.5]], field: value}
    [log], _ = read_logs([made.lines(tmp_path / "samples_which_2026-03-01T10-00-00.5.jsonl", [row])])
    assert len(log.records) == read
    assert sum(log.dropped.values()) == 1 - read
    assert all(one.text == "blue" for one in log.records)


@pytest.mark.parametrize("suffix", [".eval", ".json"])
def test_inspect_logs_are_read_with_errors_limits_and_missing_samples(tmp_path: Path, suffix: str) -> None:
    found = replayed(made.inspect_log(tmp_path / f"a{suffix}", RIGHT))
    [cell] = found.results.cells
    assert cell.facts["dataset"] == "found_things"
    rows = cell.rows
    assert rows["q3"].failure is not None
    assert rows["q3"].failure.message == "the server went away"
    assert rows["q3"].scores["token_f1"] == 0.0, "a failure counts, as in a run"
    assert rows["q2"].answer is not None
    assert (rows["q2"].answer.text, rows["q2"].answer.finish) == ("forty oars", "length"), "without the thoughts"
    assert rows["q2"].answer.usage.prompt_tokens == 13
    assert rows["q2"].answer.usage.cached_tokens == 4
    assert cell.examples["q1"]["question"] == made.QUESTIONS["q1"], "an attachment"
    assert rows["q0"].scores["log_match"] == 1.0
    assert rows["q0"].scores["log_graded.tone"] == 0.5
    said = " ".join(found.notes)
    for words in ("1 samples that ended by an error", "ended by a limit (token)", "1 samples of the data set that"):
        assert words in said
    assert cell.facts["notes"] == list(found.notes), "in the report too"


def test_an_inspect_log_in_zstandard_is_read_or_says_what_to_install(tmp_path: Path) -> None:
    file = made.inspect_log(tmp_path / "a.eval", RIGHT, compression=zipfile.ZIP_STORED)
    data = bytearray(file.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset : at + offset + 2] = struct.pack("<H", 93)
            at = data.find(mark, at + 4)
    file.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r"Install zstandard|cannot be read"):
        read_logs([file])


def test_an_inspect_log_in_zstandard_of_several_frames_is_read(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    with zipfile.ZipFile(made.inspect_log(tmp_path / "a.eval", RIGHT)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    data, directory = b"", b""
    for name, text in held.items():
        half = len(text) // 2
        packed = b"".join(zstandard.ZstdCompressor().compress(part) for part in (text[:half], text[half:]))
        about = struct.pack("<HHHHIIIHH", 0, 93, 0, 0, zlib.crc32(text), len(packed), len(text), len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<HH", 63, 63) + about
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(data)) + name.encode()
        data += b"PK\x03\x04" + struct.pack("<H", 63) + about + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(held), len(held), len(directory), len(data), 0)
    (tmp_path / "b.eval").write_bytes(data + directory + b"PK\x05\x06" + end)
    (one, _), (other, _) = (read_logs([tmp_path / name]) for name in ("a.eval", "b.eval"))
    assert one[0].records == other[0].records
    damaged = bytearray(data + directory + b"PK\x05\x06" + end)
    damaged[damaged.rindex(b"PK\x01\x02") + 16] ^= 1  # the checksum of the last member, header.json
    (tmp_path / "b.eval").write_bytes(damaged)
    with pytest.raises(DatasetError, match="another checksum than the archive says"):
        read_logs([tmp_path / "b.eval"])


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"no archive", b""])
def test_a_damaged_inspect_log_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.eval"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="a.eval: cannot be read"):
        read_logs([file])


@pytest.mark.parametrize(("place", "value"), [(6, 1), (8, 99), (4, 99)])
def test_an_inspect_log_that_no_zip_reader_opens_is_refused(tmp_path: Path, place: int, value: int) -> None:
    """A password, a method and a version that are not known."""
    file = made.inspect_log(tmp_path / "a.eval", RIGHT)
    data = bytearray(file.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + place + 2] = value
        at = data.find(b"PK\x01\x02", at + 4)
    file.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="a.eval: cannot be read"):
        read_logs([file])


@pytest.mark.parametrize("value", [None, 5, "x", [], [5], {}, True])
def test_logs_whose_fields_are_of_other_types_are_read_or_refused(tmp_path: Path, value: Any) -> None:
    whole = json.loads(made.inspect_log(tmp_path / "a.json", RIGHT).read_text())
    for name in ("dataset", "config", "model"):
        whole["eval"][name] = value
    for name, sample in zip(("output", "attachments", "scores", "id"), whole["samples"], strict=True):
        sample[name] = value
    whole["samples"].append(value)
    file = tmp_path / "b.json"
    file.write_text(json.dumps(whole))
    [log], _ = read_logs([file])
    assert len(log.records) == 4
    assert log.dropped == {"samples that are no object with an input": 1}


def test_repeated_samples_are_groups_of_their_own(tmp_path: Path) -> None:
    file = made.inspect_log(tmp_path / "a.json", RIGHT)
    whole = json.loads(file.read_text())
    whole["samples"] += [{**one, "epoch": 2} for one in whole["samples"]]
    whole["eval"]["config"]["epochs"] = 2
    file.write_text(json.dumps(whole))
    [block] = stored(file).blocks
    assert {model: len(own["made/small"]) for model, own in block.rows.items()} == {"": 4, "repeat 2": 4}


def test_helmet_files_bring_a_row_for_each_depth(tmp_path: Path) -> None:
    found = replayed(made.helmet(tmp_path / "a.json", RIGHT), made.helmet(tmp_path / "b.json", [], model="org/large"))
    assert score(found, "org/small", "log_substring_exact_match") == pytest.approx(0.75)
    cell = found.results.cells[0]
    assert len(cell.rows) == 8
    assert {one["tags"]["depth"] for one in cell.examples.values()} == {0.0, 0.5}
    assert cell.facts["dataset"] == "nq, 8192 tokens, nq-dev-multikilt_1000_k50_dep6.jsonl"
    assert "log_f1" in cell.metrics
    assert any("1 fewer questions than the run was to ask" in note for note in found.notes)


def test_leval_files_name_their_system_by_folder_or_by_file(tmp_path: Path) -> None:
    one = made.leval(tmp_path / "exam_eval" / "small-16k" / "coursera.pred.jsonl", RIGHT)
    other = made.leval(tmp_path / "llm_eval" / "large-4k.pred.jsonl", [], column="large-4k_pred")
    logs, _ = read_logs([one, other])
    assert [(log.system, log.task) for log in logs] == [("small-16k", "coursera"), ("large-4k", "llm_eval")]


def test_tasks_of_benchmarks_are_scored_by_their_authors_rules(tmp_path: Path) -> None:
    row = {
        "pred": "\nOther place\nCity",
        "answers": ["Other place"],
        "all_classes": ["City", "Other place"],
        "length": 9,
    }
    trec = replayed(made.lines(tmp_path / "pred_e" / "small" / "trec.jsonl", [row]))
    assert trec.results.cells[0].metrics[0] == "longbench_classification"
    assert score(trec, "small", "longbench_classification") == 1.0, "the first line only"
    assert dict(official_figures(trec.results.cells[0])[0].figures) == {"LongBench": 100.0, "0-4k": 100.0}
    rows = [
        {"query": f"{n}?", "gt": "B", "small_pred": text, "evaluation": "exam"} for n, text in enumerate(("B", "no"))
    ]
    quality = replayed(made.lines(tmp_path / "exam_eval" / "small" / "quality.pred.jsonl", rows))
    assert score(quality, "small", "leval_exam") == 0.5
    f1 = replayed(made.leval(tmp_path / "ngram_eval" / "small" / "multidoc_qa.pred.jsonl", RIGHT))
    assert score(f1, "small", "leval_f1") == 0.75
    rows = [{"id": 0, "prediction": "[1, 2, 2, 9]", "ground_truth": [[1, 2, 2, 3]]}]
    sums = replayed(made.lines(tmp_path / "results" / "small" / "preds_math_calc.jsonl", rows))
    assert score(sums, "small", "infinitebench") == 0.75, "a label that repeats counts each time"
    helmet = replayed(made.helmet(tmp_path / "h.json", RIGHT))
    assert score(helmet, "org/small", "helmet_substring") == 0.75
    assert replayed(made.infinitebench(tmp_path / "s" / "preds_x.jsonl", RIGHT)).results.cells[0].metrics == (
        "token_f1",
    )
    given_alone = replayed(tmp_path / "ngram_eval", metrics=["contains"])
    assert given_alone.results.cells[0].metrics == ("contains",)


def test_logs_without_a_common_question_are_refused(tmp_path: Path) -> None:
    one = made.leval(tmp_path / "a" / "gsm100.pred.jsonl", RIGHT)
    other = made.lines(
        tmp_path / "b" / "gsm100.pred.jsonl",
        [{"query": f"Another {n}?", "gt": gold, "x_pred": "", "evaluation": "exam"} for n, gold in made.GOLD.items()],
    )
    with pytest.raises(DatasetError, match=r"none of its 4 questions is in the other logs of gsm100"):
        stored(one, other)
    third = made.leval(tmp_path / "c" / "gsm100.pred.jsonl", [])
    found = stored(one, other, third)
    assert set(found.blocks[0].rows[""]) == {"a", "c"}
    assert sum(found.dropped.values()) == 4


def test_longbench_lines_in_another_order_are_paired_by_content(tmp_path: Path) -> None:
    one = made.longbench(tmp_path / "pred" / "small" / "qasper.jsonl", RIGHT)
    other = made.longbench(tmp_path / "pred" / "large" / "qasper.jsonl", ["q3"], order=("q3", "q1", "q0", "q2"))
    found = replayed(one, other)
    assert found.dropped == {}
    assert score(found, "small", "token_f1") == pytest.approx(0.75)
    assert score(found, "large", "token_f1") == pytest.approx(0.25)
    twice = made.longbench(tmp_path / "pred" / "third" / "qasper.jsonl", [], order=("q3", "q3", "q0", "q2"))
    assert (
        "answers to questions that cannot be told apart (equal content, in different orders)"
        in stored(one, twice).dropped
    )


def test_longbench_v2_files_have_options_and_their_own_verdicts(tmp_path: Path) -> None:
    found = replayed(made.longbench_v2(tmp_path / "small.jsonl", RIGHT))
    assert score(found, "small", "log_judge") == pytest.approx(0.75)
    assert score(found, "small", "choice_accuracy") == pytest.approx(0.75)
    assert found.results.cells[0].examples["66q0"]["references"] == [made.GOLD["q0"]]


def test_a_shifted_file_is_refused_and_the_others_are_compared(tmp_path: Path) -> None:
    files = [
        made.infinitebench(tmp_path / name / "preds_longbook_qa_eng.jsonl", RIGHT, old=name == "b") for name in "ab"
    ]
    shifted = made.infinitebench(tmp_path / "c" / "preds_longbook_qa_eng.jsonl", RIGHT, shift=1)
    found = stored(*files, shifted)
    assert set(found.blocks[0].rows[""]) == {"a", "b"}
    [(reason, count)] = found.dropped.items()
    assert reason.startswith("answers of c/preds_longbook_qa_eng.jsonl, refused: 4 of 4 questions differ")
    assert count == 4
    with pytest.raises(DatasetError, match=r"elsewhere 'a red kite'.*answers.join=content"):
        stored(files[0], shifted)
    both = stored(files[0], shifted, answers={"join": "content"})
    assert len(both.blocks[0].rows[""]["c"]) == 4, "by references"


def test_one_question_that_differs_is_left_out_alone(tmp_path: Path) -> None:
    many = [{"id": n, "prediction": "x", "ground_truth": [f"gold {n}"]} for n in range(20)]
    one = made.lines(tmp_path / "a" / "preds_x.jsonl", many)
    other = made.lines(tmp_path / "b" / "preds_x.jsonl", [{**many[0], "ground_truth": ["changed"]}, *many[1:]])
    found = stored(one, other)
    assert found.dropped["answers to a question that differs from that of the other logs under the same name"] == 1
    assert len(found.blocks[0].rows[""]["a"]) == 19


def test_tasks_that_use_the_same_ids_are_never_paired_with_each_other(tmp_path: Path) -> None:
    files = [
        made.infinitebench(tmp_path / m / f"preds_{t}.jsonl", RIGHT) for m, t in (("a", "x"), ("b", "x"), ("b", "y"))
    ]
    found = replayed(*files)
    names = [set(cell.rows) for cell in found.results.cells]
    assert not names[0] & names[2]
    pairs = {(cell.name, base.name) for cell, base in found.results.pairs()}
    assert pairs == {("a x", "b x")}
    third = replayed(*files, made.infinitebench(tmp_path / "c" / "preds_y.jsonl", RIGHT))
    assert {(cell.name, base.name) for cell, base in third.results.pairs()} == {("a x", "b x"), ("c y", "b y")}
    two = [made.infinitebench(tmp_path / m / f"preds_{t}.jsonl", []) for m, t in (("d", "x"), ("e", "y"), ("f", "y"))]
    apart = replayed(*files[:2], *two)
    assert {(cell.name, base.name) for cell, base in apart.results.pairs() if "y" in cell.name} == {("f y", "e y")}
    assert len({cell.name for cell in found.results.cells}) == 3
    with pytest.raises(DatasetError, match="no log is of a task 'z'. Known: x, y"):
        stored(*files, answers={"tasks": ["z"]})


def test_systems_can_be_routes_of_models(tmp_path: Path) -> None:
    files = [made.infinitebench(tmp_path / name / "preds_x.jsonl", RIGHT) for name in ("m1", "m1-rag", "m2", "m2-rag")]
    systems = {
        name: {"route": "rag" if "rag" in name else "full", "model": name[:2]}
        for name in ("m1", "m1-rag", "m2", "m2-rag")
    }
    [block] = stored(*files, answers={"systems": systems}).blocks
    assert {model: set(own) for model, own in block.rows.items()} == {"m1": {"rag", "full"}, "m2": {"rag", "full"}}
    found = replayed(
        *files[:3], answers={"systems": {n: systems[n] for n in ("m1", "m1-rag", "m2")}}, routers={"random": "random"}
    )
    arms = {(cell.facts["settings"]["model"], cell.facts["arm"]) for cell in found.results.cells}
    assert arms == {("m1", "full"), ("m1", "rag"), ("m1", "random"), ("m2", "full")}
    assert "m2: no router, since it has no answers of rag." in found.notes
    with pytest.raises(DatasetError, match="no log is of 'm3'. Known: m1, m1-rag, m2, m2-rag"):
        stored(*files, answers={"systems": {"m3": {"route": "x"}}})
    with pytest.raises(DatasetError, match="two logs of one task are route 'full'"):
        stored(*files, answers={"systems": {"m1": {"route": "full"}, "m2": {"route": "full"}}})


def test_broken_lines_and_empty_replies_are_counted(tmp_path: Path) -> None:
    file = made.infinitebench(tmp_path / "a" / "preds_x.jsonl", [])
    rows = file.read_text().splitlines()
    rows[1] = json.dumps({**json.loads(rows[1]), "prediction": ""})
    file.write_text("\n".join([*rows, rows[0], '{"id": 9}', "{torn"]))
    found = stored(file)
    assert found.dropped == {"lines that are no JSON object": 1, "records of another form": 1, "answers given twice": 1}
    assert "a/preds_x.jsonl: 1 empty replies." in found.notes


def test_files_of_a_folder_that_are_no_log_are_counted_and_a_named_one_is_refused(tmp_path: Path) -> None:
    made.longbench(tmp_path / "pred" / "m" / "x.jsonl", RIGHT)
    other = tmp_path / "pred" / "m" / "result.json"
    other.write_text('{"x": 12.5}')
    assert stored(tmp_path / "pred").dropped == {"files that are no log of a known tool, such as m/result.json": 1}
    assert is_log(tmp_path / "pred")
    assert not is_log(other)
    with pytest.raises(DatasetError, match=r"result.json: is no log that is known. Known: lm-evaluation-harness"):
        stored(other)


def test_targets_are_read_as_letters_and_lists() -> None:
    assert as_choices(("B", "(a)"), ("red", "blue")) == ("blue", "red")
    assert as_choices(("Z", "blue"), ("red", "blue")) == ("Z", "blue")
    assert listed("['a', \"b's\"]") == ("a", "b's")
    assert listed("[1] see note") == ("[1] see note",)
    assert listed("[" * 500 + "]" * 500) == ("[" * 500 + "]" * 500,)


def test_the_command_compares_logs_with_intervals_and_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [made.helmet(tmp_path / f"{name}.json", RIGHT[:n], model=name) for name, n in (("small", 1), ("large", 3))]

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ragvlc", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0)

    assert run("replay", *map(str, files), "--runs", "runs") == 0
    said = capsys.readouterr().out
    for words in (
        "Difference to small",
        "log_",
        "4 questions" if "4 questions" in said else "8 questions",
        "report.html",
    ):
        assert words in said
    assert (tmp_path / "runs" / "small logs" / "report.html").is_file()
    assert run("compare", "runs/small logs", "small", "large") == 0
    assert run("replay", str(tmp_path / "none"), "--runs", "runs") == 2
