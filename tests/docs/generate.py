"""Writes what is made from code and figures: tables, JSON Schemas, the page of speeds. `make generate` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from measured import page
from metrics_table import metrics_table

from ragvlc.documents.released import releases
from ragvlc.engines.remote.server_presets import PRESETS
from ragvlc.schema import kinds_table, schemas, text_of

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"\| family \| kinds \|\n(?:\|.*\n)+")

PRESET_TABLE = re.compile(r"(?<=<!-- presets -->\n)(?:\|.*\n)+")

SETS_TABLE = re.compile(r"(?<=<!-- sets -->\n)(?:\|.*\n)+")


METRICS_TABLE = re.compile(r"(?<=<!-- metrics -->\n)(?:\|.*\n)+")


def sets_table() -> str:
    """Returns the table of published benchmarks that load by name."""
    rows = [
        "| `kind` | benchmark | tasks | official metrics | official figure | prompts, cut | tried on | licence |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, one in releases().items():
        official = (f"yes; {one.cut}" if one.cut else "yes") if one.prompts else "no"
        metrics = ", ".join(f"`{name}`" for name in one.metrics)
        cells = (f"`{kind}`", f"[{one.title}]({one.homepage})", ", ".join(one.tasks), metrics, one.aggregate)
        rows.append(f"| {' | '.join((*cells, official, one.tried, one.licence))} |")
    return "\n".join(rows) + "\n"


def presets_table() -> str:
    """Returns the table of servers with presets."""
    rows = ["| server | sent otherwise | to know | source |", "| --- | --- | --- | --- |"]
    for name, preset in PRESETS.items():
        sent = ", ".join(f"`{field}: {other or 'null'}`" for field, other in preset.send.items()) or "-"
        source = ", ".join(f"[{place}]({url})" for place, url in enumerate(preset.source.split(", "), 1))
        rows.append(f"| `{name}` | {sent} | {preset.note or '-'} | {source}, read {preset.read} |")
    return "\n".join(rows) + "\n"


def generated() -> dict[Path, str]:
    """Returns the files and what they should hold."""
    extending, servers, sets = (ROOT / "docs" / f"{name}.md" for name in ("extending", "servers", "benchmarks"))
    return {
        extending: TABLE.sub(lambda _: kinds_table() + "\n", extending.read_text(encoding="utf-8")),
        servers: PRESET_TABLE.sub(lambda _: presets_table(), servers.read_text(encoding="utf-8")),
        sets: METRICS_TABLE.sub(
            lambda _: metrics_table(), SETS_TABLE.sub(lambda _: sets_table(), sets.read_text(encoding="utf-8"))
        ),
        ROOT / "docs" / "measured.md": page(),
        **{ROOT / "schema" / name: text_of(schema) for name, schema in schemas().items()},
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
