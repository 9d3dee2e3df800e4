"""The facts of a sweep's cells and questions that its results folder holds: `cells.json` and `examples-*.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragvlc import config
from ragvlc.core.component import Component
from ragvlc.core.families import Generator
from ragvlc.core.paths import walk
from ragvlc.documents.dataset import loaded
from ragvlc.results.applicable import inapplicable
from ragvlc.results.generated import generated_share
from ragvlc.results.official import official_metrics
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.results.stored import StoredRows
from ragvlc.sweep.plan import Cell, remarks_of
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.spec import Sweep

__all__ = [
    "identities",
    "load_questions",
    "planned_cells",
    "prices",
    "question_facts",
    "resolved_cell",
    "stored_rows",
    "write_plan",
]


def load_questions(sweep: Sweep, cells: Sequence[Cell]) -> dict[str, QuestionSet]:
    """Loads each data set once; returns the questions, keyed by data set key."""
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    return {key: QuestionSet(examples, sweep.metrics) for key, examples in loaded(datasets).items()}


def write_plan(sweep: Sweep, cells: Sequence[Cell], store: SweepStore) -> dict[str, QuestionSet]:
    """Loads each data set once and writes the sweep's plan; returns the questions, keyed by data set key."""
    asked = load_questions(sweep, cells)
    files = {key: store.write_examples(key, own.facts) for key, own in asked.items()}
    facts = {key: question_facts(cells, key, files[key], own) for key, own in asked.items()}
    store.write_cells(config.to_yaml(sweep.spec()), planned_cells(sweep, cells, facts))
    return asked


def question_facts(cells: Sequence[Cell], key: str, file: str, asked: QuestionSet) -> dict[str, Any]:
    """Returns the facts of a cell about its questions: those of the data set with this key, stored in `file`."""
    losses = next([dict(one) for one in cell.dataset.losses()] for cell in cells if cell.dataset.key == key)
    generated = generated_share((facts["tags"] for facts in asked.facts), asked.skipped)
    return {
        "examples": file,
        "data_key": asked.data_key,
        "skipped": asked.skipped,
        **({"losses": losses} if losses else {}),
        **({"notes": list(asked.notes)} if asked.notes else {}),
        **({"generated": generated.tags()} if generated else {}),
    }


def planned_cells(
    sweep: Sweep, cells: Sequence[Cell], questions: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the facts of each cell that `cells.json` holds.

    Args:
        sweep: what is compared.
        cells: in the order of the plan.
        questions: `question_facts` by data set key.
    """
    return [
        {
            "key": cell.key,
            "name": cell.name,
            "pipeline": cell.pipeline_name,
            "pipelines": list(cell.pipelines),
            "settings": dict(cell.settings),
            "dataset": cell.dataset.name,
            "repeat": cell.repeat,
            "seed": cell.seed,
            "control": cell.control,
            "latency": cell.latency,
            **questions[cell.dataset.key],
            "metrics": [metric.label for metric in sweep.metrics],
            "baseline": sweep.baseline or next(iter(sweep.pipelines)),
            "replaceable": sweep.replaceable,
            "max_failures": sweep.max_failures,
            **_inapplicable(cell, sweep),
            **({"decide": sweep.decide.spec()} if sweep.decide else {}),
            **({"effective_length": sweep.effective_length.spec()} if sweep.effective_length else {}),
            **({"remarks": remarks} if (remarks := remarks_of(cell)) else {}),
            "smaller_is_better": [metric.label for metric in sweep.metrics if metric.smaller_is_better],
            **({"official": official} if (official := official_metrics(sweep.metrics)) else {}),
            "prices": prices(cell),
            **(_models(cell, sweep) if "generated" in questions[cell.dataset.key] else {}),
        }
        for cell in cells
    ]


def resolved_cell(cell: Cell) -> dict[str, Any]:
    """Returns what a cell's `resolved.yaml` holds: its settings, and the facts outside them that its key holds."""
    found = identities(cell)
    return {
        "name": cell.name,
        "pipeline": cell.pipeline.spec(),
        "dataset": cell.dataset.spec(),
        "settings": dict(cell.settings),
        "seed": cell.seed,
        "latency": cell.latency,
        **({"identity": found} if found else {}),
    }


def identities(cell: Cell) -> dict[str, dict[str, Any]]:
    """Returns the facts outside the settings that can change a cell's answers, such as hashes of model files."""
    parts = ((path, part) for path, part in walk(cell.pipeline) if isinstance(part, Component))
    return {path: facts for path, part in parts if (facts := dict(part.identity()))}


def prices(cell: Cell) -> dict[str, Any]:
    """Returns the prices of a cell's generators, by role."""
    models = cell.pipeline.generators.items()
    return {role: model.price.spec() for role, model in models if model.price is not None}


def _models(cell: Cell, sweep: Sweep) -> dict[str, Any]:
    """Returns the names of the models that answer and judge, one of which may have written the questions."""
    judges = [part for metric in sweep.metrics for part in metric.parts() if isinstance(part, Generator)]
    answering = list(cell.pipeline.generators.values())
    return {"models": {"answer": sorted(map(_name, answering)), "judge": sorted(map(_name, judges))}}


def _name(model: Generator) -> str:
    spec = model.spec()
    return str(spec.get("model") or spec.get("chat_model") or model.kind)


def _inapplicable(cell: Cell, sweep: Sweep) -> dict[str, Any]:
    found = inapplicable(cell.pipeline.routes, sweep.metrics)
    return {"inapplicable": found} if found else {}


def stored_rows(cell: Cell, store: CellStore, asked: QuestionSet) -> StoredRows:
    """Returns the stored rows of a cell that belong to its questions, without scores of metrics that do not apply."""
    blank = inapplicable(cell.pipeline.routes, asked.metrics)
    return StoredRows(store, asked.questions, control=cell.control, prices=prices(cell), inapplicable=blank)
