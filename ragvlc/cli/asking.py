"""Commands `ask` and `check`: one question over documents, and a check of the documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import app, out
from ragvlc.cli.asking_several import compare_on_page, page_place, sorted_words, unique_documents
from ragvlc.core.errors import ConfigError

if TYPE_CHECKING:
    from ragvlc.core.answer import Answer
    from ragvlc.core.data import Document, Query, Span
    from ragvlc.documents.balance import Balance


@app.command()
def ask(  # noqa: PLR0913, PLR0917 - options of a command are parameters
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PIPELINE] [DOCUMENT]... [QUESTION]...",
            help="A pipeline (a YAML file or a shipped name), files or folders of documents, and questions.",
            show_default=False,
        ),
    ] = None,
    pipeline: Annotated[
        list[str] | None, typer.Option("--pipeline", "-p", help="A pipeline to compare; may be repeated.")
    ] = None,
    document: Annotated[
        list[Path] | None,
        typer.Option("--document", "-d", help="A file to ask about, or a folder of files; may be repeated."),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="A table of questions, with answers if known; or a text, one a line."),
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", help="An option of a multiple-choice question; may be repeated.")
    ] = None,
    allow_loss: Annotated[
        float,
        typer.Option(
            "--allow-loss", min=0, max=1, help="Share of a file's text that may be missing; 1 skips unreadable files."
        ),
    ] = 0.01,
    trace: Annotated[
        bool, typer.Option("--trace", help="Of one pipeline and question: passages, steps, tokens and seconds.")
    ] = False,
    page: Annotated[Path, typer.Option("--page", help="Where to write the page that compares.")] = Path("ask.html"),
) -> None:
    """Answer one question over your documents; or several, by several pipelines, side by side on one page.

    Without a pipeline, full context and retrieval of the packaged model are compared.
    """
    from ragvlc.asking.ask import AskedQuestions
    from ragvlc.core.data import Query

    asked = sorted_words(words or (), pipeline or (), document or (), questions)
    several = len(asked.pipelines) > 1 or len(asked.questions) > 1 or questions is not None
    if several and trace:
        raise ConfigError("--trace: is of one pipeline and one question. The page shows what each of several read.")
    if several and choice and (questions is not None or len(asked.questions) > 1):
        raise ConfigError("--choice: are the options of one question. Options of several belong into --questions FILE.")
    place = page_place(page) if several else page
    read = [_documents(path, allow_loss) for path in asked.documents]
    documents = unique_documents([one for found, _ in read for one in found])
    queries = [Query(f"q{place + 1}", text, tuple(choice or ())) for place, text in enumerate(asked.questions)]
    if several:
        balances = tuple(balance for _, found in read for balance in found)
        compare_on_page(AskedQuestions(tuple(documents), tuple(queries), questions, balances), asked, place)
    else:
        _answer_one(asked.pipelines[0], queries[0], documents, trace=trace)


def _answer_one(pipeline: str, query: Query, documents: Sequence[Document], *, trace: bool) -> None:
    from ragvlc.pipeline import Pipeline
    from ragvlc.results.unanswered import advice, cause, unanswered

    with Pipeline.load(pipeline) as loaded:
        answer = loaded.answer(query, documents)
        ranks_only = loaded.routes[answer.route].ranks_only
    if ranks_only:
        _print_ranking(answer, {one.id: one.text for one in documents})
    else:
        out().print(answer.text)
        if unanswered(answer):
            sys.stderr.write(f"no answer: {advice([{cause(answer): 1}])[0]}\n")
    if answer.dropped_tokens:
        sys.stderr.write(
            f"{answer.dropped_tokens:,} tokens of the documents did not fit the window and were not read.\n"
        )
    if answer.unread_tokens:
        sys.stderr.write(
            f"The server read {answer.unread_tokens:,} prompt tokens fewer than were sent: it cut them off. "
            f"Start it with a larger window, and set window: to that.\n"
        )
    if trace:
        _print_trace(answer, {one.id: one.text for one in documents})


@app.command()
def check(
    target: Annotated[
        str, typer.Argument(help="A folder or file of documents, a folder of JSON Lines, or an experiment.")
    ],
    tokenizer: Annotated[
        str | None, typer.Option(help="Model whose tokenizer counts tokens: hub id, folder, or packaged:NAME.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Also count the documents that exceed this context window.")
    ] = None,
) -> None:
    """Check documents or a data set: size, token counts and problems to fix. Loads no model."""
    from ragvlc.check import check as examined

    found = examined(target, tokenizer or "", window)
    for one in found:
        for part in one.renderables():
            out().print(part)
    sys.exit(1 if any(one.problems for one in found) else 0)


def _documents(path: Path, allowed: float) -> tuple[tuple[Document, ...], tuple[Balance, ...]]:
    """Returns documents with the balance sheets of their files; prints a warning for missing text and guesses."""
    from ragvlc.documents.sources import accounted_documents

    remedy = "Mend the files, take them out of the folder, or go on without what is missing: --allow-loss 1."
    documents, balances = accounted_documents(path, allowed, remedy=remedy)
    for one in balances:
        if one.loss:
            sys.stderr.write(f"not read in full: {one.losses()}\n")
        if one.encoding and one.encoding.guessed:
            sys.stderr.write(f"{one.file}: {one.encoding.sentence()}.\n")
    return documents, balances


def _print_trace(answer: Answer, texts: dict[str, str]) -> None:
    screen = out()
    for step in [inner for root in answer.trace for inner in root.walk()]:
        facts = ", ".join(f"{name}={value}" for name, value in step.facts.items())
        screen.print(f"  {step.name}: {facts} ({step.seconds:.3f} s)")
    for span in answer.context:
        screen.print(f"  {_passage(span, texts)}")
    usage, timing = answer.usage, answer.timing
    screen.print(
        f"  route {answer.route}, {usage.prompt_tokens} prompt and {usage.completion_tokens} new tokens, "
        f"{timing.engine_seconds:.2f} s in the engine, finish: {answer.finish}"
    )


def _print_ranking(answer: Answer, texts: dict[str, str], shown: int = 10) -> None:
    for hit in answer.ranking[:shown]:
        out().print(f"{hit.score:.4g}  {_passage(hit.chunk.span, texts)}")


def _passage(span: Span, texts: dict[str, str]) -> str:
    text = " ".join(texts[span.document_id][span.start : span.end].split())
    text = text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"
    return f"[{span.document_id} {span.start}-{span.end}] {text}"
