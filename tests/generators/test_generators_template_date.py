"""Chat templates that print a date: pinned by a setting that is in the key, or said."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError
from tiny_chat import CHAT_TEMPLATE, make_tokenizer

from ragvlc.core.engines import Prompt
from ragvlc.core.errors import EngineError
from ragvlc.generators import transformers
from ragvlc.generators.langchain import LangChainGenerator
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.generators.vllm import VllmGenerator
from ragvlc.sweep.plan import plan, remarks
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

CLOCK = "{{ '<|start|>system\\n' + strftime_now('%d %B %Y, %H:%M') + '<|end|>\\n' }}" + CHAT_TEMPLATE
LLAMA = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{{ '<|start|>system\\n' + date_string + '<|end|>\\n' }}" + CHAT_TEMPLATE
)
IN_A_MACRO = (
    "{% macro opening(day) %}{{ '<|start|>system\\n' + day + ' or ' + strftime_now(\"%Y-%m-%d\") + '<|end|>\\n' }}"
    "{% endmacro %}{{ opening(strftime_now(format='%Y')) }}" + CHAT_TEMPLATE
)
SENTENCE = "prints today's date, so prompts of different days differ"


@pytest.fixture
def folder(tmp_path) -> Path:
    make_tokenizer().save_pretrained(tmp_path / "chat")
    transformers._tokenizer.cache_clear()
    return tmp_path / "chat"


def write(folder: Path, template: object) -> None:
    """Writes a chat template, or named ones, as a tokenizer's files of today or of earlier."""
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
    transformers._tokenizer.cache_clear()


def prompt(folder: Path, **settings: object) -> str:
    tokenizer = TransformersGenerator(model=str(folder), **settings).tokenizer()
    return tokenizer._control_aware.decode(tokenizer.render(Prompt("Where?")), skip_special_tokens=False)


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        (CLOCK, "01 January 2026, 00:00"),
        (LLAMA, "01 Jan 2026"),
        (IN_A_MACRO, "2026 or 2026-01-01"),
        ([{"name": "tool_use", "template": "-"}, {"name": "default", "template": CLOCK}], "01 January 2026, 00:00"),
    ],
)
@pytest.mark.parametrize("kind", [TransformersGenerator, VllmGenerator])
def test_the_setting_is_printed_and_in_the_key(folder, template, printed, kind):
    write(folder, template)
    assert printed in prompt(folder, template_date="2026-01-01")
    first, second = (kind(model=str(folder), template_date=date(2026, 1, day)) for day in (1, 2))
    assert first.key != second.key
    assert first.key != kind(model=str(folder)).key
    assert first.tokenizer().id != second.tokenizer().id
    assert first.tokenizer().vocabulary == second.tokenizer().vocabulary
    assert first.lasting
    assert first.remarks() == []
    assert first.template_date == "2026-01-01"


def test_a_file_of_its_own_counts(folder):
    write(folder, CHAT_TEMPLATE)
    (folder / "chat_template.jinja").write_text(CLOCK)
    assert not TransformersGenerator(model=str(folder)).lasting
    assert "01 January 2026" in prompt(folder, template_date="2026-01-01")


def test_no_date_leaves_the_key_and_the_prompt(folder):
    write(folder, CHAT_TEMPLATE)
    plain, dated = (TransformersGenerator(model=str(folder), template_date=day) for day in (None, "2026-01-01"))
    assert plain.key == dated.key
    assert plain.tokenizer().id == dated.tokenizer().id
    assert plain.lasting
    assert prompt(folder) == prompt(folder, template_date="2026-01-01")


def test_llamas_date_stays_what_it_was(folder):
    write(folder, LLAMA)
    spec = TransformersGenerator(model=str(folder))
    assert "26 Jul 2024" in prompt(folder)
    assert spec.lasting
    assert spec.remarks() == []
    assert "5 May" in prompt(folder, template_options={"date_string": "5 May"}, template_date="2026-01-01")


def test_a_clock_makes_other_tokenizers_and_is_said(folder, monkeypatch):
    write(folder, CLOCK)
    ids = []
    for year in (2026, 2027):
        import transformers.utils.chat_template_utils as library

        class Clock(library.datetime):
            @classmethod
            def now(cls, _year=year, **_):
                return cls(_year, 3, 4, 5, 6)

        monkeypatch.setattr(library, "datetime", Clock)
        assert f"04 March {year}, 05:06" in prompt(folder)
        ids.append(TransformersGenerator(model=str(folder)).tokenizer().id)
        transformers._tokenizer.cache_clear()
    assert ids[0] != ids[1]
    spec = TransformersGenerator(model=str(folder))
    assert not spec.lasting
    assert SENTENCE in spec.remarks()[0]


@pytest.mark.parametrize("kind", [OpenAICompatible, LangChainGenerator])
def test_a_served_models_date_is_said(folder, kind):
    served = {
        OpenAICompatible: {"url": "http://localhost:1/v1", "model": "m"},
        LangChainGenerator: {"chat_model": "chat_models:Made"},
    }[kind]
    write(folder, CLOCK)
    dated = kind(**served, tokenizer_from=str(folder))
    assert "prints today's date, and so may the server" in dated.remarks()[0]
    assert not dated.lasting
    write(folder, LLAMA)
    assert kind(**served, tokenizer_from=str(folder)).remarks() == []
    assert kind(**served).remarks() == []


def test_templates_that_cannot_be_rendered_say_why(folder):
    write(folder, "{{ strftime_now('%' + 'Y') }}" + CHAT_TEMPLATE)
    with pytest.raises(EngineError, match="its format is not written in the template"):
        prompt(folder, template_date="2026-01-01")
    write(folder, "{{ raise_exception('only tools') }}")
    with pytest.raises(EngineError, match="refuses these messages: only tools"):
        prompt(folder)
    write(folder, "{{ now().year }}" + CHAT_TEMPLATE)
    with pytest.raises(EngineError, match="'now' is undefined"):
        prompt(folder)
    write(folder, [{"name": "tool_use", "template": CHAT_TEMPLATE}, {"name": "rag", "template": CHAT_TEMPLATE}])
    with pytest.raises(EngineError, match="several chat templates and none is called default: rag, tool_use"):
        prompt(folder)


@pytest.mark.parametrize("value", ["tomorrow", "2026-13-01", 5, True])
def test_what_is_no_date_is_refused(value):
    with pytest.raises(ValidationError, match="template_date"):
        TransformersGenerator(template_date=value)


def test_it_is_said_before_a_run_and_in_the_report(tiny_model, tmp_path, caplog):
    from ragvlc.analysis.page import html_page
    from ragvlc.analysis.report import terminal_report
    from ragvlc.analysis.results import Results

    folder = tmp_path / "chat"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    write(folder, CLOCK)
    generator = {"kind": "transformers", "model": str(folder), "device": "cpu"}
    pipeline = {"generators": {"main": generator}, "routes": {"bare": {"kind": "closed_book", "answer_tokens": 2}}}
    sweep = Sweep.model_validate(
        {"name": "dated", "dataset": "toy", "pipelines": {"bare": pipeline}, "metrics": ["contains"]}
    )
    assert SENTENCE in remarks(plan(sweep))[0]
    results = Results.load(run_sweep(sweep, tmp_path / "runs").folder)
    assert SENTENCE in caplog.text
    assert "Of the models:" in terminal_report(results)
    assert SENTENCE in html_page(results).replace("&#39;", "'")
