"""The command `datasets`: published benchmarks that load by name, with licence, citation, files and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import app, out
from ragvlc.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from ragvlc.documents.released import Release


@app.command("datasets")
def datasets(
    name: Annotated[str, typer.Argument(help="One benchmark, in detail; all by default.")] = "",
) -> None:
    """List the published benchmarks that load by name: tasks, licence, paper, files and sizes, official metrics."""
    from ragvlc.documents.released import releases

    known = releases()
    if name and name not in known:
        raise ConfigError(f"datasets {name}: not known. Known: {', '.join(known)}.{nearest(name, known)}")
    if name:
        _detail(name, known[name])
        return
    for kind, release in known.items():
        out().print(f"{kind}  {release.title}; {', '.join(release.tasks)}; {release.total}; {release.tried}")
        out().print(f"    licence: {release.licence}")
        out().print(f"    {release.citation}")
        out().print(f"    official metrics: {', '.join(release.metrics)}")
    out().print("Files, sizes and official prompts of one: ragvlc datasets NAME")


def _detail(kind: str, release: Release) -> None:
    lines = {
        "title": release.title,
        "tasks": ", ".join(release.tasks),
        "licence": release.licence,
        "paper": release.citation,
        "homepage": release.homepage,
        "files from": release.source + (f", packed in {release.archive}" if release.archive else ""),
        "hub": (
            f"{release.hub} at {release.revision or 'its newest revision'}" if release.hub else "not read from there"
        ),
        "metrics": ", ".join(release.metrics),
        "official figure": release.aggregate,
        "official prompts": "yes, prompts: official" if release.prompts else "no",
        "official cut": release.cut or "none",
        "tried on": release.tried,
    }
    out().print(f"{kind}")
    for word, text in lines.items():
        out().print(f"  {word:17} {text}")
    out().print(f"  {'files':17} {release.total}")
    for file in release.files:
        out().print(f"    {file}{f': {file.about}' if file.about else ''}")
    out().print(f"Read it: dataset: {{kind: {kind}, path: FOLDER}}")
