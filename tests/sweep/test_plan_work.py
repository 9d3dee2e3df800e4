"""What planning many cells does once: it looks at the models and data of a sweep, not at those of every cell."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ragvlc import config
from ragvlc.core.errors import ConfigError
from ragvlc.generators.scripted import Scripted
from ragvlc.sweep.plan import distinct_work, plan, remarks
from ragvlc.sweep.spec import Sweep

looked: Counter[str] = Counter()


class Watched(Scripted):
    """A model whose files would be read for each remark and refusal."""

    refused: bool = False

    def remarks(self) -> list[str]:
        looked["remarks"] += 1
        return ["is quantised"]

    def refusals(self) -> list[str]:
        looked["refusals"] += 1
        return ["is not there"] if self.refused else []


def swept(**model: Any) -> Sweep:
    rag = {
        "generators": {"main": {"kind": f"{__name__}:Watched", **model}},
        "routes": {"rag": {"kind": "retrieve", "retriever": "bm25"}},
    }
    axes = {
        "routes.rag.chunker.size": [32, 64],
        "routes.rag.selector.k": [1, 2, 3],
        "generators.main.default": ["a", "b"],
    }
    data = {"name": "s", "dataset": "toy", "pipelines": {"one": rag, "two": rag}, "axes": axes, "metrics": ["contains"]}
    return config.build(Sweep, data | {"tracker": "none"}, "s.yaml")


@pytest.fixture(autouse=True)
def unseen() -> None:
    looked.clear()


def test_a_model_is_looked_at_once_for_all_cells_that_share_it() -> None:
    cells = plan(swept())
    assert len(cells) == 12
    assert [cell.pipelines for cell in cells] == [("one", "two")] * 12
    assert remarks(cells) == ["is quantised"]
    # Two values of its own setting; equal cells of both pipelines are merged before.
    assert looked == {"refusals": 2, "remarks": 2}


def test_a_refusal_is_told_once_for_all_cells() -> None:
    with pytest.raises(ConfigError) as caught:
        plan(swept(refused=True))
    assert caught.value.problems == ("s: pipelines.one: is not there",)


def test_shared_work_depends_on_the_models_that_cut_and_rank() -> None:
    assert distinct_work(plan(swept())) == {"chunkings": 2, "rankings": 2}
