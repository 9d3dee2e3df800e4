"""The check that a prompt and its reply fit into a model's context window, and the errors if they do not."""

from __future__ import annotations

from ragvlc.core.engines import Request, Tokenizer
from ragvlc.core.errors import EngineError, WindowExceeded

__all__ = ["input_ids", "prompt_ids", "window_too_small"]


def prompt_ids(
    request: Request, tokenizer: Tokenizer, window: int, *, model: str = "", estimated: bool = False
) -> list[int]:
    """Returns the token ids of a request's prompt, after checking that prompt and new tokens fit the window.

    Args:
        request: what is asked.
        tokenizer: of the model.
        window: tokens of prompt and answer together.
        model: named in the error.
        estimated: whether the tokenizer only estimates the model's own count.

    Raises:
        WindowExceeded: if they do not fit.
    """
    found = tokenizer.render(request.prompt)
    if len(found) + request.max_tokens > window:
        about, of = "About " if estimated else "", f" of '{model}'" if model else ""
        raise WindowExceeded(
            f"{about}{len(found)} prompt tokens and {request.max_tokens} new ones exceed the window of {window}{of}. "
            f"Shorten the prompt or ask for fewer tokens."
        )
    return found


def input_ids(request: Request, tokenizer: Tokenizer, window: int, *, model: str) -> list[int]:
    """Returns the token ids of a prompt that must fit the window. Raises `EngineError` if the prompt has no tokens."""
    found = prompt_ids(request, tokenizer, window, model=model)
    if not found:
        raise EngineError(f"The prompt is empty, and '{model}' has no start-of-sequence token.")
    return found


def window_too_small(
    what: str, *, left: int | None = None, window: int | None = None, limit: int | None = None
) -> WindowExceeded:
    """Returns the error for a window that is nearly filled by instructions, question and replies.

    Args:
        what: should be shown to the model.
        left: tokens that there are for it.
        window: of the model.
        limit: on tokens of documents, besides the window.
    """
    within = f" in a window of {window}" if window is not None else ""
    at_most = f" and a limit of {limit} document tokens" if limit else ""
    tokens = "" if left is None else f": {left} tokens are left"
    return WindowExceeded(
        f"instructions, question and replies leave no room for {what}{within}{at_most}{tokens}. Use a model with a "
        f"larger window, or allow fewer new tokens."
    )
