"""Paths as users give them: on the command line, in YAML files, in environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from ragvlc.core.errors import ConfigError

__all__ = ["path_of", "path_problem", "real_path"]

_LONGEST_NAME, _LONGEST = 255, 4095


def path_of(given: str | Path) -> Path:
    """Returns a path, with `~` replaced by the home folder. Raises `ConfigError` for what no system has as a path."""
    if problem := path_problem(given):
        raise ConfigError(f"'{str(given)[:60]}': {problem}.")
    return Path(os.path.expanduser(given))  # noqa: PTH111 - that of pathlib raises for the home of an unknown user


def real_path(path: Path) -> Path:
    """Returns an absolute path without symbolic links; one that leads to itself stays, and is no file."""
    return Path(os.path.realpath(path))


def path_problem(given: str | Path) -> str:
    """Returns why a text cannot be a path: systems refuse such ones with an error, where others are only missing."""
    text = os.fspath(given)
    if "\x00" in text:
        return "a path cannot have a null character"
    try:
        whole = os.fsencode(text)
    except UnicodeEncodeError:
        return "a path cannot have half a character"
    if len(whole) > _LONGEST or any(len(part) > _LONGEST_NAME for part in whole.split(os.fsencode(os.sep))):
        return f"too long for a path: a name has at most {_LONGEST_NAME} bytes"
    return ""
