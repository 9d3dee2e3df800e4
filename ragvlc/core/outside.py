"""Imports classes of other packages, named `module:Class`; import errors state the file and line."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pydantic_core import PydanticCustomError

from ragvlc.core.errors import nearest, raised_at

__all__ = ["file_of", "imported", "signature"]


def file_of(part: type) -> str:
    """Returns the file that defines a class; empty for a class defined in a notebook."""
    return getattr(sys.modules.get(part.__module__), "__file__", None) or ""


def signature(cls: type, name: str) -> str:
    """Returns the signature of a method as source text, or the words `the property NAME`."""
    found: object = inspect.getattr_static(cls, name)
    if isinstance(found, property):
        return f"the property {name}"
    return f"{name}{inspect.signature(getattr(cls, name))}".replace("'", "")


def imported(kind: str) -> object:
    """Returns the object named `module:Class`. Raises a pydantic error that says why and where the import failed."""
    module_name, _, class_name = kind.partition(":")
    if not module_name or not class_name:
        raise _not_imported(f"'{kind}' needs a module and a class: module:Class.")
    try:
        module = _module(module_name)
    except Exception as error:  # whatever the module's own code raises
        said = error.msg if isinstance(error, SyntaxError) else (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise _not_imported(
                f"'{kind}' cannot be imported: {said}, neither installed nor in {Path.cwd()}."
            ) from error
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        own = next((file for file in files if file != __file__ and "importlib" not in file), "")
        where = f"{error.filename}, line {error.lineno}" if isinstance(error, SyntaxError) else raised_at(error, own)
        raise _not_imported(f"'{kind}' cannot be imported: {type(error).__name__}: {said} ({where}).") from error
    found: object = module
    for step in class_name.split("."):
        if not hasattr(found, step):
            known = [name for name, member in vars(module).items() if inspect.isclass(member)]
            raise _not_imported(f"'{kind}' cannot be imported: {module_name} has no '{step}'.{nearest(step, known)}")
        found = getattr(found, step)
    return found


def _module(name: str) -> ModuleType:
    """Imports the named module; also searches the current folder, which is not on a command's import path."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        root, here = name.partition(".")[0], Path.cwd()
        there = (here / f"{root}.py").is_file() or (here / root).is_dir()
        if error.name != root or not there or str(here) in sys.path:
            raise
    sys.path.append(str(here))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _not_imported(message: str) -> PydanticCustomError:
    return PydanticCustomError("kind", "{problem}", {"problem": message})
