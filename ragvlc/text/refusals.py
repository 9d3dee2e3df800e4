"""Detection of refusals: replies that say that the text does not answer the question.

Benchmarks look for a phrase anywhere in the reply (`not mentioned`, `I don't know`), which a real answer may hold as
well: `He did not mention the debt` is one. Here the place counts. The rules, in order:

1. An empty reply, or one without a word, is a refusal.
2. So is a reply that is, as a whole, one of `replies`: `Unanswerable.`, `Not mentioned`.
3. So is a reply whose first sentence, up to a bracket or a reason (`, as ...`, `because ...`), holds one of `phrases`:
   `Unfortunately, the text does not say who she was. It does mention ...`. What comes later is not looked at: after a
   refusal it softens it, after an answer it explains it.

All is compared after the normalisation of `normalising`, curly apostrophes as straight ones. A phrase is words in order
with four signs: `a/b` is one word or the other, `...` at most ten words, a `^` at the start anchors the phrase to the
start of the sentence, and a full stop at the end to its end. The phrases name who is silent (`text/passage ... does not
... mention`) or where (`not mentioned ... in ... text`), so that `The captain does not mention the storm` is an answer.

Known misses: a refusal after a sentence of courtesy, one that only corrects the question (`There is no such policy`),
and one in a language that the lists lack. A hedged reply (`It is not stated in the text, but it was probably May`)
counts as a refusal. The English phrases were made on replies of five models to LaRA's questions (Li et al. 2025, arXiv
2502.09977); the other languages are translations of the plainest of them and were not tried on models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

from ragvlc.core.answer import Answer
from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["PHRASES", "REPLIES", "Phrases", "refused", "refuses", "worded"]

_SOURCE = (
    "text/texts/passage/passages/document/documents/story/book/novel/article/paper/report/reports/statement/statements/"
    "filing/financials/context/contexts/chunk/chunks/excerpt/excerpts/information/source/sources/transcript/material/"
    "materials/content/section/sections/paragraph/paragraphs/snippet/snippets/narrative/disclosures"
)
_BE = "is/are/was/were"
_NOT = "not/isnt/arent/wasnt/werent/doesnt/dont/didnt/never"
_TELL = (
    "mention/specify/provide/state/contain/include/indicate/say/disclose/discuss/describe/reveal/give/offer/address/"
    "answer/detail/explain/identify/name/list/tell/clarify/outline/report/refer/elaborate"
)
_TOLD = (
    "mentioned/specified/stated/disclosed/provided/given/indicated/discussed/described/revealed/addressed/answered/"
    "detailed/explained/identified/named/listed/outlined/included/found/available/present/contained/defined/known"
)
_NEWS = "mention/information/details/detail/indication/reference/data/description"
_QUELLE = "text/dokument/abschnitt/artikel/auszug/kontext/bericht"
_TEXTE = "texte/document/passage/article/extrait/contexte/rapport"
_TEXTO = "texto/documento/pasaje/artículo/fragmento/contexto/informe/trecho/artigo"

PHRASES: tuple[str, ...] = (
    f"{_SOURCE} ... does/do/did not ... {_TELL}",
    f"{_SOURCE} ... doesnt/dont/didnt ... {_TELL}",
    f"{_SOURCE} ... contains/contain/provides/provide/gives/has/have/makes no ... {_NEWS}",
    f"{_NOT} ... {_TOLD} ... in/by/within/from ... {_SOURCE}",
    f"{_BE} not ... mentioned/specified/stated/disclosed.",
    f"no ... {_TOLD} ... in/by/within/from ... {_SOURCE}",
    "there is/are/was/were/isnt/arent no/any/not ... mention/mentions/information/indication/details/detail/discussion",
    "there is/are/was/were no ... mentioned/provided/specified/stated/disclosed/given",
    f"there is/are/was/were no ... reference/evidence/description/record/data/answer ... in/within ... {_SOURCE}",
    "^no mention/information/details/indication ... is/are/was/were/of/about/regarding",
    "^none ... mentioned/stated/specified/provided ... in",
    "i/we cannot/cant/couldnt/didnt/dont ... answer/determine/provide/find/identify",
    "i/we could/can/am/are/did/do not ... answer/determine/provide/find/identify",
    "i/we/im am/are/was/unable unable/to",
    "cannot be answered/determined/inferred",
    "cant be answered/determined/inferred",
    "not possible to answer/determine/identify/provide",
    "not/isnt/insufficient ... enough information",
    "insufficient information/context/details",
    "i/we do/dont not/have ... information/answer/access",
    "^i do not/dont know",
    "^i dont know",
    # German
    f"{_QUELLE} ... nicht ... erwähnt/genannt/angegeben/beantwortet/hervor/enthalten",
    f"{_QUELLE} ... keine ... angaben/angabe/informationen/information/auskunft",
    f"wird/werden/ist/sind ... im {_QUELLE} nicht erwähnt/genannt/angegeben",
    "ich weiß es nicht",
    # French
    f"{_TEXTE} ... ne mentionne/précise/indique/dit/contient/fournit/donne pas",
    "nest/ne sont/est pas mentionné/mentionnée/précisé/précisée/indiqué/indiquée",
    "^aucune mention/information/indication",
    "^je ne sais pas",
    # Spanish
    f"{_TEXTO} ... no ... menciona/especifica/indica/dice/proporciona/contiene",
    "no se menciona/especifica/indica ... en el/este",
    "^no hay ... información/mención",
    "^no lo sé",
    # Italian, Portuguese
    "testo/documento/brano/articolo/contesto ... non ... menziona/specifica/indica/dice/fornisce/contiene",
    "^non lo so",
    f"{_TEXTO} ... não ... menciona/especifica/indica/diz/fornece/contém",
    "^não sei",
    # Russian
    "в тексте/документе/отрывке/статье ... не ... упоминается/указано/указывается/говорится/сказано",
    "текст/документ/отрывок ... не содержит",
    "я не знаю",
    # Chinese, Japanese
    "文中/文章/原文/文本/文档/材料/上文/资料/段落 ... 没有/未/并未/没 ... 提到/提及/说明/给出/提供/指出/涉及",
    "没有/未/并未 ... 在 ... 文中/文章/原文/文本/文档/材料/段落 ... 提到/提及/说明",
    "无法 ... 回答/确定/得知/判断",
    "我不知道",
    "本文/文章/文中/テキスト/文書/記事 ... 記載/言及/書かれて/述べられて ... いません/ありません/いない/ない",
    "わかりません",
    "分かりません",
)
"""Patterns of a refusal's first sentence, in the module's syntax."""

REPLIES: tuple[str, ...] = (
    "unanswerable/unknown/unspecified/unclear",
    "question/it/this is unanswerable/unknown",
    "not answerable/answered/mentioned/stated/specified/given/provided/available/disclosed/found/known",
    "it/this/that is not mentioned/stated/specified/given/provided/available/disclosed/known",
    "no answer/information/mention",
    "no answer/information given/found/available/provided",
    "insufficient information/context",
    "cannot be answered/determined/say/tell",
    "dont know",
    "no idea",
    "na",
    "unbekannt/unbeantwortbar",
    "nicht bekannt/erwähnt/genannt/angegeben/beantwortbar",
    "keine angabe/angaben/antwort/information/informationen",
    "weiß ich nicht",
    "inconnu/inconnue",
    "non mentionné/mentionnée/précisé/précisée/spécifié/spécifiée/indiqué/indiquée",
    "pas de réponse",
    "desconocido/desconocida",
    "no mencionado/especificado/indicado",
    "no se sabe/menciona/especifica/indica",
    "sconosciuto/sconosciuta",
    "non specificato/menzionato/indicato",
    "desconhecido/desconhecida",
    "não mencionado/especificado/informado",
    "неизвестно",
    "не указано/упоминается/сказано",
    "нет ответа/информации",
    "未提及/未提到/没有提到/没有提及/未说明/未知/不知道/不详/无法回答/无法确定/没有答案/无答案",
    "不明/不明です/記載なし/該当なし/回答不能",
)
"""Patterns of whole replies that are refusals, in the same syntax."""

_GAP = 10
_TITLES = r"Mr|Mrs|Ms|Dr|Prof|St|vs|Inc|Corp|Co|Ltd|Jr|Sr|[A-Z]"
_END = re.compile(
    rf"(?<!\w)(?:{_TITLES})\.(?=\s)|(?P<end>[.!?]+[\"')\]”»]*(?=\s|\Z)|[。！？]|\n|\s\(|,?\sbecause\s|,\s(?:as|since)\s)"
)
_QUOTES = str.maketrans({"’": "'", "‘": "'"})


def refused(answer: Answer, *, phrases: Sequence[str] = PHRASES, replies: Sequence[str] = REPLIES) -> bool:
    """Returns whether the model declined or its reply is a refusal; no answer is no refusal."""
    if answer.finish == "declined" or not answer.answered:
        return answer.answered
    return refuses(answer.text, phrases=phrases, replies=replies)


def refuses(text: str, *, phrases: Sequence[str] = PHRASES, replies: Sequence[str] = REPLIES) -> bool:
    """Returns whether a reply says that the question cannot be answered.

    Args:
        text: the reply.
        phrases: patterns of a refusal's first sentence, in the module's syntax.
        replies: patterns of whole replies that are refusals, in the same syntax.
    """
    if not any(map(str.isalnum, text)):
        return True
    text = text.translate(_QUOTES).strip()
    cjk = has_cjk(text)
    inside, alone = _patterns(tuple(phrases), tuple(replies), cjk)
    return bool(alone.fullmatch(normalise(text, cjk=cjk)) or inside.search(normalise(_first(text), cjk=cjk)))


def worded(phrase: str) -> bool:
    """Returns whether a phrase has at least one word besides the signs of the pattern syntax."""
    return bool(_pattern(phrase, cjk=False) or _pattern(phrase, cjk=True))


def _first(text: str) -> str:
    """Returns the first sentence of a reply; titles and initials do not end it."""
    return next((text[: end.start()] for end in _END.finditer(text) if end["end"]), text)


@lru_cache(maxsize=16)
def _patterns(phrases: tuple[str, ...], replies: tuple[str, ...], cjk: bool) -> tuple[re.Pattern[str], ...]:
    found = []
    for listed in (phrases, replies):
        patterns = [pattern for phrase in listed if (pattern := _pattern(phrase, cjk=cjk))]
        found.append(re.compile("|".join(rf"(?:{pattern})" for pattern in patterns) or "(?!)"))
    return tuple(found)


def _pattern(phrase: str, *, cjk: bool) -> str:
    """Returns the regular expression of a phrase for normalised text; empty if the phrase has no word."""
    pattern, started = "", False
    for word in phrase.removeprefix("^").split():
        if word == "...":
            pattern += rf"(?: \S+){{0,{_GAP}}}" if started else ""
            continue
        ways = [re.escape(normal) for way in word.split("/") if (normal := normalise(way, cjk=cjk))]
        if ways:
            pattern += (" " if started else "") + f"(?:{'|'.join(ways)})"
            started = True
    if not started:
        return ""
    opening = r"\A" if phrase.startswith("^") else r"(?<!\S)"
    closing = r"\Z" if re.search(r"(?<!\.)\.\s*\Z", phrase) else r"(?!\S)"
    return f"{opening}{pattern}{closing}"


def _worded(phrases: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for phrase in phrases or ():
        if not worded(phrase):
            raise ValueError(f"'{phrase}' has no word to search for")
    return phrases


Phrases = Annotated[tuple[str, ...] | None, AfterValidator(_worded)]
"""A setting that replaces a list; every entry must have a word to search for."""
