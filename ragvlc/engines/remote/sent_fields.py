"""The fields of a request as a server takes them: some left out, some under another name, and what to do if refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ragvlc.core.errors import nearest
from ragvlc.engines.remote.api_errors import ApiFailure
from ragvlc.engines.remote.server_presets import PRESETS

__all__ = ["FIELDS", "NEVER_LEFT_OUT", "advice_on", "checked_names", "checked_preset", "named", "sent_names"]

FIELDS = ("max_tokens", "temperature", "top_p", "seed", "stop", "logprobs", "stream", "stream_options")
"""Fields that `send` may leave out or rename."""
NEVER_LEFT_OUT = frozenset({"messages", "model", "n"})
_UNNAMED = frozenset({"stream", "stream_options"})
_REFUSED = re.compile(
    r"(?i)unsupported|not supported|does(?: not|n't) support|un(?:known|recogni[sz]ed|expected)|not permitted"
    r"|not allowed|cannot find field|cannot (?:both )?be (?:both )?(?:specified|used|set)|deprecated|not available"
    r"|invalid|extra|must be|only the default|not enabled|no longer|forbidden|not accept|not compatible|incompatible"
    r"|additional propert"
)
_RANGE = re.compile(
    r"(?i)too (?:large|high|big|low|small)|at most|between|\brange\b|less than|greater than|exceed|[<>]=?"
)
"""Words about the value of a field: then another value is wanted, and the field is known."""
_SPELLINGS = {"stream": r"stream(?:ing)?"}
_REFUSING = frozenset({400, 404, 405, 415, 422, 501})


def checked_preset(name: str | None) -> str | None:
    """Returns the name of a preset; raises `ValueError` with the known ones."""
    if name is not None and name not in PRESETS:
        raise ValueError(f"'{name}' is no known server. Known: {', '.join(PRESETS)}.{nearest(name, PRESETS)}")
    return name


def checked_names(names: object) -> object:
    """Returns the value of `send` with one form for each wish: a name, or None to leave the field out."""
    if not isinstance(names, Mapping):
        return names  # refused by its type
    found: dict[str, str | None] = {}
    for field, name in names.items():
        if field not in FIELDS:
            hint = " messages and model are always sent." if field in NEVER_LEFT_OUT else ""
            raise ValueError(
                f"'{field}' cannot be left out or renamed. Known: {', '.join(FIELDS)}.{hint or nearest(field, FIELDS)} "
                f"Further fields of your own belong in extra."
            )
        plain = field if name is True else None if name is False else name
        if plain is not None and (not isinstance(plain, str) or not plain or (field in _UNNAMED and plain != field)):
            able = "true or null" if field in _UNNAMED else "the server's name for it, true, or null to leave it out"
            raise ValueError(f"{field}: must be {able}, not {name!r}.")
        found[field] = plain
    return found


def sent_names(preset: str | None, send: Mapping[str, str | None], limit_name: str) -> dict[str, str | None]:
    """Returns the server's name for each field; None where it is left out. `send` wins, then `limit_name`."""
    found: dict[str, str | None] = {field: field for field in FIELDS}
    found |= PRESETS[preset].send if preset else {}
    if limit_name != "max_tokens":
        found["max_tokens"] = limit_name
    return {**found, **send}


def named(body: Mapping[str, Any], names: Mapping[str, str | None]) -> dict[str, Any]:
    """Returns a request's fields under the server's names, without those that are left out."""
    return {name: value for field, value in body.items() if (name := names.get(field, field)) is not None}


def advice_on(
    failure: ApiFailure,
    sent: Mapping[str, Any],
    names: Mapping[str, str | None],
    host: str = "",
    *,
    setting: str = "send",
) -> str:
    """Returns the line of YAML that keeps a server from refusing a field again; empty for any other failure.

    Args:
        failure: of the request.
        sent: the request's fields, under the server's names.
        names: the server's names, by field.
        host: of the server, to name its own preset.
        setting: the generator's setting that leaves fields out; only `send` has presets.
    """
    if not _is_refusal(failure):
        return ""
    own = {name: field for field, name in names.items() if name is not None and name in sent}
    refused = _mentioned(failure, own)
    if not refused:
        return _advice_without_a_field(failure, sent, own, host, setting)
    if _RANGE.search(failure.message) and set(refused) & {"max_tokens", "temperature", "seed"}:
        return ""
    if refused == ["max_tokens"] and "max_completion_tokens" in failure.message:
        wish, verb = {"max_tokens": "max_completion_tokens"}, "renames"
    elif set(refused) == {"temperature", "top_p"}:
        wish, verb = {"top_p": "null"}, "leaves out"  # the temperature decides whether answers can be repeated
    else:
        wish, verb = dict.fromkeys(refused, "null"), "leaves out"
    line = ", ".join(f"{field}: {name}" for field, name in wish.items())
    presets = _presets(wish, host) if setting == "send" else ""
    return f"`{setting}: {{{line}}}` in the generator {verb} {' and '.join(wish)}{presets}."


def _is_refusal(failure: ApiFailure) -> bool:
    """Returns whether a failure may be about a field of the request."""
    if failure.too_long or failure.transient or failure.status not in _REFUSING:
        return False
    return bool(failure.field) or _REFUSED.search(failure.message) is not None


def _advice_without_a_field(
    failure: ApiFailure, sent: Mapping[str, Any], own: Mapping[str, str], host: str, setting: str
) -> str:
    """Returns the advice on a refusal that names none of the request's own fields."""
    others = _mentioned(failure, {name: name for name in sent if name not in own})
    if others:
        return f"Remove {others[0]} from extra: in the generator."
    if not re.search(r"(?i)param|field|argument|unsupported", failure.message):
        return ""
    presets = _presets([], host) if setting == "send" else ""
    known = ", ".join(sorted(own))
    return f"It was sent {known}. `{setting}: {{NAME: null}}` in the generator leaves a field out{presets}."


def _mentioned(failure: ApiFailure, own: Mapping[str, str]) -> list[str]:
    """Returns the fields that a failure names: in its own field, else in its words."""
    param = re.split(r"[.\[]", failure.field)[0]
    if param in own:
        return [own[param]]
    return [
        field
        for name, field in own.items()
        if re.search(rf"(?i)(?<![\w-]){_SPELLINGS.get(name) or re.escape(name)}(?![\w-])", failure.message)
    ]


def _presets(fields: Iterable[str], host: str) -> str:
    """Returns the presets that change the fields, those of the host alone if it has any, as the end of a sentence."""
    wanted = list(fields)
    able = [name for name, one in PRESETS.items() if one.send and all(field in one.send for field in wanted)]
    here = [name for name in able if any(host.endswith(end) for end in PRESETS[name].hosts)]
    found = here or (able if wanted else [])
    if not found:
        return ""
    return f"; so does {' or '.join(f'`server: {name}`' for name in found[:3])}"
