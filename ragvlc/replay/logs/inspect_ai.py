"""Logs of Inspect (`inspect_ai`): `.eval`, a zip archive of JSON files, and `.json`, all of it in one file.

Read without `inspect_ai`, which pulls some sixty packages and checks what is of no use here (transcripts, tools,
sandboxes): of each sample only input, target, output, scores, error, limit and usage are taken. Newer versions compress
the members by Zstandard, for which `zstandard` is needed; Inspect itself turns any log into JSON (`inspect log
convert`). Samples in pieces (`samples/{id}_epoch_{n}/sample.json`, for very long transcripts) are read by their shell.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from ragvlc.core.answer import Finish, Usage
from ragvlc.core.errors import DatasetError
from ragvlc.core.json_text import parse_json
from ragvlc.core.limits import DOCUMENT_BYTES
from ragvlc.documents.bounded import check_members
from ragvlc.replay.logs.records import Log, LogRecord, as_choices, mapping, number, scalars, texts_in

__all__ = ["is_inspect", "read_inspect_json", "read_inspect_zip"]

ZSTANDARD = 93
SAMPLE = re.compile(r"samples/(?P<name>.+_epoch_\d+)(?:\.json|/sample\.json)$")
VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""How Inspect turns its grades into numbers."""
FINISHES: dict[str, Finish] = {
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filtered",
    "tool_calls": "tool_call",
}
ATTACHED = "attachment://"
_DAMAGED = (BadZipFile, OSError, EOFError, zlib.error, NotImplementedError, RuntimeError)
"""What `zipfile` raises for damaged archives, unknown methods and passwords."""


def is_inspect(found: object) -> bool:
    """Returns whether this JSON value is such a log."""
    return isinstance(found, dict) and isinstance(found.get("eval"), dict) and "task" in found["eval"]


def read_inspect_zip(path: Path) -> Log:
    """Returns the samples of an `.eval` log.

    Raises:
        DatasetError: it is damaged, too large when decompressed, or compressed in a way that cannot be read here.
    """
    try:
        with ZipFile(path) as archive:
            check_members(archive.infolist(), path.stat().st_size, str(path))
            names = set(archive.namelist())
            head = next((name for name in ("header.json", "_journal/start.json") if name in names), "")
            if not head:
                raise DatasetError(f"{path}: is no log of Inspect: it has neither header.json nor _journal/start.json.")
            header = _object(archive, head, path)
            found = (_object(archive, name, path) for name in sorted(names) if SAMPLE.match(name))
            log = _log(path, header, found)
    except _DAMAGED as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    return log


def read_inspect_json(path: Path, found: Mapping[str, Any]) -> Log:
    """Returns the samples of a `.json` log."""
    samples = found.get("samples") or []
    return _log(path, found, iter(samples if isinstance(samples, list) else []))


def _object(archive: ZipFile, name: str, path: Path) -> Mapping[str, Any]:
    try:
        found = parse_json(_member(archive, archive.getinfo(name), path))
    except ValueError as error:
        raise DatasetError(f"{path}: {name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DatasetError(f"{path}: {name} must hold an object.")
    return found


def _member(archive: ZipFile, member: ZipInfo, path: Path) -> bytes:
    if member.file_size > DOCUMENT_BYTES.value:
        raise DatasetError(f"{path}: {member.filename} has {member.file_size:,} bytes. {DOCUMENT_BYTES.advice()}")
    if member.compress_type != ZSTANDARD:
        return archive.read(member)
    try:
        import zstandard
    except ImportError as error:
        raise DatasetError(
            f"{path}: is compressed by Zstandard. Install zstandard (pip install zstandard), or convert the log: "
            f"inspect log convert {path.name} --to json --output-dir ."
        ) from error
    with path.open("rb") as file:  # the standard library of Python 3.13 and before does not know this compression
        file.seek(member.header_offset)
        head = file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise BadZipFile(f"no local header of {member.filename}")
        name, extra = struct.unpack("<HH", head[26:30])
        file.seek(name + extra, 1)
        packed = file.read(member.compress_size)
    return _unpacked(zstandard, packed, member, path)


def _unpacked(zstandard: Any, packed: bytes, member: ZipInfo, path: Path) -> bytes:  # noqa: ANN401 - a module
    """Returns the content of one or several frames, never more than the archive says."""
    pieces, total = [], 0
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        while piece := reader.read(1 << 20):
            total += len(piece)
            if total > member.file_size:
                raise DatasetError(f"{path}: {member.filename} holds more than the archive says.")
            pieces.append(piece)
    except zstandard.ZstdError as error:
        raise DatasetError(f"{path}: {member.filename} cannot be read: {error}") from error
    whole = b"".join(pieces)
    if zlib.crc32(whole) != member.CRC:
        raise DatasetError(
            f"{path}: {member.filename} is damaged: its content has another checksum than the archive says."
        )
    return whole


def _log(path: Path, header: Mapping[str, Any], samples: Iterator[Any]) -> Log:
    about = mapping(header.get("eval"))
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    records = []
    for sample in samples:
        if isinstance(sample, dict) and "input" in sample:
            records.append(_record(sample, noted))
        else:
            dropped["samples that are no object with an input"] += 1
    records.sort(key=lambda one: (one.repeat, *_ordered(one.id)))
    _missing(header, about, records, noted)
    task = str(about.get("task", "")).rpartition("/")[2]
    return Log(path, "inspect_ai", str(about.get("model", "")), task, tuple(records), dropped, noted)


def _missing(
    header: Mapping[str, Any], about: Mapping[str, Any], records: list[LogRecord], noted: Counter[str]
) -> None:
    """Counts samples that the log should have, and says how the run ended if not by success."""
    ids = mapping(about.get("dataset")).get("sample_ids")
    epochs = mapping(about.get("config")).get("epochs") or 1
    if isinstance(ids, list) and isinstance(epochs, int):
        held = {(one.id, one.repeat) for one in records}
        lost = sum((str(name), epoch) not in held for name in ids for epoch in range(min(epochs, 1000)))
        noted["samples of the data set that the log does not hold"] += lost
    status = str(header.get("status", "started"))
    if status != "success":
        noted[f"samples of a run that did not end by success (its status is '{status}')"] += len(records)


def _ordered(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isascii() and name.isdigit() and len(name) < 15 else (1, 0, name)


def _record(sample: Mapping[str, Any], noted: Counter[str]) -> LogRecord:
    attached = mapping(sample.get("attachments"))

    def whole(text: Any) -> str:  # noqa: ANN401 - JSON
        said = "" if text is None else str(text)
        if said.startswith(ATTACHED):
            said = str(attached.get(said.removeprefix(ATTACHED), said))
            noted["texts whose attachment is missing"] += said.startswith(ATTACHED)
        return said

    output = mapping(sample.get("output"))
    replies = output.get("choices")
    first = mapping(replies[0]) if isinstance(replies, list) and replies else {}
    text = _said(mapping(first.get("message")).get("content"), whole) or whole(output.get("completion"))
    error, limit = sample.get("error"), sample.get("limit")
    failure = ""
    if error:
        failure = str(error.get("message", error) if isinstance(error, dict) else error) or "error"
    noted["samples that ended by an error"] += bool(error)
    if limit:
        kind = str(limit.get("type", limit) if isinstance(limit, dict) else limit)
        noted[f"samples that were ended by a limit ({kind})"] += 1
        failure = failure or ("" if text.strip() else f"ended by the limit on {kind}")
    choices = texts_in(sample.get("choices")) if isinstance(sample.get("choices"), list) else ()
    reason = str(first.get("stop_reason", "stop"))
    epoch = sample.get("epoch")
    return LogRecord(
        place=f"sample {sample.get('id')}, epoch {epoch}",
        id=str(sample.get("id", "")),
        question=_asked(sample.get("input"), whole),
        choices=choices,
        references=as_choices([whole(one) for one in texts_in(sample.get("target"))], choices),
        text=text,
        failure=failure,
        finish=FINISHES.get(reason, "stop"),
        repeat=epoch - 1 if isinstance(epoch, int) and epoch > 0 else 0,
        usage=_usage(sample, output),
        seconds=number(sample.get("total_time")) or number(output.get("time")) or 0.0,
        scores=_scores(sample),
        tags=scalars(sample.get("metadata")),
    )


def _asked(given: Any, whole: Any) -> str:  # noqa: ANN401 - JSON, a function
    """Returns the question: the input, or its last message of the user."""
    if isinstance(given, list):
        asked = [one for one in given if isinstance(one, dict) and one.get("role") == "user"]
        return _said(asked[-1].get("content"), whole) if asked else ""
    return str(whole(given))


def _said(content: Any, whole: Any) -> str:  # noqa: ANN401 - JSON, a function
    """Returns the text of a message: a text, or parts of which those of text count (not thoughts or pictures)."""
    if isinstance(content, list):
        parts = [one for one in content if isinstance(one, dict) and one.get("type") == "text"]
        return "\n".join(str(whole(one.get("text"))) for one in parts)
    return str(whole(content))


def _usage(sample: Mapping[str, Any], output: Mapping[str, Any]) -> Usage:
    """Returns the tokens of all models, or those of the last reply."""
    given = sample.get("model_usage")
    each = [one for one in given.values() if isinstance(one, dict)] if isinstance(given, dict) else []
    if not each and isinstance(output.get("usage"), dict):
        each = [output["usage"]]

    def total(name: str) -> int:
        return sum(max(int(number(one.get(name)) or 0), 0) for one in each)

    cached, written = total("input_tokens_cache_read"), total("input_tokens_cache_write")
    read = total("input_tokens") + cached + written
    return Usage(
        read, cached, total("output_tokens"), 1, thought_tokens=total("reasoning_tokens"), written_tokens=written
    )


def _scores(sample: Mapping[str, Any]) -> dict[str, float]:
    given = sample.get("scores")
    if not isinstance(given, dict):
        given = {"score": sample["score"]} if isinstance(sample.get("score"), dict) else {}
    found = {}
    for scorer, score in given.items():
        value = score.get("value") if isinstance(score, dict) else score
        parts = {f"{scorer}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {scorer: value}
        for name, one in parts.items():
            known = VALUES.get(one) if isinstance(one, str) else number(one)
            if known is not None:
                found[str(name)] = known
    return found
