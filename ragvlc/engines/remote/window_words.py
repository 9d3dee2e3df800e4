"""Whether an error means that the prompt exceeds the model's window: by its code, or by the sentences of the servers.

Most servers have no code for it. Their sentences are read as patterns, not word for word, so that another version's
sentence is read too. What only sounds alike is told apart: rate limits count tokens a minute, an answer's limit may
be too large for the model, and a request may have too many images, tools or stop texts.
"""

from __future__ import annotations

import re

__all__ = ["exceeds_window"]

_CODES = frozenset(
    {
        "context_length_exceeded",
        "contextwindowexceedederror",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "model_max_prompt_tokens_exceeded",
        "tokens_limit_reached",
    }
)
_CHARACTERS = "string_above_max_length"  # of the messages, or of a name that is too long
_EXCESS = (
    r"(?:exceed\w*|overflow\w*|too (?:long|large|big|small|many)|larger|longer|greater|bigger|beyond|surpass\w*|"
    r"not enough|does(?: not|n't) fit|do(?: not|n't) fit|cannot fit|can't fit|reached|run out|ran out|out of|"
    r"at most|up to|less than|maximum|max\b|reduce|shorten|limit|only|insufficient)"
)
_CONTEXT = r"(?:context[ _-]?(?:length|size|window|limit|len)s?\b|\bn_ctx\b|\bnum_ctx\b|\bctx[ _-]?(?:size|len)\b)"
_LIMIT = (
    r"(?:max(?:imum)?[ _](?:model|seq(?:uence)?|prompt|input|session|total|num)[ _](?:len(?:gth)?|tokens?|size)|"
    r"max_(?:model_len|seq_len|total_tokens|input_tokens|input_length|num_tokens|prompt_tokens)|session_len|"
    r"model(?:'s)? (?:maximum |max )?(?:token|input|sequence|prompt) (?:limit|length))"
)
_INPUT = r"(?:prompts?|inputs?|messages?|conversation|input text|input sequence|query and context|chat history)"
_SURE = re.compile(
    "|".join(
        (
            rf"{_CONTEXT}.{{0,120}}{_EXCESS}|{_EXCESS}.{{0,120}}{_CONTEXT}",
            rf"{_LIMIT}.{{0,80}}(?:is|are|of|<=|:|\()\D{{0,20}}\d.{{0,200}}{_EXCESS}",
            rf"(?:exceed\w*|longer than|larger than|greater than|too long|<=|over).{{0,80}}{_LIMIT}",
            r"inputs?`? tokens \+ `?max_new_tokens",
            r"`?inputs?`? must have less than \d+ tokens",
            rf"{_LIMIT} is \d+",
            rf"{_LIMIT}\b.{{0,40}}\bexceed",
            r"tokens to keep from the initial prompt",
            r"\bcontext[_ ](?:length|window|size)[_ ]exceeded\b",
            rf"{_CONTEXT}.{{0,60}}\b(?:is |was )?full\b",
            r"\bmax_(?:completion_)?tokens must be at least 1, got -\d",  # of vLLM: what the prompt left
            r"\bprompt\b[^.;]{0,60}> ?n_ctx\b",
            r"\bprompt tokens \(?\d+\)? ?\+ ?`?max_\w*tokens`? \(?\d+\)? ?>",
        )
    )
)
_LIKELY = re.compile(
    "|".join(
        (
            rf"\b{_INPUT}\b[^.;]{{0,60}}\b(?:is|are|was|were)?\s*(?:far |much )?too (?:long|large for|big for)\b",
            rf"\b{_INPUT}\b[^.;]{{0,80}}\blonger than\b",
            r"\btoo many (?:input |prompt |context )?tokens\b",
            (
                r"\b(?:input|prompt|request|token sequence|tokens? count|sequence)s?\b[^;]{0,120}\bexceed\w*\b"
                r"[^;]{0,100}\b(?:tokens?|length|len|window)\b"
            ),
            (
                r"\b(?:tokens?|length)\b[^.;]{0,80}\bexceed\w*\b[^.;]{0,80}\b"
                r"(?:model|prompt|input|tokens? (?:limit|allowed)|configured limit|maximum|max)\b"
            ),
            r"\b(?:input|prompt|total) (?:length|tokens?|size)\b[^.;]{0,60}\bshould (?:not exceed|be \[|be less)",
            r"\b(?:input|prompt|total)[ _]tokens?\b[^;]{0,60}\bexceed\w*\b",
            r"\binput token count\b[^;]{0,80}\b(?:only )?supports?\b",
            r"\btotal (?:length|tokens?)[^.;]{0,40}\bmessages\b[^.;]{0,40}\btoo\b",
            r"\b(?:reduce|shorten) (?:the |your )?(?:length of )?(?:the |your )?(?:messages|prompts?|inputs?)\b",
            r"\b(?:current )?length is \d+ while (?:the )?limit is \d+",
            r"\brequest body too large for .{1,60} model\b",
            r"\bexceed\w* (?:the )?(?:model(?:'s)? )?(?:max(?:imum)? )?(?:token|tokens) (?:limit|length)",
            r"\b(?:max|maximum) input characters? (?:is|are)\b",
            r"\btokens?\b[^;]{0,40}\b(?:prompt|input|messages)\b[^;]{0,40}\b(?:larger|longer|greater|more) than\b",
            r"\b(?:prompt|input|messages)\b[^;]{0,40}\bhas \d+ tokens?\b[^.]{0,30}\b(?:limit|maximum|only)\b",
            r"\b(?:kontextlänge|kontextfenster|kontextgröße)\b.{0,60}\b(?:überschr\w+|zu klein)\b",
            r"\büberschreite\w*\b.{0,60}\b(?:kontextlänge|kontextfenster|kontextgröße)\b",
            r"\bdépasse\w*\b.{0,60}\bcontexte\b|\bsupera\w*\b.{0,60}\bcontexto\b|\bexcede\w*\b.{0,60}\bcontexto\b",
            r"\bexpected max_?length: \d+, actual: \d+",
            r"(?:输入|提示|上下文|prompt).{0,12}(?:超长|过长|超过|超出)|(?:超过|超出).{0,12}(?:上下文|最大长度|长度限制)",
            r"(?:eingabe|prompt).{0,30}zu lang\b|\btrop long\b.{0,40}\b(?:jetons|tokens|contexte)\b",
        )
    )
)
_RATE = re.compile(
    r"\bper[ -]?(?:minute|min|day|hour|second|sec|month)s?\b|/\s?(?:min|minute|day|hour)\b|\b(?:i|o)?[tr]p[mdhs]\b"
    r"|rate[ _-]?limit|quota|too many requests|throttl|concurren|credits?\b|billing|balance"
)
_OTHER = re.compile(
    r"\bimages?\b|\bvideos?\b|\baudios?\b|\bfiles?\b|\btools?\b|\bfunctions?\b|\bstop[ _]?(?:sequence|word|string|text)"
    r"|\b(?:api )?key\b|\bheaders?\b|\bcookies?\b|\burls?\b|\buri\b|\bmetadata\b|\bbearer\b|\bauth\w*\b|\blogit"
    r"|\bschema\b|\buser(?:name)?\b(?! messages?)|top_logprobs|\bnumber of (?:messages|choices|prompts)\b|\bbatch\b"
    r"|cache_key"
)
_ANSWER = re.compile(
    r"(?:at most|maximum|max|limit\w*|only|up to)\b.{0,60}\b(?:completion|output|generated|new) tokens"
    r"|\b(?:completion|output) tokens\b.{0,60}\b(?:at most|maximum|limit|exceed)"
    r"|\bmax(?:imum)? (?:output|completion) (?:tokens?|length)\b|\bmax_(?:completion_|output_|new_)?tokens\b[^+]{0,30}"
    r"(?:too large|must be|should be|exceeds?|greater|>)"
)
_SETTING = re.compile(
    r"\b(?:unknown|unrecognized|unexpected|unsupported|invalid|extra)\b.{0,30}(?:field|argument|parameter)"
)
_POSITIVE = re.compile(
    r"\bmust be (?:a |an )?(?:positive|greater|larger|at least|integer|multiple)(?![^.;]*got -)[^.;]*"
)


def exceeds_window(words: str, codes: frozenset[str] = frozenset()) -> bool:
    """Returns whether an error with these words and codes says that the prompt does not fit the model's window."""
    if codes & _CODES:
        return True
    small = _POSITIVE.sub(" ", words.lower())
    if _RATE.search(small):
        return False
    if _CHARACTERS in codes:
        return "messages" in small or "input" in small
    if _SURE.search(small):
        return not _SETTING.search(small)
    return _LIKELY.search(small) is not None and not _OTHER.search(small) and not _ANSWER.search(small)
