"""The command `init`: files to begin with, for a folder of documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragvlc.cli.app import app, out


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the documents.")],
    target: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path(),
    questions: Annotated[
        str, typer.Option(help="A table of questions to use; the template is written where there is none.")
    ] = "",
    model: Annotated[str, typer.Option(help="Local model that answers: packaged:NAME, a folder or a hub id.")] = "",
) -> None:
    """Write a template for questions, pipelines and an experiment that fit a folder of documents."""
    from ragvlc.starting import MODEL, start

    made = start(folder, target, questions=questions, model=model or MODEL)
    for path, what in made.files.items():
        out().print(f"{path}    {what}", soft_wrap=True)
    for fact in made.facts:
        out().print(f"- {fact}", soft_wrap=True)
    if made.problems:
        out().print("To mend before a run, or to allow in the experiment's dataset:")
    for problem in made.problems:
        out().print(f"- {problem}", soft_wrap=True)
    if made.template:
        out().print(f"Next: write your questions into {made.template}, then", soft_wrap=True)
    out().print(f"  ragvlc check {made.experiment}\n  ragvlc run {made.experiment}", soft_wrap=True)
