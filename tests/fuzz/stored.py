"""Targets that damage what ragvlc and others wrote: stored results, caches, routers, models; and how it is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from zlib import crc32

import yaml
from hypothesis import strategies as st

from tests.fuzz import material
from tests.fuzz.case import Case, Make, mutated_archive, mutated_yaml, or_folder
from tests.fuzz.hostile import Draw, dumped, mutated_bytes, mutated_lines, mutated_tree, words

__all__ = [
    "arguments",
    "cache_entry",
    "environment",
    "learned_router",
    "model_files",
    "model_folder",
    "stored_reader",
    "tracker",
]


def stored_reader(*patterns: str) -> Make:
    """Returns a target that damages a file of stored results."""

    def make(draw: Draw, folder: Path) -> Case:
        found = sorted(path for one in patterns for path in (folder / "runs" / "exp").rglob(one))
        file = draw(st.sampled_from(found))
        data = file.read_bytes()
        if file.name == "predictions.jsonl":
            changed = _sealed(mutated_lines(draw, data)) if draw(st.integers(0, 4)) else mutated_lines(draw, data)
        elif file.suffix == ".jsonl":
            changed = mutated_lines(draw, data)
        elif file.suffix == ".json" and draw(st.integers(0, 5)):
            changed = dumped(mutated_tree(draw, json.loads(data), raw=True)).encode()
        elif file.suffix == ".yaml":
            changed = mutated_yaml(draw, yaml.safe_load(data))
        else:
            changed = mutated_bytes(draw, data)
        name = str(file.relative_to(folder))
        return Case(list(draw(st.sampled_from(_READING))), {name: or_folder(draw, changed)})

    return make


def _sealed(data: bytes) -> bytes:
    """Returns rows with hashes that are right, whatever they hold."""
    lines = []
    for line in data.split(b"\n"):
        start, hashed, rest = line.partition(b'","version":')
        body = b'"version":' + rest
        named = line.replace(b'{"hash": "', b'{"hash":"').startswith(b'{"hash":"') and hashed
        lines.append(b'{"hash":"%08x",%b' % (crc32(body), body) if named else line)
    return b"\n".join(lines)


_READING = (
    ("show", "runs/exp"),
    ("show", "runs/exp", "--question", "q1", "--passages"),
    ("compare", "runs/exp", "full", "full"),
    ("report", "runs/exp"),
    ("score", "runs/exp"),
    ("score", "exp.yaml"),
    ("run", "exp.yaml"),
    ("run", "runs/exp"),
    ("estimate", "exp.yaml"),
    ("estimate", "exp.yaml", "--difference", "0.1"),
    ("plan", "runs/exp"),
    ("track", "runs/exp"),
    ("verify", "runs/exp"),
    ("verify", "runs/exp", "--repair"),
    ("replay", "runs/exp"),
    ("fit-router", "runs/exp", "--route", "full=full", "--route", "rag=rag", "--cascade", "--budget", "9"),
    ("report", "runs/exp", "--decide", "contains=0.1", "--effective-length", "contains=0.1"),
)


def learned_router(draw: Draw, folder: Path) -> Case:
    """The file of a learned router."""
    if draw(st.integers(0, 4)):
        data = dumped(mutated_tree(draw, material.router(), raw=True)).encode("utf-8", "surrogatepass")
    else:
        data = mutated_bytes(draw, json.dumps(material.router()).encode())
    return Case(["ask", "routed.yaml", "What?", "-d", "own/mill.txt"], {"router.json": or_folder(draw, data)})


def cache_entry(draw: Draw, folder: Path) -> Case:
    """An entry of the result cache, with a right checksum or a wrong one."""
    found = sorted(
        path for path in (folder / "store").rglob("*") if path.is_file() and path.suffix in {".json", ".npz"}
    )
    file = draw(st.sampled_from(found))
    data = file.read_bytes()
    if file.suffix == ".npz":
        data = mutated_archive(draw, data) if draw(st.booleans()) else mutated_bytes(draw, data)
    elif draw(st.integers(0, 5)):
        plain = dumped(mutated_tree(draw, json.loads(data[65:]), raw=True)).encode()
        data = hashlib.sha256(plain).hexdigest().encode() + b"\n" + plain
    else:
        data = mutated_bytes(draw, data)
    run = ["run", "exp.yaml", "--runs", "new"]
    command = draw(
        st.sampled_from([run, run, run, ["cache"], ["cache", "verify"], ["estimate", "exp.yaml", "--runs", "new"]])
    )
    return Case(list(command), {str(file.relative_to(folder)): or_folder(draw, data)})


_VERBS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ask": (("pipe.yaml", "What?"), ("--document", "--choice", "--allow-loss", "--trace")),
    "check": (("own",), ("--tokenizer", "--window")),
    "plan": (("exp.yaml",), ("--set", "--limit")),
    "run": (("exp.yaml",), ("--set", "--limit", "--runs", "--retry", "--wait", "--over-budget")),
    "score": (("exp.yaml",), ("--set", "--limit", "--runs")),
    "track": (("exp.yaml",), ("--set", "--limit", "--runs")),
    "report": (("runs/exp",), ("--baseline", "--effective-length", "--runs", "--decide", "--cost")),
    "verify": (("runs/exp",), ("--repair", "--cell", "--json", "--runs")),
    "show": (("runs/exp",), ("--question", "--passages", "--runs")),
    "compare": (("runs/exp", "full", "rag"), ("--with", "--metric", "--runs")),
    "estimate": (
        ("exp.yaml",),
        (
            "--set",
            "--limit",
            "--runs",
            "--all",
            "--sample",
            "--device",
            "--devices",
            "--context",
            "--questions",
            "--new-tokens",
            "--acceptance",
            "--shape",
            "--difference",
            "--from",
            "--metric",
            "--sd",
            "--icc",
            "--per-cluster",
            "--json",
        ),
    ),
    "fit-router": (
        ("runs/exp", "--route", "full=full", "--route", "rag=rag"),
        (
            "--out",
            "--metric",
            "--cost",
            "--metadata",
            "--folds",
            "--seed",
            "--balanced",
            "--cascade",
            "--budget",
            "--set",
            "--runs",
            "--route",
        ),
    ),
    "replay": (("answers.jsonl",), ("--questions", "--with", "--set", "--limit", "--runs")),
    "questions": (("set.yaml",), ("--count", "--seed", "--out", "--kind", "--without", "--max-overlap", "--set")),
    "models": (("list",), ()),
    "cache": (("size",), ("--older-than",)),
    "schema": (("schema",), ()),
    "check-kind": (("chunkers.tokens",), ("--set",)),
    "init": (("own",), ("--out", "--questions", "--model")),
}
_FLAGS = frozenset({"--repair", "--trace", "--over-budget", "--passages", "--all", "--json", "--balanced", "--cascade"})
_WORDS = (
    "exp.yaml",
    "pipe.yaml",
    "replay.yaml",
    "own",
    "data",
    "runs/exp",
    "runs",
    "answers.jsonl",
    "own/mill.txt",
    "full",
    "rag",
    "contains",
    "contains=0.1",
    "tokens=0.01",
    "0",
    "1",
    "0.5",
    "nan",
    "inf",
    "-1",
    "1e400",
    "9" * 30,
    "",
    "=",
    "/dev/null",
    "/nowhere/x",
    "main=llama-3.1-8b",
    "h200",
    "seed=2",
    "dataset.limit=1",
    "dataset=",
    "pipelines={}",
    "routes.rag.chunker.size=[1]",
    "axes={a: 1}",
    "chunker={kind: tokens}",
    "failed",
    "q1",
    "tokens",
    "packaged:x",
    "metrics=[]",
    "name=../x",
    "generators.main.default=5",
    "router.json",
    "store",
    "chunkers.tokens",
    "size=-1",
)


def arguments(draw: Draw, folder: Path) -> Case:
    """The words of the command line."""
    verb = draw(st.sampled_from(sorted(_VERBS)))
    usual, options = _VERBS[verb]
    word = st.sampled_from(_WORDS) | st.sampled_from(_WORDS) | words
    given = [draw(word) if draw(st.integers(0, 5)) == 0 else one for one in usual]
    for _ in range(draw(st.integers(0, 3))):
        option = draw(st.sampled_from(options or ("--help",)))
        given += [option] if option in _FLAGS else [option, draw(word)]
    if draw(st.integers(0, 9)) == 0:
        given.insert(draw(st.integers(0, len(given))), draw(word))
    # The kernel passes no null characters, and Python makes lone surrogates of bytes that are no UTF-8.
    plain = [
        one.replace("\x00", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for one in given
    ]
    return Case([verb, *plain])


_VARIABLES = (
    "RAGVLC_YAML_BYTES",
    "RAGVLC_YAML_DEPTH",
    "RAGVLC_YAML_ALIASES",
    "RAGVLC_YAML_NODES",
    "RAGVLC_CELLS",
    "RAGVLC_DOCUMENT_BYTES",
    "RAGVLC_LINE_BYTES",
    "RAGVLC_DECOMPRESSED_BYTES",
    "RAGVLC_DECOMPRESSED_RATIO",
    "RAGVLC_STORE",
    "RAGVLC_CACHE",
    "COLUMNS",
    "HOME",
    "TMPDIR",
    "LC_ALL",
    "NO_COLOR",
    "TERM",
)


def environment(draw: Draw, folder: Path) -> Case:
    """Environment variables."""
    value = (
        st.sampled_from(
            [
                "0",
                "1",
                "7",
                "-1",
                "1e3",
                "1_000",
                "",
                " ",
                "nan",
                "9" * 30,
                "/dev/null",
                "/dev/null/x",
                "exp.yaml",
                "store",
                "/proc",
                "~nobody/x",
                "~",
                ".",
                "é",
            ]
        )
        | words
    )
    given: dict[str, str | None] = {}
    for _ in range(draw(st.integers(1, 2))):
        drawn = draw(value).replace("\x00", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        given[draw(st.sampled_from(_VARIABLES))] = drawn
    command = draw(
        st.sampled_from(
            [
                ("plan", "exp.yaml"),
                ("run", "exp.yaml", "--runs", "new"),
                ("show", "runs/exp"),
                ("cache",),
                ("models",),
                ("check", "own"),
                ("replay", "replay.yaml"),
                ("ask", "pipe.yaml", "What?", "-d", "own/mill.txt"),
            ]
        )
    )
    return Case(list(command), {}, given)


def tracker(draw: Draw, folder: Path) -> Case:
    """Settings of the MLflow tracker."""
    tree = {"kind": "mlflow", "uri": "sqlite:///made.db", "experiment": "x", "traces": 1}
    changed = mutated_tree(draw, tree)
    exp = material.EXPERIMENT | {"tracker": changed}
    return Case(["plan", "exp.yaml"], {"exp.yaml": dumped(exp).encode("utf-8", "surrogatepass")})


def model_folder(draw: Draw, folder: Path) -> Case:
    """The files of a model's folder that say what it is: configuration and tokenizer."""
    files = model_files()
    name = draw(st.sampled_from(sorted(files)))
    data = files[name]
    if name.endswith(".json") and len(data) < 100_000 and draw(st.integers(0, 4)):
        changed = dumped(mutated_tree(draw, json.loads(data), raw=True)).encode("utf-8", "surrogatepass")
    else:
        changed = mutated_bytes(draw, data)
    held: dict[str, bytes | None] = {f"model/{one}": content for one, content in files.items()}
    held[f"model/{name}"] = or_folder(draw, changed)
    if draw(st.integers(0, 19)) == 0:
        del held[f"model/{name}"]
    tree = {"generators": {"main": {"kind": "transformers", "model": "./model"}}, "routes": {"full": "full_context"}}
    held["local.yaml"] = yaml.safe_dump(tree).encode()
    command = draw(
        st.sampled_from([["check", "own", "--tokenizer", "./model"], ["estimate", "local.yaml", "--context", "50"]])
    )
    return Case(list(command), held)


@cache
def model_files() -> dict[str, bytes]:
    """Returns a tiny tokenizer and configuration, as the transformers library writes them."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {
        word: place for place, word in enumerate(["<unk>", "<s>", "</s>", "the", "mill", "was", "built", "in"])
    }
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 8,
        "max_position_embeddings": 256,
        "torch_dtype": "float32",
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": 256,
        "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    }
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": json.dumps(tokenizer).encode(),
        "tokenizer.json": made.to_str().encode(),
        "generation_config.json": json.dumps({"eos_token_id": 2, "temperature": 0.5}).encode(),
    }
