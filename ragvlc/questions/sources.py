"""What a set of questions is made from, as the command line names it: a data set, and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.core.component import known_kinds
from ragvlc.core.errors import ConfigError, DatasetError, nearest
from ragvlc.core.given_paths import path_of, real_path
from ragvlc.core.paths import Base
from ragvlc.core.yaml_text import parse_value
from ragvlc.documents.sources import jsonl_file
from ragvlc.questions.spec import FILTERS, QuestionSpec

__all__ = ["dataset_of", "model_of", "spec_of"]

_YAML = (".yaml", ".yml")
_ENDINGS = (".jsonl", ".jsonl.gz")


def spec_of(
    source: str,
    models: Mapping[str, str],
    settings: Mapping[str, Any],
    *,
    kinds: Mapping[str, float] | None = None,
    without: tuple[str, ...] = (),
    max_overlap: float | None = None,
    allow_loss: float | None = None,
) -> QuestionSpec:
    """Returns the specification of a set for documents, or of a YAML file of such a set.

    Args:
        source: a YAML file of a set, or what `dataset_of` takes.
        models: by role, as `model_of` takes them.
        settings: of the set by dotted path.
        kinds: shares by kind; those of the file, or all kinds, by default.
        without: filters to leave out.
        max_overlap: the largest share of a question's words that may occur in its evidence.
        allow_loss: share of a file's text that may be missing.

    Raises:
        ConfigError, DatasetError: with every problem found.
    """
    path = path_of(source)
    given = config.read_yaml(path) if path.suffix in _YAML and path.is_file() else {}
    is_spec = "generators" in given and "pipelines" not in given
    data: dict[str, Any] = dict(given) if is_spec else {"dataset": dataset_of(source, allow_loss)}
    where, folder = (str(path), path.absolute().parent) if is_spec else ("questions", Path.cwd())
    if models:
        data["generators"] = {**data.get("generators", {}), **{role: model_of(name) for role, name in models.items()}}
    if kinds:
        data["kinds"] = [{"kind": kind, "share": share} for kind, share in kinds.items()]
    if without or max_overlap is not None:
        data["filters"] = _filters(data.get("filters", FILTERS), without, max_overlap)
    config.override(QuestionSpec, data, settings, Base(Path.cwd(), folder), where)
    return config.build(QuestionSpec, data, where, folder)


def _filters(given: Any, without: tuple[str, ...], max_overlap: float | None) -> list[Any]:  # noqa: ANN401 - YAML
    found: list[Any] = []
    names = [one["kind"] if isinstance(one, Mapping) else str(one) for one in given]
    for name in without:
        if name not in names:
            raise ConfigError(f"--without {name}: no such filter. Known: {', '.join(names)}.{nearest(name, names)}")
    for one, name in zip(given, names, strict=True):
        if name == "shared_words" and max_overlap is not None:
            found.append({"kind": name, "max_overlap": max_overlap})
        elif name not in without:
            found.append(one)
    return found


def dataset_of(source: str, allow_loss: float | None = None) -> dict[str, Any]:
    """Returns the data set in a folder or file, of an experiment, or of a kind, as a mapping with its kind.

    Raises:
        DatasetError: there is none.
    """
    path = path_of(source).absolute()
    if path.is_dir():
        if jsonl_file(path, "documents"):
            return {"kind": "jsonl", "path": str(path)}
        lossy = {} if allow_loss is None else {"allow_loss": allow_loss}
        return {"kind": "folder", "path": str(path), **lossy, **({"unreadable": "skip"} if allow_loss == 1 else {})}
    if path.is_file() and path.name.endswith(_ENDINGS):
        return {"kind": "jsonl", "path": str(path.parent), "documents": path.name}
    if path.is_file() and path.suffix not in _YAML:
        raise DatasetError(f"{source}: is one file. Put it into a folder of its own, and name the folder.")
    experiments, datasets = config.shipped("experiments"), known_kinds("datasets")
    if path.is_file() or source in experiments:
        return _of_experiment(config.find_file(source, "experiments"))
    if source in datasets:
        return {"kind": source}
    known = [*(one.name for one in path.parent.glob("*")), *experiments, *datasets]
    raise DatasetError(
        f"{source}: no such folder, file, experiment or kind of data set.{nearest(Path(source).name, known)}"
    )


def _of_experiment(file: Path) -> dict[str, Any]:
    dataset = config.read_yaml(file).get("dataset")
    if isinstance(dataset, str):
        return {"kind": dataset}
    if not isinstance(dataset, Mapping):
        raise ConfigError(f"{file}: has neither 'generators', as a set of questions, nor a 'dataset'.")
    found = dict(dataset)
    for name in ("path", "pad_from"):  # seen from the experiment's folder, not from here
        if isinstance(found.get(name), str) and found[name]:
            found[name] = str(real_path(file.parent / path_of(found[name])))
    return found


def model_of(text: str) -> dict[str, Any]:
    """Returns the generator that a text names: a local model, a kind, or a mapping in YAML."""
    value = parse_value(text, "--model")
    if isinstance(value, Mapping):
        return dict(value)
    return {"kind": text} if text in known_kinds("generators") else {"kind": "transformers", "model": text}
