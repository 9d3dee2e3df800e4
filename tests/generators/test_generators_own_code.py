"""Models with code of their own: refused in one line, run where they are trusted, and never asked about."""

from __future__ import annotations

import builtins
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import own_code
import pytest
from pydantic import ValidationError

from ragvlc import packaged
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.engines.remote.tokenizers import tokenizer_for
from ragvlc.generators import transformers
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.generators.vllm import VllmGenerator
from ragvlc.packaged import model_files
from ragvlc.rerankers.cross_encoder import CrossEncoder
from ragvlc.sweep.plan import plan, remarks
from ragvlc.sweep.spec import Sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory) -> Path:
    return own_code.chat_model(tmp_path_factory.mktemp("own"))


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    """The library copies code to a folder of its own, and a question at the terminal is a failure."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("a library asked at the terminal"))


@pytest.mark.parametrize("kind", [TransformersGenerator, VllmGenerator, SentenceTransformerEmbedder, CrossEncoder])
def test_code_that_is_not_trusted_is_refused_by_name(kind, chat_model):
    code = "(own_model.OwnConfig, own_model.OwnModel)"
    spec = kind(model=str(chat_model))
    said = f"'{chat_model}' needs code of its own {code}; set trust_remote_code: true if you trust it."
    assert spec.refusals() == [said]
    with pytest.raises(EngineError) as refusal:
        spec.open()
    assert str(refusal.value) == said
    trusted = kind(model=str(chat_model), trust_remote_code=True)
    assert trusted.refusals() == []
    assert trusted.remarks()[0] == f"'{chat_model}' runs code of its own {code}: trust_remote_code is true."


def test_trusted_code_answers(chat_model):
    spec = TransformersGenerator(model=str(chat_model), trust_remote_code=True, device="cpu")
    engine = spec.open()
    [answer] = engine.generate([Request(Prompt("the cat"), max_tokens=4)])
    engine.close()
    assert answer.usage.completion_tokens > 0


def test_vllm_is_told(chat_model):
    assert VllmGenerator(model=str(chat_model), trust_remote_code=True).arguments()["trust_remote_code"] is True
    assert "trust_remote_code" not in VllmGenerator().arguments()
    with pytest.raises(ValidationError, match="has a field of its own: set trust_remote_code"):
        VllmGenerator(engine={"trust_remote_code": True})


def test_keys_change_only_where_code_is_trusted():
    off = TransformersGenerator().key_facts()["fields"]
    assert "trust_remote_code" not in off
    assert TransformersGenerator(trust_remote_code=True).key_facts()["fields"]["trust_remote_code"] is True


def test_code_that_the_files_do_not_name_is_refused_without_a_question(chat_model, monkeypatch):
    monkeypatch.setattr(model_files, "own_code", lambda _: ())  # as of a hub model that is not on this machine
    transformers._tokenizer.cache_clear()
    spec = TransformersGenerator(model=str(chat_model), device="cpu")
    with pytest.raises(EngineError, match=r"needs code of its own; set trust_remote_code: true if you trust it\.$"):
        spec.open()
    for part in (SentenceTransformerEmbedder(model=str(chat_model)), CrossEncoder(model=str(chat_model))):
        with pytest.raises(EngineError, match="needs code of its own; set trust_remote_code: true"):
            part.open()


def test_a_tokenizer_for_counting_runs_no_code(tmp_path):
    folder = own_code.chat_model(tmp_path / "counting")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": [None, "own_model.OwnTokenizer"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "own_model.OwnTokenizer" in model_files.own_code(str(folder))
    with pytest.raises(EngineError, match="which is not run to count tokens"):
        tokenizer_for(str(folder), None, {})


def test_a_type_that_the_library_has_needs_no_trust(tiny_model, tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    config = json.loads((tiny_model / "config.json").read_text()) | {"auto_map": {"AutoConfig": "old.OldConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert config["model_type"] == "llama"
    assert model_files.own_code(str(folder)) == ()


def test_an_embedder_with_a_module_of_its_own(tmp_path):
    folder = own_code.embedder(tmp_path / "embedder", Path(packaged.resolve("packaged:all-minilm-l6-v2")))
    with pytest.raises(EngineError, match=r"needs code of its own \(own_module.OwnNormalize\)"):
        SentenceTransformerEmbedder(model=str(folder)).open()
    engine = SentenceTransformerEmbedder(model=str(folder), trust_remote_code=True, device="cpu").open()
    plain = SentenceTransformerEmbedder(device="cpu").open()
    assert abs(engine.embed(["the cat"], side="query") - plain.embed(["the cat"], side="query")).max() < 1e-6


def experiment(chat_model: Path, folder: Path) -> Path:
    (folder / "own.yaml").write_text(
        f"dataset: toy\npipelines: {{full: {{generators: {{main: {{kind: transformers, model: {chat_model}}}}}, "
        "routes: {full: full_context}}}\nmetrics: [contains]\n"
    )
    return folder / "own.yaml"


def test_a_setting_of_the_command_line_trusts(chat_model, tmp_path):
    file = experiment(chat_model, tmp_path)
    with pytest.raises(ConfigError, match=r"own: pipelines\.full: '.*' needs code of its own \(own_model"):
        plan(Sweep.load(file))
    [cell] = plan(Sweep.load(file, overrides={"generators.main.trust_remote_code": True}))
    assert cell.pipeline.generators["main"].trust_remote_code
    assert "runs code of its own" in remarks([cell])[0]
    with pytest.raises(ConfigError, match="needs code of its own"):
        plan(Sweep.load(file, overrides={"axes": {"generators.main.trust_remote_code": [True, False]}}))


def test_a_plan_refuses_without_torch_and_at_a_terminal(chat_model, tmp_path):
    experiment(chat_model, tmp_path)
    program = (
        "import sys\nfrom ragvlc.cli.main import main\nsys.argv = ['ragvlc', 'plan', 'own.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print('code', end.code, 'torch', 'torch' in sys.modules)\n"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=theirs, capture_output=True, text=True, timeout=120,
        env=environment, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.stdout.endswith("code 2 torch False\n")
    assert "own_model.OwnModel); set trust_remote_code: true if you trust it" in done.stderr.replace("\n", " ")
