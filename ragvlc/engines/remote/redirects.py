"""Redirects of a server: followed on its own host only, so that no prompt and no key ever reaches another one."""

from __future__ import annotations

from typing import Any

__all__ = ["RedirectRefused", "refuse_redirect"]

_KEEPS_THE_BODY = frozenset({307, 308})


class RedirectRefused(Exception):
    """Raised for a redirect that is not followed; the message says where it leads and what to do."""


def refuse_redirect(response: Any) -> None:  # noqa: ANN401 - httpx or its fork, whichever the client uses
    """Raises `RedirectRefused` for a redirect to another host, to http, or to a request without its body.

    Args:
        response: of the HTTP client, before it follows the redirect.
    """
    if not response.has_redirect_location:
        return
    request = response.request
    here = request.url
    there = here.join(response.headers["location"])
    root = str(there.copy_with(query=None, fragment=None)).removesuffix("/chat/completions").removesuffix("/models")
    leads = f"HTTP {response.status_code}: the server redirects to {there.copy_with(query=None)}"
    upgraded = here.scheme == "http" and there.scheme == "https"
    same = (there.scheme, there.port) == (here.scheme, here.port) or (upgraded and there.port in {None, 443})
    if there.host != here.host or not same:
        raise RedirectRefused(
            f"{leads}, another server. Prompts and keys are not passed on. If you trust it, write url: {root}"
        )
    if request.method != "GET" and response.status_code not in _KEEPS_THE_BODY:
        raise RedirectRefused(f"{leads}, which would drop the prompt. Write url: {root}")
