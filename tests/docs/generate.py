"""Writes what is made from the code: the README's table of kinds and the JSON Schemas. `make generate` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from ragvlc.schema import experiment_schema, kinds_table, pipeline_schema, replay_schema, text_of

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"\| family \| kinds \|\n(?:\|.*\n)+")


def generated() -> dict[Path, str]:
    """Returns the files and what they should hold."""
    readme = ROOT / "README.md"
    return {
        readme: TABLE.sub(lambda _: kinds_table() + "\n", readme.read_text(encoding="utf-8")),
        ROOT / "schema" / "pipeline.json": text_of(pipeline_schema()),
        ROOT / "schema" / "experiment.json": text_of(experiment_schema()),
        ROOT / "schema" / "replay.json": text_of(replay_schema()),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
