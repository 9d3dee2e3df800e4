"""Every shipped kind keeps every clause of its family's contract, as `ragvlc check-kind` tries it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.engines import Prompt, TextEngine, Tokenizer, VectorEngine
from ragvlc.core.families import Route
from ragvlc.engines.batching import dtypes
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.families import FAMILIES
from ragvlc.generators.scripted import Scripted
from ragvlc.reading.escalation import Wrapper
from ragvlc.testing import FunctionEngine, ScriptedPool
from ragvlc.testing.clauses import parts
from ragvlc.testing.clauses.metrics import scores_of
from ragvlc.testing.clauses.routes import given
from ragvlc.testing.contract import clauses_of, tried
from ragvlc.testing.trial import Trial, pipeline_of, toy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trial(any_kind, settings_of) -> Trial:
    family, kind = any_kind
    with Trial(find_kind(FAMILIES[family], kind), settings_of(family, kind)) as trial:
        yield trial


def test_it_keeps_the_clause(trial, clause):
    result = tried(clause, trial)
    assert result.problem == "", result.problem
    assert result.notes == ()  # nothing of a shipped kind goes untried


@pytest.fixture(params=[{"avx2"}, {"avx2", "avx512_bf16"}], ids=["32-bit only", "16-bit"])
def processor(request, monkeypatch) -> None:
    """What this machine's processor says that it can: where it lacks 16-bit numbers, parts settle on other formats."""
    monkeypatch.setattr(dtypes, "cpu_flags", lambda: frozenset(request.param))


@pytest.mark.usefixtures("processor")
def test_settings_are_in_the_key_whatever_the_processor(trial):
    result = tried(parts.every_setting_is_in_the_key_unless_it_is_execution, trial)
    assert (result.problem, result.notes) == ("", ())


def test_every_family_has_a_contract_of_its_own():
    for family in FAMILIES.values():
        kind = find_kind(family, known_kinds(family.family)[0])
        assert len(clauses_of(kind)) > len(parts.CLAUSES) + len(parts.SHIPPED_CLAUSES), family


def test_no_two_kinds_have_the_same_key(build):
    kinds = defaultdict(list)
    for family in FAMILIES:
        for kind in known_kinds(family):
            kinds[build(family, kind).key].append((family, kind))
    assert [names for names in kinds.values() if len(names) > 1] == []


def test_shipped_metrics_have_a_worst_and_a_best_answer(metric_kind, settings_of):
    with Trial(find_kind(FAMILIES["metrics"], metric_kind), settings_of("metrics", metric_kind)) as trial:
        scores = scores_of(trial)
        assert min(scores) == 0
        # LongBench's ROUGE ends at .999999995, and METEOR's penalty for the order of words is never 0.
        assert max(scores) == pytest.approx(1, abs=0.01 if metric_kind == "loogle_meteor" else 1e-7)


def test_shipped_routes_give_all_that_they_say_and_metrics_say_what_they_need(build, settings_of):
    words = Route.gives
    for kind in known_kinds("routes"):
        with Trial(find_kind(FAMILIES["routes"], kind), settings_of("routes", kind)) as trial:
            pipeline = pipeline_of({"it": trial.build()})
            found = [given(trial.ask(pipeline, example).answer) for example in toy()]
            wrapped = issubclass(trial.part, Wrapper)  # which may need its second route for nothing here
            assert frozenset().union(*found) == pipeline.routes["it"].provides() or wrapped, kind
    needs = {kind: build("metrics", kind).needs for kind in known_kinds("metrics")}
    assert all(own and own <= words for own in needs.values()), needs


def test_metrics_have_labels_of_their_own(build):
    labels = [build("metrics", kind).label for kind in known_kinds("metrics")]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"[\w. /-]+", label) for label in labels)  # what a tracker takes for a name


def test_scripted_engines_keep_the_protocols(tmp_path):
    pool, words = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path), WordTokenizer()
    assert isinstance(pool.text(Scripted()), TextEngine)
    assert isinstance(pool.vectors(None), VectorEngine)
    assert isinstance(pool.tokenizer(Scripted()), Tokenizer)
    assert words.count("a b") == len(words.render(Prompt("a b"))) == 2


def test_generated_files_know_it(any_kind):
    """The one thing that a new file in a family's folder asks for beside itself."""
    family, kind = any_kind
    [row] = re.findall(
        rf"^\| {family} \| (.*) \|$", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert f"`{kind}`" in row, "run: make generate"
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "schema").glob("*.json")]
    assert any(f"{family}.{kind}" in schema.get("$defs", ()) for schema in schemas), "run: make generate"
