"""Writes what is made from the code: the README's table of kinds and the JSON Schemas. `make generate` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from ragvlc.schema import kinds_table, schemas, text_of

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"\| family \| kinds \|\n(?:\|.*\n)+")


def generated() -> dict[Path, str]:
    """Returns the files and what they should hold."""
    readme = ROOT / "README.md"
    return {
        readme: TABLE.sub(lambda _: kinds_table() + "\n", readme.read_text(encoding="utf-8")),
        **{ROOT / "schema" / name: text_of(schema) for name, schema in schemas().items()},
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
