"""Components: frozen pydantic models with one main method, found by file name and identified by a content hash.

`kind: tokens` in YAML is the public class of `ragvlc/chunkers/tokens.py`; `kind: my_package.my_module:MyChunker` is
outside code (importing it runs it: a YAML file that names code is trusted like code). A field annotated with a family
takes a bare kind, a mapping with `kind`, or an instance.
"""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ragvlc.core.data import content_key
from ragvlc.core.errors import nearest
from ragvlc.core.given_paths import path_of, path_problem, real_path
from ragvlc.core.outside import imported, signature
from ragvlc.core.prompts import Template, check_templates

__all__ = [
    "FAMILY_MARK",
    "Component",
    "Execution",
    "FilePath",
    "ModelName",
    "PathMark",
    "Role",
    "fields_of",
    "find_kind",
    "kind_of",
    "known_kinds",
    "part",
]


PartT = TypeVar("PartT", bound="Component")
MarkT = TypeVar("MarkT")

FAMILY_MARK = "x-family"
"""Stands in the JSON Schema of a field for any part of that family; `ragvlc.schema` puts the union of kinds there."""


class Execution:
    """Marks a field that cannot change the output, such as the device or batch size, and is not part of the key."""


@dataclass(frozen=True, slots=True)
class Role:
    """Marks a string field that refers to one of the pipeline's models by its role.

    Attributes:
        table: `generators` or `embedders`.
        needs: name of the engine protocol that the model must offer.
    """

    table: str
    needs: str = "TextEngine"


def part(kind: str) -> Any:  # noqa: ANN401 - a field default that pydantic builds
    """Returns a default for a field annotated with a family: the component called `kind` with default settings."""
    return Field(default=kind)


@dataclass(frozen=True, slots=True)
class PathMark:
    """Marks a string field that names a file or folder.

    Attributes:
        dotted: only if it starts with a dot or a tilde; anything else is a name.
    """

    dotted: bool = False

    def takes(self, value: str) -> bool:
        """Returns whether the value is a path, and not another name such as a hub id."""
        return not self.dotted or value.startswith((".", "~"))


def _against_folder(value: str, info: ValidationInfo) -> str:
    if not value:  # none, which is not the folder itself
        return value
    folder = (info.context or {}).get("folder")
    if problem := path_problem(value):
        raise ValueError(problem)
    path = path_of(value)
    return str(real_path(Path(folder) / path)) if folder else str(path)


def _against_folder_if_dotted(value: str, info: ValidationInfo) -> str:
    return _against_folder(value, info) if _DOTTED.takes(value) else value


_DOTTED = PathMark(dotted=True)
FilePath = Annotated[str, AfterValidator(_against_folder), PathMark()]
"""A file or folder; a relative one written in a YAML file is relative to that file."""
ModelName = Annotated[str, AfterValidator(_against_folder_if_dotted), _DOTTED]
"""A hub id, `packaged:NAME`, or a folder; a relative folder starts with a dot and is relative to its YAML file."""


class Component(BaseModel):
    """Base class of all components. Subclasses declare their settings as fields and do their work in one method."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    family: ClassVar[str] = ""
    """Folder of the kinds; set on the abstract class of a family, nowhere else."""
    version: ClassVar[int] = 1
    """Raised when a kind's output changes for equal settings."""
    key_name: ClassVar[str] = ""
    """The name in the key of a part without a family whose module was renamed: stored results stay valid."""
    later_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields added after results had been stored under keys without them: hashed only where they differ from their
    default, so that those keys stay valid."""

    @model_validator(mode="after")
    def _templates_name_their_fields(self) -> Self:
        check_templates(self, templates_of(type(self)))
        return self

    @property
    def kind(self) -> str:
        """The name of this component in YAML: its file's name, or `module:Class` for code outside ragvlc."""
        return kind_of(type(self))

    def identity(self) -> Mapping[str, Any]:
        """Returns facts outside the spec that can change the output, such as a hash of model files. May read files."""
        return {}

    def remarks(self) -> Sequence[str]:
        """Returns sentences to know before a run about this component itself, not its parts. May read files."""
        return ()

    def refusals(self) -> Sequence[str]:
        """Returns sentences on why this component, not its parts, cannot be used as it is set. May read files."""
        return ()

    def all_refusals(self) -> list[str]:
        """Returns the refusals of this component and of all components in it, each once."""
        inner = (refusal for part in self.parts() for refusal in part.all_refusals())
        return list(dict.fromkeys((*self.refusals(), *inner)))

    def all_remarks(self) -> list[str]:
        """Returns the remarks of this component and of all components in it, each once."""
        inner = (remark for part in self.parts() for remark in part.all_remarks())
        return list(dict.fromkeys((*self.remarks(), *inner)))

    @property
    def random(self) -> bool:
        """Whether two runs with different seeds may give different outputs."""
        return self._random_within

    @cached_property
    def _random_within(self) -> bool:
        return any(part.random for part in self.parts())

    @property
    def lasting(self) -> bool:
        """Whether equal inputs give equal outputs in later runs, so that results may be stored on disk."""
        return self._lasting_within

    @cached_property
    def _lasting_within(self) -> bool:
        return all(part.lasting for part in self.parts())

    def parts(self) -> tuple[Component, ...]:
        """Returns the components held directly in this component's fields."""
        return self._parts

    @cached_property
    def _parts(self) -> tuple[Component, ...]:
        values = (getattr(self, name) for name in fields_of(type(self)))
        return tuple(part for value in values if type(value) not in _SCALARS for part in _parts_in(value))

    def roles(self) -> frozenset[tuple[str, str, str]]:
        """Returns (table, role name, required protocol) for every model that this component or an inner one uses."""
        return self._roles

    @cached_property
    def _roles(self) -> frozenset[tuple[str, str, str]]:
        own = ((mark.table, str(getattr(self, name)), mark.needs) for name, mark in _marked(type(self), Role))
        return frozenset(own).union(*(part.roles() for part in self.parts()))

    def spec(self) -> dict[str, Any]:
        """Returns the component as JSON values, with all defaults; building them gives an equal component."""
        fields = {name: _plain(getattr(self, name)) for name in type(self).model_fields}
        return {"kind": self.kind, **fields} if self.family else fields

    @cached_property
    def key(self) -> str:
        """Hash of everything that can change this component's output: kind, version, settings and identity."""
        return content_key(self.key_facts())

    def key_facts(self) -> dict[str, Any]:
        """Returns the facts that `key` hashes; an inner component is represented by its own key."""
        found = {name: getattr(self, name) for name in _hashed(type(self))}
        for name in self.later_fields & found.keys():
            if found[name] == fields_of(type(self))[name].default:
                del found[name]
        fields = {name: _key_facts(value) for name, value in found.items()}
        named = self.key_name or self.kind
        return {"kind": named, "version": self.version, "fields": fields, "identity": dict(self.identity())}

    @classmethod
    def wanting(cls) -> str:
        """Returns an error text that names the methods this class must still define; empty if complete."""
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        return f"is abstract. Define {' and '.join(signature(cls, name) for name in missing)}." if missing else ""

    @classmethod
    def build(cls, value: object, context: Any = None) -> Self:  # noqa: ANN401 - pydantic's validation context
        """Returns the component that `value` describes: an instance, a kind name, or a mapping with `kind`."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            kind, fields = value, {}
        elif isinstance(value, Mapping):
            fields = dict(value)
            kind = fields.pop("kind", None)
        else:
            kind, fields = None, {}
        if not isinstance(kind, str):
            raise _problem(f"needs a kind of {cls.family}: {_listing(cls.family)}.")
        found = find_kind(cls, kind)
        try:
            return found.model_validate(fields, context=context)
        except ValidationError as error:
            raise PydanticCustomError(
                "part", "{problem}", {"problem": _sentences(error), "nested": error, "cls": found}
            ) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Makes a field annotated with a family accept the same values as `build`."""
        if cls.__dict__.get("family"):
            return core_schema.with_info_plain_validator_function(
                lambda value, info: cls.build(value, info.context),
                serialization=core_schema.plain_serializer_function_ser_schema(lambda part: part.spec()),
            )
        return handler(source)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describes a field annotated with a family as accepting any component of that family."""
        if cls.__dict__.get("family"):
            return {FAMILY_MARK: cls.family}
        return handler(schema)


@cache
def fields_of(part: type[Component]) -> Mapping[str, FieldInfo]:
    """Returns a component class's fields by name, cached because pydantic recomputes them on every access."""
    return part.model_fields


@cache
def _marked(part: type[Component], mark: type[MarkT]) -> Sequence[tuple[str, MarkT]]:
    """Returns the fields of a component class that have marks of this type, with each mark."""
    return [(name, one) for name, info in fields_of(part).items() for one in info.metadata if isinstance(one, mark)]


@cache
def _hashed(part: type[Component]) -> Sequence[str]:
    """Returns the fields that a component's key may hash, in order."""
    return [name for name, info in fields_of(part).items() if Execution not in info.metadata]


@cache
def templates_of(part: type[Component]) -> Mapping[str, Template]:
    """Returns the prompt templates that a component class and its ancestors declare, keyed by field name."""
    ancestors = [ancestor for ancestor in reversed(part.__mro__) if issubclass(ancestor, Component)]
    return {name: mark for ancestor in ancestors for name, mark in _marked(ancestor, Template)}


def kind_of(part: type[Component]) -> str:
    """Returns the name of a component class in YAML."""
    home = f"ragvlc.{part.family}."
    if part.family and part.__module__.startswith(home):
        return part.__module__.removeprefix(home)
    return f"{part.__module__}:{part.__qualname__}"


@cache
def known_kinds(family: str) -> tuple[str, ...]:
    """Returns the sorted names of the components shipped in a family's folder: files without a leading underscore."""
    package = importlib.import_module(f"ragvlc.{family}")
    return tuple(sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")))


def find_kind(family: type[PartT], kind: str) -> type[PartT]:
    """Returns the component class called `kind`. Raises a pydantic error with the known names and the nearest one."""
    if ":" in kind:
        return _outside(family, kind)
    if kind not in known_kinds(family.family):
        hint = nearest(kind, known_kinds(family.family))
        raise _problem(f"'{kind}' is no kind of {family.family}. Known: {_listing(family.family)}.{hint}")
    module = importlib.import_module(f"ragvlc.{family.family}.{kind}")
    for _, member in inspect.getmembers(module, inspect.isclass):
        if issubclass(member, family) and member.__module__ == module.__name__ and not member.__name__.startswith("_"):
            return member
    message = f"{module.__name__} defines no public {family.__name__}"
    raise TypeError(message)


def _outside(family: type[PartT], kind: str) -> type[PartT]:
    part = imported(kind)
    if not (inspect.isclass(part) and issubclass(part, family)):
        raise _problem(f"'{kind}' is not a subclass of ragvlc.families.{family.__name__}.")
    if wanting := part.wanting():
        raise _problem(f"'{kind}' {wanting}")
    return part


def _problem(message: str) -> PydanticCustomError:
    return PydanticCustomError("kind", "{problem}", {"problem": message})


def _sentences(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


def _listing(family: str) -> str:
    return ", ".join(known_kinds(family)) + ", or module:Class"


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _parts_in(value: object) -> Iterator[Component]:
    if type(value) in _SCALARS:  # most are, and asking what else they are takes time
        return
    if isinstance(value, Component):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _parts_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _parts_in(item)


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Component):
        return value.spec()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _key_facts(value: object) -> Any:  # noqa: ANN401 - JSON
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Component):
        return value.key
    if isinstance(value, Mapping):
        return {str(name): _key_facts(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_key_facts(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
