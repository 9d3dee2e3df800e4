"""L-Eval's own prompts, read from its authors' code in the user's copy: that code is under GPL-3.0, so none is here.

`Baselines/LEval_config.py` has the system messages, one a set, in the function `get_sys_prompt`, and
`Baselines/turbo16k-test.py` the messages around a document, assigned to `context`: of exams first, of the other sets
second. The code is parsed, not run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ragvlc.core.errors import DatasetError

__all__ = ["LevalPrompts", "prompts_in"]

SYSTEM, MESSAGES = "LEval_config.py", "turbo16k-test.py"
_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LevalPrompts:
    """The authors' prompts.

    Attributes:
        system: (words in the file's name or the metric, system message), the first that fits counts; "" fits always.
        exam: message of exams.
        other: message of other sets, with `{length}`.
    """

    system: tuple[tuple[str, str], ...]
    exam: str
    other: str

    def system_of(self, name: str, *, exam: bool) -> str:
        """Returns the system message of a set."""
        where = f"{name} exam_eval" if exam else name
        return next(text for word, text in self.system if word in where)


@lru_cache(maxsize=8)
def prompts_in(folder: Path) -> LevalPrompts:
    """Returns the prompts in the authors' folder `Baselines`. Raises `DatasetError`."""
    system = _parsed(folder / SYSTEM)
    functions = [
        node for node in ast.walk(system) if isinstance(node, ast.FunctionDef) and node.name == "get_sys_prompt"
    ]
    found = tuple(_system(functions[0].body)) if functions else ()
    messages = [
        _text(node.value)
        for node in ast.walk(_parsed(folder / MESSAGES))
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["context"]
    ]
    if not found or found[-1][0] or len(messages) != 2:
        raise DatasetError(f"{folder}: {SYSTEM} and {MESSAGES} have no prompts in the form that L-Eval published.")
    exam, other = (text.replace("{}", "{document}", 1).replace("{}", "{instruction}", 1) for text in messages)
    return LevalPrompts(found, exam, other)


def _parsed(path: Path) -> ast.Module:
    try:
        with path.open("rb") as file:
            return ast.parse(file.read(_BYTES))
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read: {error.strerror or error}. prompts: official reads L-Eval's prompts from its "
            "authors' code (GPL-3.0): name the folder Baselines of https://github.com/OpenLMLab/LEval in code."
        ) from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{path}: is no Python code: {error}") from error


def _system(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yields the word and the text of each branch of a chain of `if "word" in name: prompt = "text"`."""
    branch = next((node for node in body if isinstance(node, ast.If)), None)
    while branch is not None:
        test = branch.test
        if not (isinstance(test, ast.Compare) and isinstance(test.left, ast.Constant)):
            return
        yield str(test.left.value), _assigned(branch.body)
        rest = branch.orelse
        branch = rest[0] if len(rest) == 1 and isinstance(rest[0], ast.If) else None
        if branch is None and rest:
            yield "", _assigned(rest)


def _assigned(body: list[ast.stmt]) -> str:
    return next((_text(node.value) for node in body if isinstance(node, ast.Assign)), "")


def _text(node: ast.expr) -> str:
    """Returns a string constant, an f-string with `{length}` for its only value, or the sum of such."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join("{length}" if isinstance(part, ast.FormattedValue) else _text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return ""
