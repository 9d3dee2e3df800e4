"""ragvlc compares full context, retrieval and routing between the two on your own documents and questions.

Names are imported when they are first used, so that a command or program pays for what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import ragvlc._early  # noqa: F401 - before the imports that take longest

if TYPE_CHECKING:
    from ragvlc.analysis.results import Results
    from ragvlc.core.answer import Answer
    from ragvlc.core.data import Document, Example, Query, Span
    from ragvlc.core.errors import RagvlcError
    from ragvlc.documents.files import read_document
    from ragvlc.integrity.verify import verify
    from ragvlc.pipeline import Pipeline
    from ragvlc.sweep.plan import plan
    from ragvlc.sweep.runner import run_sweep
    from ragvlc.sweep.spec import Sweep

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Document",
    "Example",
    "Pipeline",
    "Query",
    "RagvlcError",
    "Results",
    "Span",
    "Sweep",
    "plan",
    "read_document",
    "run_sweep",
    "verify",
]

_MODULES = {
    "Answer": "core.answer",
    "Document": "core.data",
    "Example": "core.data",
    "Pipeline": "pipeline",
    "Query": "core.data",
    "RagvlcError": "core.errors",
    "Results": "analysis.results",
    "Span": "core.data",
    "Sweep": "sweep.spec",
    "plan": "sweep.plan",
    "read_document": "documents.files",
    "run_sweep": "sweep.runner",
    "verify": "integrity.verify",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has this name
    if name not in _MODULES:
        message = f"module 'ragvlc' has no attribute '{name}'"
        raise AttributeError(message)
    found = globals()[name] = getattr(import_module(f"ragvlc.{_MODULES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
