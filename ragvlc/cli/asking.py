"""One question over documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import app, out

if TYPE_CHECKING:
    from ragvlc.core.answer import Answer


@app.command()
def ask(
    pipeline: Annotated[str, typer.Argument(help="A YAML file or the name of a shipped pipeline.")],
    question: Annotated[str, typer.Argument(help="What to ask.")],
    document: Annotated[list[Path] | None, typer.Option("--document", "-d", help="A text file to ask over.")] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", help="An option of a multiple-choice question.")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Also show passages, steps, tokens and seconds.")] = False,
) -> None:
    """Answer one question over your documents."""
    from ragvlc.core.data import Query
    from ragvlc.datasets._files import read_document
    from ragvlc.pipeline import Pipeline

    documents = [read_document(path) for path in document or []]
    with Pipeline.load(pipeline) as loaded:
        answer = loaded.answer(Query("question", question, tuple(choice or ())), documents)
    out().print(answer.text)
    if trace:
        _print_trace(answer, {one.id: one.text for one in documents})


def _print_trace(answer: Answer, texts: dict[str, str]) -> None:
    screen = out()
    for step in [inner for root in answer.trace for inner in root.walk()]:
        facts = ", ".join(f"{name}={value}" for name, value in step.facts.items())
        screen.print(f"  {step.name}: {facts} ({step.seconds:.3f} s)")
    for span in answer.context:
        text = " ".join(texts[span.document_id][span.start : span.end].split())
        shown = text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"
        screen.print(f"  [{span.document_id} {span.start}-{span.end}] {shown}")
    usage, timing = answer.usage, answer.timing
    screen.print(
        f"  route {answer.route}, {usage.prompt_tokens} prompt and {usage.completion_tokens} new tokens, "
        f"{timing.engine_seconds:.2f} s in the engine, finish: {answer.finish}"
    )
