"""Helpers for model calls: texts cut to fit a prompt, and requests sent together and recorded in the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ragvlc.core.data import Query
from ragvlc.core.engines import Generation, Prompt, Reader, Request, Tokenizer
from ragvlc.core.run import Run
from ragvlc.core.window import window_too_small

__all__ = ["ask_all", "asked", "beginning", "fitted", "letters", "shared"]


def letters(choices: Sequence[str]) -> str:
    """Returns the options as lettered lines: `A. first`, `B. second`, ..."""
    return "\n".join(f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(choices))


def asked(query: Query) -> str:
    """Returns the question, followed by its options as lettered lines if it is multiple choice."""
    return "\n".join((query.text, letters(query.choices))) if query.choices else query.text


def beginning(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    """Returns the start of `text`, at most `tokens` tokens long, without dividing a character."""
    while text and tokenizer.count(text) > tokens:  # a cut text may have more tokens than it had as a part
        spans = tokenizer.spans(text)
        end = spans[tokens - 1][1] if tokens > 0 else 0
        text = text[: min(end, len(text) - 1)]
    return text


def shared(texts: Sequence[str], tokens: int, tokenizer: Tokenizer) -> list[str]:
    """Returns the texts, the longest ones cut to an equal length, so that all have at most `tokens` tokens in total."""
    sizes = [tokenizer.count(text) for text in texts]
    if sum(sizes) <= tokens:
        return list(texts)
    left, bound = tokens, 0
    for place, size in enumerate(sorted(sizes)):
        bound = left // (len(sizes) - place)
        if size > bound:
            break
        left -= size
    return [
        beginning(text, bound, tokenizer) if size > bound else text for text, size in zip(texts, sizes, strict=True)
    ]


def fitted(make: Callable[[str], Prompt], text: str, reader: Reader, *, window: int, max_tokens: int) -> Prompt:
    """Returns the prompt `make(text)`, with the end of `text` cut off if prompt and reply would exceed the window.

    Raises:
        WindowExceeded: if the prompt does not fit without any of the text.
    """
    prompt = make(text)
    while (excess := len(reader.tokenizer.render(prompt)) + max_tokens - window) > 0:
        if not text:
            raise window_too_small("any text", left=-excess, window=window)
        text = beginning(text, max(0, reader.tokenizer.count(text) - excess), reader.tokenizer)
        prompt = make(text)
    return prompt


def ask_all(
    run: Run, role: str, requests: Sequence[Request], *, step: str, notes: Sequence[Mapping[str, Any]], keep: str = ""
) -> list[Generation]:
    """Returns the replies to independent requests, made in one call of the engine.

    Args:
        run: at work.
        role: of the generator.
        requests: what to ask.
        step: name in the trace; below it stands a step `call` for each request.
        notes: facts for each of these steps.
        keep: name of the fact that takes the reply, for what is looked at later.
    """
    if not requests:
        return []
    with run.step(step, generator=role):
        generations = run.generator(role).generate(requests)
        for generation, facts in zip(generations, notes, strict=True):
            usage = generation.usage
            tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
            told = {keep: generation.text.strip()} if keep else {}
            with run.step("call", **facts, **tokens, finish=generation.finish, **told):
                pass  # the engine's work is charged to the step above
    return generations
