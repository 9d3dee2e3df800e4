"""BibTeX entries of the methods, data sets and metrics that took part, by what the heads of their modules cite.

A head names a work by its arXiv number, DOI or address, and `citations.bib` has its entry. The heads of a family's
shared modules that a kind inherits from count too. A work that has no entry, which a kind of one's own may cite, gets
one with its number or address alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from ragvlc import config
from ragvlc.core.component import Component
from ragvlc.core.errors import RagvlcError
from ragvlc.families import Dataset, Metric, Strategy
from ragvlc.pipeline import Pipeline

if TYPE_CHECKING:
    from ragvlc.results.loading import SweepResults

__all__ = ["Citations", "citations", "cited", "known_works"]

_FILE = Path(__file__).with_name("citations.bib")
_ARXIV = re.compile(r"(?:arXiv[:\s]+|arxiv\.org/abs/)(\d{4}\.\d{4,5})")
_ADDRESS = re.compile(r"https?://(?!arxiv\.org/)(?:doi\.org/)?[^\s)>,;`\"]+[^\s)>,;:.`\"]")
_FIELD = re.compile(r"^  (eprint|doi|url) += \{(.+)\},$", re.MULTILINE)
_SETTINGS = {"pad_to_tokens": "ragvlc.documents.padding"}
"""Modules whose heads count where a setting is given."""


@dataclass(frozen=True, slots=True)
class Citations:
    """The works that results cite.

    Attributes:
        works: the parts that cite each, by its arXiv number, DOI or address.
        unread: parts that could not be built here, with the reason.
    """

    works: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Works without an entry: their title and authors are not known here."""
        return tuple(work for work in self.works if work not in known_works())

    @property
    def bibtex(self) -> str:
        """The entries, each below a comment that names the parts that cite it."""
        entries = []
        for number, (work, parts) in enumerate(self.works.items(), start=1):
            entry = known_works().get(work) or _bare(work, number)
            entries.append(f"% {', '.join(parts)}\n{entry}")
        opening = [f"% not known, as it cannot be read here: {one}" for one in self.unread]
        return "\n\n".join(["\n".join(opening)] * bool(opening) + entries) + "\n"


def citations(results: SweepResults) -> Citations:
    """Returns the works that a sweep's pipelines, data sets, metrics and strategy cite."""
    found: dict[str, dict[str, None]] = {}
    unread: dict[str, None] = {}
    for part in _parts(results, unread):
        for work in cited(part):
            found.setdefault(work, {})[_named(part)] = None
    return Citations({work: tuple(parts) for work, parts in found.items()}, tuple(unread))


def cited(part: BaseModel) -> tuple[str, ...]:
    """Returns the works that the heads of a part's modules cite, as arXiv numbers, DOIs and addresses."""
    heads = [sys.modules[cls.__module__].__doc__ or "" for cls in type(part).__mro__ if _own(cls)]
    heads += [import_module(name).__doc__ or "" for field, name in _SETTINGS.items() if getattr(part, field, None)]
    return tuple(dict.fromkeys(work for head in heads for work in _works(head)))


@cache
def known_works() -> Mapping[str, str]:
    """Returns the entry of each known work, by its arXiv number, DOI or address."""
    found: dict[str, str] = {}
    for entry in re.findall(r"^@\w+\{.*?^\}", _FILE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        fields = dict(_FIELD.findall(entry))
        found[next(fields[name] for name in ("eprint", "doi", "url") if name in fields)] = entry
    return found


def _named(part: BaseModel) -> str:
    return f"{part.family}.{part.kind}" if isinstance(part, Component) and part.family else type(part).__name__


def _works(head: str) -> Iterator[str]:
    places = [(one.start(), one[1]) for one in _ARXIV.finditer(head)]
    places += [(one.start(), re.sub(r"^https?://doi\.org/", "", one[0])) for one in _ADDRESS.finditer(head)]
    for _, work in sorted(places):
        yield work


def _own(cls: type[BaseModel]) -> bool:
    """Returns whether a class is a kind, a base in its family's folder, or code from outside; not what many share."""
    module = cls.__module__
    if not issubclass(cls, BaseModel) or module.startswith("pydantic"):
        return False
    if issubclass(cls, Component):
        return not module.startswith("ragvlc.") or (cls.family != "" and module.startswith(f"ragvlc.{cls.family}."))
    return True


def _bare(work: str, number: int) -> str:
    if _ARXIV.fullmatch(f"arXiv {work}"):
        fields = [f"  eprint = {{{work}}}", "  archivePrefix = {arXiv}", f"  url = {{https://arxiv.org/abs/{work}}}"]
    else:
        fields = [f"  url = {{{work}}}" if "//" in work else f"  doi = {{{work}}}"]
    return "% title and authors: not known here\n@misc{work" + str(number) + ",\n" + ",\n".join(fields) + "\n}"


def _parts(results: SweepResults, unread: dict[str, None]) -> Iterator[BaseModel]:
    """Yields every part of every cell once, with all parts inside it; names those that cannot be built in `unread`."""
    specs: list[tuple[str, type[BaseModel], Any]] = []
    for cell in results.cells:
        resolved = _read(results.folder / str(cell.facts["key"]) / "resolved.yaml", unread)
        specs += [(f"pipeline of {cell.name}", Pipeline, resolved.get("pipeline"))]
        specs += [(f"data set of {cell.name}", Dataset, resolved.get("dataset"))]
    sweep = _read(results.folder / "sweep.yaml", unread)
    metrics: Sequence[Any] = sweep.get("metrics") or ()
    specs += [("metric", Metric, one) for one in metrics]
    specs += [("strategy", Strategy, sweep.get("strategy"))]
    seen = set()
    for where, cls, spec in specs:
        if spec is None:
            continue
        try:
            whole = cls.build(spec) if issubclass(cls, Component) and cls.family else cls.model_validate(spec)
        except (RagvlcError, ValidationError, PydanticCustomError, ImportError) as error:
            unread[f"{where} ({' '.join(str(error).split())[:200]})"] = None
            continue
        for part in _within(whole):
            key = repr(part)
            if key not in seen:
                seen.add(key)
                yield part


def _within(value: object) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _within(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _within(item)


def _read(path: Path, unread: dict[str, None]) -> Mapping[str, Any]:
    try:
        return config.read_yaml(path)
    except (RagvlcError, OSError) as error:
        unread[" ".join(str(error).split())] = None
        return {}
