"""ragvlc compares full context, retrieval and routing between the two on your own documents and questions."""

import ragvlc._early  # noqa: F401 - before the imports that take seconds
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
