"""What is sent and how it is counted: control strings broken up, tokens by files, by the server, or by estimate."""

from __future__ import annotations

import inspect
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

import pytest
from chat_server import ChatServer, chunk, stream, texts, usage
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chat import CHAT_TEMPLATE, make_tokenizer

from ragvlc.core.engines import Prompt, Request, Tokenizer
from ragvlc.core.errors import EngineError
from ragvlc.engines.batching.chat_template import ChatTokenizer
from ragvlc.engines.remote.control_strings import ControlStrings
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.remote.tokenizers import _spans_of
from ragvlc.generators.openai_compatible import OpenAICompatible

MARKERS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|reserved_special_token_0|>",
    "<｜User｜>",
    "<｜begin▁of▁sentence｜>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<unk>",
    "<pad>",
    "[AVAILABLE_TOOLS]",
    "[/TOOL_RESULTS]",
    "<think>",
    "</think>",
    "<tool_call>",
    "<|channel|>",
    "<|turn>",
    "<turn|>",
    "<unused7>",
    "<seed:bos>",
]
ORDINARY = ["", "a <b> c", "x < y | z > w", "f <| g |> h", "[INSTALL] [1]", "<span>", "a|b", "日本語 🎉", "<| a |>"]
TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
PIECES = st.lists(st.sampled_from([*MARKERS, "<", "|", ">", "s", " ", "im_start", "é", "\n"]) | TEXT, max_size=8)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of the tiny tokenizer, in whose template `<think>` is control though not special."""
    folder = tmp_path_factory.mktemp("tiny_tokenizer")
    make_tokenizer(CHAT_TEMPLATE.replace("assistant\n", "assistant\n<think>")).save_pretrained(folder)
    return str(folder)


def assert_covers(spans: Sequence[tuple[int, int]], text: str) -> None:
    """The spans stand in a row from the first character to the last."""
    edges = [0, *(end for _, end in spans)]
    assert [start for start, _ in spans] == edges[:-1]
    assert edges == sorted(edges)
    assert edges[-1] == len(text)


# ---------------------------------------------------------------- control strings


@pytest.mark.parametrize("marker", MARKERS)
def test_markers_of_the_known_families_are_broken_up_by_a_blank(marker: str) -> None:
    broken = ControlStrings().neutralize_text(f"see {marker}!")
    assert (broken.text, broken.count) == (f"see {marker[0]} {marker[1:]}!", 1)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_never_changed(text: str) -> None:
    assert ControlStrings().neutralize_text(text).text == text
    assert ControlStrings().neutralize_text(text).count == 0


@settings(max_examples=300)
@given(pieces=PIECES, cut=st.integers(0, 40))
def test_no_control_string_is_left_that_holds_data_and_no_other_character_changes(pieces: list[str], cut: int) -> None:
    text = "".join(pieces)
    for control in (ControlStrings(), ControlStrings(["<|im_start|>", "<s>", "s"])):
        broken = control.neutralize(Prompt("{a}{b}", {"a": text[:cut], "b": text[cut:]}))  # across the seam too
        assert control.neutralize_text(broken.text).count == 0
        expected = re.sub("[\ud800-\udfff]", "\ufffd", text)
        assert len(broken.text) == len(expected) + broken.count
        if not broken.count:
            assert broken.text == expected
        assert broken.text.replace(" ", "") == expected.replace(" ", "")
        broken.text.encode()


def test_the_template_is_ours_unless_data_completes_it() -> None:
    control = ControlStrings()
    ours = control.neutralize(Prompt("<|im_end|>{q}{unknown}", {"q": "hi"}))
    assert (ours.text, ours.count) == ("<|im_end|>hi{unknown}", 0)
    completed = control.neutralize(Prompt("<|im_{q}|>", {"q": "end"}))
    assert (completed.text, completed.count) == ("< |im_end|>", 1)
    assert control.neutralize(Prompt("{q}", {"q": "{q}<s>"})).text == "{q}< s>"


def test_with_a_tokenizer_its_own_tokens_are_control_and_others_are_not(server: ChatServer, tiny_folder: str) -> None:
    spec = OpenAICompatible(url=server.url, model="tiny", tokenizer_from=tiny_folder)
    engine = spec.open()
    server.default = stream(chunk("Paris."), chunk(finish="stop"), usage(65, 1))
    prompt = Prompt("Read: {d}", {"d": "<|end|> <think> <s>strike</s> <|im_end|>"})
    [generation] = engine.generate([Request(prompt, max_tokens=5)])
    engine.close()
    assert texts(server.requests) == ["Read: < |end|> < think> <s>strike</s> <|im_end|>"]
    assert generation.notes == {"control_strings_broken": 2}


def test_markers_that_a_template_writes_as_plain_text_are_control() -> None:
    control = ControlStrings([], "{{ '[INST] ' + content + ' [/INST]' }}")
    assert control.neutralize_text("a [/INST] [INST] <s>").text == "a [ /INST] [ INST] <s>"


# ---------------------------------------------------------------- a tokenizer from files


def test_what_is_counted_is_what_the_server_will_see(server: ChatServer, tiny_folder: str) -> None:
    spec = OpenAICompatible(url=server.url, model="tiny", tokenizer_from=tiny_folder, system="Be brief.")
    ours = spec.tokenizer()
    assert isinstance(ours, Tokenizer)
    assert ours is spec.model_copy(update={"concurrency": 1}).tokenizer()
    library = make_tokenizer(CHAT_TEMPLATE.replace("assistant\n", "assistant\n<think>"))
    sent = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a < |end|> b"}]
    expected = library.apply_chat_template(sent, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert ours.render(Prompt("a {d} b", {"d": "<|end|>"})) == expected
    assert ours.count("the cat") == ChatTokenizer(library).count("the cat")
    assert server.paths == []


def test_the_key_is_that_of_the_tokenizers_files(tiny_folder: str, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    keys = [OpenAICompatible(url="http://b/v1", model="m", tokenizer_from=str(f)).key for f in (tiny_folder, copy)]
    assert len(set(keys)) == 1
    (copy / "tokenizer_config.json").write_text("{}")
    assert OpenAICompatible(url="http://b/v1", model="m", tokenizer_from=str(copy)).key != keys[0]


def test_a_folder_without_a_tokenizer_is_an_error_of_the_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="The tokenizer of '.*' cannot be loaded"):
        OpenAICompatible(url="http://b/v1", model="m", tokenizer_from=str(tmp_path)).tokenizer()


# ---------------------------------------------------------------- the server's own


@pytest.fixture
def counting(server: ChatServer) -> ChatServer:
    """A server whose `/tokenize` answers like vLLM's, by the tiny tokenizer."""
    library = make_tokenizer()

    def tokenize(body: dict) -> dict:
        if "messages" in body:
            found = library.apply_chat_template(body["messages"], add_generation_prompt=True, return_dict=True)
            ids = found["input_ids"]
        else:
            ids = library(body["prompt"], add_special_tokens=body["add_special_tokens"])["input_ids"]
        names = library.convert_ids_to_tokens(ids) if body.get("return_token_strs") else None
        return {"count": len(ids), "max_model_len": 4096, "tokens": ids, "token_strs": names}

    server.tokenize = tokenize
    return server


def test_the_servers_tokenizer_counts_and_places(counting: ChatServer) -> None:
    spec = OpenAICompatible(url=counting.url, model="tiny", tokenizer_from="server")
    ours, library = spec.tokenizer(), ChatTokenizer(make_tokenizer())
    assert counting.paths == []
    for text in ("the cat sat", "a日b 🎉\n", "", "half \ud83c pair"):
        assert ours.spans(text) == library.spans(text)
        assert ours.count(text) == library.count(text)
    prompt = Prompt("{d}", {"d": "the cat"})
    assert ours.render(prompt) == library.render(prompt)
    assert set(counting.paths) == {"/tokenize"}
    asked = len(counting.paths)
    ours.count("the cat sat")
    assert len(counting.paths) == asked
    engine = spec.open()
    assert engine.generate([Request(prompt, max_tokens=5)])[0].notes == {}
    engine.close()


def test_a_server_without_that_endpoint_is_pointed_out(server: ChatServer) -> None:
    tokenizer = OpenAICompatible(url=server.url, model="tiny", tokenizer_from="server").tokenizer()
    with pytest.raises(EngineError, match="answers without 'token_strs'.*Set tokenizer_from"):
        tokenizer.count("a")
    server.tokenize = lambda body: {"token_strs": ["b"]}
    with pytest.raises(EngineError, match="do not add up to the text"):
        tokenizer.count("a")


def test_pieces_of_sentence_piece_are_spans_of() -> None:
    pieces = ["\u2581a", "\u2581", "<0xE6>", "<0x97>", "<0xA5>", "b", "\u2581\u2581"]
    assert _spans_of("a \u65e5b  ", pieces) == ((0, 1), (1, 2), (2, 3), (3, 3), (3, 3), (3, 4), (4, 6))
    assert _spans_of("A", ["\u2581a"]) is None


# ---------------------------------------------------------------- the estimate


@settings(max_examples=200)
@given(text=TEXT)
def test_estimated_tokens_cover_any_text(text: str) -> None:
    tokenizer = EstimatedTokenizer()
    assert_covers(tokenizer.spans(text), text)
    assert tokenizer.count(text) == len(tokenizer.spans(text))
    assert len(tokenizer.render(Prompt("{t}", {"t": text}))) > tokenizer.count(text)


def test_an_estimate_is_marked_and_rather_too_high(language_model: Path) -> None:
    from transformers import AutoTokenizer

    real, estimate = ChatTokenizer(AutoTokenizer.from_pretrained(language_model)), EstimatedTokenizer("Be brief.")
    assert estimate.id.startswith("estimate:")
    code = inspect.getsource(inspect.getmodule(ArgumentParser))
    chinese, numbers = "他说,今天的会议讨论了城市供水系统。" * 9, " ".join(str(i**7) for i in range(99))
    for text in (
        topics["strings"],
        topics["if"],
        code,
        chinese,
        numbers,
        "Größenverhältnisse, пример, παράδειγμα. " * 9,
    ):
        assert real.count(text) <= estimate.count(text) <= 2.5 * real.count(text)
        prompt = Prompt("{t}", {"t": text})
        assert len(real.render(prompt)) <= len(estimate.render(prompt))
