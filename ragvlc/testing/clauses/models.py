"""The contracts of generators and embedders: their settings before loading, and their loaded models' behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ragvlc.core import engines as protocols
from ragvlc.core.engines import Generation, Prompt, Request, TextEngine, Tokenizer, VectorEngine, missing_from
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder, Generator
from ragvlc.memo.disk import Cache
from ragvlc.pool import EnginePool
from ragvlc.testing.trial import Broken, Trial, require

__all__ = ["EMBEDDER_CLAUSES", "GENERATOR_CLAUSES", "OPENED_EMBEDDER_CLAUSES", "OPENED_GENERATOR_CLAUSES"]

_PROMPTS = (
    Prompt("{document}\n\n{question}", {"document": "The tower is 31 metres high.", "question": "How high is it?"}),
    Prompt("{document}\n\n{question}", {"document": "The ferry carries twelve cars.", "question": "How many cars?"}),
    Prompt("{question}", {"question": "茶馆里最受欢迎的是什么茶？"}),
)
_LIMIT = 8
_TEXTS = ("The tower is 31 metres high.", "The ferry carries twelve cars.", "茶馆", "?")
_KNOWN = {protocol.__name__: protocol for protocol in protocols.PROTOCOLS}


def it_says_what_it_offers(trial: Trial) -> None:
    """`offers` names the protocols of the loaded model: a text engine for generators, a vector engine for embedders."""
    part: Generator | Embedder = trial.build()
    least = "TextEngine" if isinstance(part, Generator) else "VectorEngine"
    require(
        least in part.offers and set(part.offers) <= set(_KNOWN),
        f"offers is {sorted(part.offers)}. Let it hold {least}, and what else open() returns of "
        f"{', '.join(sorted(_KNOWN))}.",
    )


def sampling_is_random_and_greedy_decoding_is_not(trial: Trial) -> None:
    """A temperature above 0 counts as random, 0 does not; sweeps repeat random answers."""
    greedy, sampled = trial.build(temperature=0.0), trial.build(temperature=0.5)
    require(greedy.random is False, "`random` is True at temperature 0. Leave it as inherited.")
    require(sampled.random is True, "`random` is False at temperature 0.5. Leave it as inherited.")


def its_tokenizer_counts_and_places_tokens(trial: Trial) -> None:
    """The tokenizer counts tokens and gives their positions, which have no gaps, before the model is loaded."""
    with _pool(trial) as pool:
        tokenizer: Tokenizer = pool.tokenizer(trial.build())
        require(isinstance(tokenizer.id, str) and tokenizer.id, "the tokenizer's id is no name. Name its vocabulary.")
        for text in ("", *_TEXTS, "<|im_end|> {question}", "a\u0301\n\n b"):
            spans = list(tokenizer.spans(text))
            require(
                len(spans) == tokenizer.count(text),
                f"count({text!r}) is {tokenizer.count(text)}, spans() has {len(spans)}. Let both count alike.",
            )
            places = [0, *(end for _, end in spans)]
            require(
                [start for start, _ in spans] == places[:-1] and (not text or places[-1] == len(text)),
                f"spans({text!r}) is {spans}. Let each start where the one before ends, and the last end the text.",
            )
        for prompt in _PROMPTS:
            ids = tokenizer.render(prompt)
            require(
                isinstance(ids, list) and ids and all(isinstance(one, int) for one in ids),
                "render() must return a list of token ids, those of the chat template included.",
            )


def every_request_gets_one_generation_in_order(trial: Trial) -> None:
    """Every request gets one generation, in order, with its token usage and within its token limit."""
    with _engine(trial) as engine:
        require(
            isinstance(engine.window, int) and engine.window > 0,
            f"the engine's window is {engine.window!r}. Let it be the tokens of prompt and answer together.",
        )
        together = _generated(engine, _requests())
        alone = [_generated(engine, [request])[0] for request in _requests()]
        for one in together:
            _is_counted(one)
        texts, single = [one.text for one in together], [one.text for one in alone]
        require(
            texts == single or sorted(texts) != sorted(single),
            "generate() returns generations in another order than requests. Sort them back.",
        )
        if texts != single:
            trial.notes.append("greedy answers differ from one call to the next, so sweeps cannot share them.")


def _is_counted(one: Generation) -> None:
    require(one.finish in {"stop", "length"}, f"a generation ends with {one.finish!r}. Known: stop, length.")
    usage = one.usage
    require(
        usage.calls == 1 and usage.prompt_tokens > 0 and 0 <= usage.cached_tokens <= usage.prompt_tokens,
        f"a generation says {usage}. Count one call, the prompt's tokens, and those of them that were cached.",
    )
    require(
        bool(usage.completion_tokens) >= bool(one.text)
        and (0 <= usage.completion_tokens <= _LIMIT or one.notes.get("token_counts") == "estimated"),
        f"a generation of {one.text!r} says {usage.completion_tokens} new tokens where {_LIMIT} were allowed. Stop at "
        "request.max_tokens, and count.",
    )
    require(
        one.timing.engine_seconds >= 0 and one.timing.queue_seconds >= 0,
        f"a generation took {one.timing}. Give seconds from 0 on.",
    )


def stops_end_an_answer(trial: Trial) -> None:
    """An answer ends before the first of the request's stop strings."""
    with _engine(trial) as engine:
        [whole] = _generated(engine, _requests()[:1])
        stop = whole.text[len(whole.text) // 2 :].strip()[:1]
        if not stop:
            trial.notes.append("no stop was tried: the answer is too short to be stopped.")
            return
        request = Request(_PROMPTS[0], _LIMIT, temperature=0, stop=(stop,))
        [cut] = _generated(engine, [request])
        require(
            stop not in cut.text,
            f"asked to stop at {stop!r}, it answers {cut.text!r}. Cut the text before the first of request.stop.",
        )


def log_probabilities_are_given_where_asked(trial: Trial) -> None:
    """If log-probabilities are requested, there is one for each new token, none above 0; None where unknown."""
    with _engine(trial) as engine:
        request = Request(_PROMPTS[0], _LIMIT, temperature=0, logprobs=True)
        try:
            [one] = _generated(engine, [request])
        except EngineError as error:
            trial.notes.append(f"it gives no log-probabilities: {error}")
            return
        if one.logprobs is None:
            trial.notes.append("it gives no log-probabilities: routes that decide by them, such as cascade, cannot.")
            return
        require(
            all(value <= 0 for value in one.logprobs if value is not None),
            f"asked for log-probabilities it gives {one.logprobs}. Give one for each new token, none above 0.",
        )


def many_threads_may_ask_at_once(trial: Trial) -> None:
    """Many threads may call the model in parallel, and each gets its own answers."""
    with _engine(trial) as engine:
        alone = [one.text for one in _generated(engine, _requests())]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda place: _generated(engine, [_requests()[place % 3]])[0].text, range(24)))
        mixed = [place for place, text in enumerate(found) if text != alone[place % 3] and text in alone]
        require(
            not mixed or len(set(alone)) < len(alone),
            "threads that ask at the same time get each other's answers. Hold nothing about a request on the engine, "
            "or take a lock.",
        )


def it_offers_what_it_says(trial: Trial) -> None:
    """The loaded model has every method of the protocols that `offers` names, including `close`."""
    part: Generator | Embedder = trial.build()
    with _pool(trial) as pool:
        engine: object = pool.text(part) if isinstance(part, Generator) else pool.vectors(part)
        for name in sorted(part.offers):
            missing = missing_from(engine, _KNOWN[name])
            require(
                not missing,
                f"offers names {name}, and {type(engine).__name__} has no {' and '.join(missing)}. Define it, or take "
                f"{name} off `offers`.",
            )


def texts_become_vectors_of_length_one(trial: Trial) -> None:
    """Every text gives one vector of length 1, equal in any batch, for passages and for queries."""
    import numpy as np

    with _pool(trial) as pool:
        engine: VectorEngine = pool.vectors(trial.build())
        for side in ("passage", "query"):
            vectors = engine.embed(_TEXTS, side=side)
            require(
                getattr(vectors, "dtype", None) == np.float32 and vectors.ndim == 2 and len(vectors) == len(_TEXTS),
                f"embed() returns {type(vectors).__name__} of {getattr(vectors, 'shape', '?')}. Return a float32 array "
                "with a row for each text.",
            )
            norms = np.linalg.norm(vectors, axis=1)
            require(
                bool(np.allclose(norms, 1, atol=1e-2)),
                f"vectors have the lengths {norms.round(3).tolist()}. Divide each by its length.",
            )
            alone = np.concatenate([engine.embed([text], side=side) for text in _TEXTS])
            require(
                bool(np.allclose(vectors, alone, atol=2e-2)),
                "a text's vector depends on the texts beside it. Mask the padding.",
            )
        lengths = engine.lengths(_TEXTS)
        require(
            len(lengths) == len(_TEXTS) and all(isinstance(one, int) and one >= 0 for one in lengths),
            f"lengths() returns {lengths!r}. Return the number of tokens of each text.",
        )
        require(
            isinstance(engine.window, int) and engine.window > 0,
            f"the engine's window is {engine.window!r}. Let it be the tokens beyond which a text is cut.",
        )


def _requests() -> list[Request]:
    return [Request(prompt, _LIMIT, temperature=0) for prompt in _PROMPTS]


def _generated(engine: TextEngine, requests: Sequence[Request]) -> list[Generation]:
    found: object = engine.generate(requests)
    if not isinstance(found, list) or not all(isinstance(one, Generation) for one in found):
        raise Broken(f"generate() returns {type(found).__name__}. Return a list of Generation.")
    require(
        len(found) == len(requests),
        f"generate() returns {len(found)} generations for {len(requests)} requests. Return one for each, in order.",
    )
    return found


@contextmanager
def _pool(trial: Trial) -> Iterator[EnginePool]:
    with EnginePool(Cache(trial.new_folder()), reuse=False) as pool:
        yield pool


@contextmanager
def _engine(trial: Trial) -> Iterator[TextEngine]:
    with _pool(trial) as pool:
        yield pool.text(trial.build())


GENERATOR_CLAUSES = (it_says_what_it_offers, sampling_is_random_and_greedy_decoding_is_not)
OPENED_GENERATOR_CLAUSES = (
    its_tokenizer_counts_and_places_tokens,
    it_offers_what_it_says,
    every_request_gets_one_generation_in_order,
    stops_end_an_answer,
    log_probabilities_are_given_where_asked,
    many_threads_may_ask_at_once,
)
EMBEDDER_CLAUSES = (it_says_what_it_offers,)
OPENED_EMBEDDER_CLAUSES = (it_offers_what_it_says, texts_become_vectors_of_length_one)
