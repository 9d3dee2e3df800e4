"""Tokenizers for cutting: words, single characters, a trained byte-level BPE, and one with awkward spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ragvlc.core.data import Document
from ragvlc.core.engines import Prompt, Tokenizer
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

TRAINING = [
    "The cat sat on the mat. Dr. Smith measured 3.14 metres.\n\nThen the other cat went to the other mat.",
    "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。 مرحبا بالعالم. ما اسمك؟",
]


class SpanTokenizer:
    """A tokenizer made of its `spans` alone."""

    def __init__(self, name: str, spans: Callable[[str], Sequence[tuple[int, int]]]) -> None:
        self.id = name
        self._spans = spans

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return self._spans(text)

    def count(self, text: str) -> int:
        return len(self.spans(text))

    def render(self, prompt: Prompt) -> list[int]:
        return list(range(self.count(prompt.text())))


def awkward_spans(text: str) -> list[tuple[int, int]]:
    """Pairs of characters with, by turns, an empty token between, a repeated token, and one that reaches into both."""
    spans: list[tuple[int, int]] = []
    for start in range(0, len(text), 2):
        end = min(start + 2, len(text))
        spans += [[(start, end), (end, end)], [(start, end)] * 2, [(start, end), (end - 1, end)]][start // 2 % 3]
    return [(0, 0), *spans]


def byte_level_bpe() -> SpanTokenizer:
    from tokenizers import Tokenizer as Trained
    from tokenizers import models, pre_tokenizers, trainers

    trained = Trained(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(TRAINING * 5, trainer)
    return SpanTokenizer("bpe", lambda text: trained.encode(text).offsets)


TOKENIZERS: dict[str, Tokenizer] = {
    "words": WordTokenizer(),
    "characters": SpanTokenizer("characters", lambda text: [(at, at + 1) for at in range(len(text))]),
    "bpe": byte_level_bpe(),
    "awkward": SpanTokenizer("awkward", awkward_spans),
}


@pytest.fixture(params=sorted(TOKENIZERS))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return TOKENIZERS[request.param]


@pytest.fixture
def words() -> Tokenizer:
    return TOKENIZERS["words"]


@pytest.fixture
def characters() -> Tokenizer:
    return TOKENIZERS["characters"]


@pytest.fixture
def bpe() -> Tokenizer:
    return TOKENIZERS["bpe"]


@pytest.fixture
def cut() -> Callable[..., list[str]]:
    """Returns the texts of a chunker's chunks."""
    return lambda chunker, text, tokenizer: [chunk.text for chunk in chunker.split(Document("d", text), tokenizer)]
