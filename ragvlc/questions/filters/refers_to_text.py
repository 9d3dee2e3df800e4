"""Drops questions that speak of the text that the model was shown, which no reader of the set has before them."""

from __future__ import annotations

import re

from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding
from ragvlc.text.folding import fold

_TEXT = r"(?:text|passage|excerpt|paragraph|snippet|context|extract|section|quote)s?"
_ANY = rf"(?:{_TEXT}|document|article|report|chapter|page|table|figure|information|sentence|statement|transcript)s?"
_BEFORE = r"(?:in|from|by|to|of|per|within|under|does|do|did|is|are|on|with)"
_ENGLISH = (
    rf"\b{_BEFORE} (?:the|this|that|these|those) (?:\w+ )?{_TEXT}\b(?! of\b)",
    rf"\bth(?:is|ese) {_ANY}\b",
    rf"\b(?:above|below|following|given|provided|preceding|aforementioned|quoted|cited) {_ANY}\b",
    rf"\b{_ANY} (?:above|below|provided|given)\b",
    r"\b(?:mentioned|described|stated|listed|shown|given|discussed|quoted) (?:above|below|here)\b",
    r"\baccording to (?:it|this|the (?:text|passage|document|article|author|excerpt|information))\b(?! of\b)",
    rf"\bbased on (?:the|this) {_ANY}\b",
    r"\bthe (?:first|second|other|two) (?:text|passage|place|document|excerpt)s?\b",
)
_TEXT_DE = r"(?:text|textes|abschnitt|absatz|auszug|passage|kontext)\b"
_GERMAN = (
    r"\b(?:laut|gemäß|nach|in|im|aus|auf|von) (?:(?:dem|der|diesem|dieser|vorliegenden|obigen) ){0,2}" + _TEXT_DE,
    r"\bdiese[rsmn]? (?:text|abschnitt|absatz|auszug|dokument|artikel|bericht|textes|dokuments)\b",
    r"\b(?:oben|unten|obigen|vorliegenden|hier) (?:genannt|erwähnt|beschrieben|text|abschnitt|dokument)",
)
_TEXT_FR = r"(?:texte|passage|extrait|paragraphe|document|contexte)\b"
_TEXT_ES = r"(?:texto|pasaje|fragmento|párrafo|trecho|parágrafo|testo|brano|passaggio|estratto)\b"
_ROMANCE = (
    r"\b(?:selon|d'après|dans|de) (?:le|ce|l'|cet|la|cette) ?" + _TEXT_FR,
    r"\b(?:ci-dessus|ci-dessous|mentionnée?s? plus haut)\b",
    r"\b(?:según|en|de|del|segundo|no|nel|secondo|dal|do|da) (?:(?:el|este|esta|la|o|a|il|questo) )?" + _TEXT_ES,
    r"\b(?:mencionad[oa]s? (?:arriba|anteriormente|acima)|sopra (?:citat|menzionat)\w+)\b",
)
_OTHERS = (
    r"\b(?:volgens|in) (?:de|deze|het|dit) (?:tekst|passage|alinea|fragment)\b",
    r"\b(?:według|w) (?:tym |tego |powyższ\w+ )?(?:tekst\w*|fragment\w*|akapi\w*)\b",
    r"\b(?:согласно|в|из) (?:этому |этом |данном |приведённом )?(?:текст\w*|отрывк\w*|абзац\w*)",
    r"(?:上文|上述|下文|本文|文中|文章中|该文|这段|这篇|本段|段落中|根据(?:文章|短文|材料|以上|上面))",
    r"(?:上記|下記|この(?:文|文章|段落|資料)|文章(?:中|によ))",
)
_TALK = re.compile("|".join((*_ENGLISH, *_GERMAN, *_ROMANCE, *_OTHERS)), re.IGNORECASE)


class RefersToTextFilter(QuestionFilter):
    """Looks for words such as `according to the text above`, in twelve languages."""

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the question speaks of the text."""
        found = _TALK.search(fold(examiner.item.question))
        return self.dropped("the question speaks of the text", words=found[0]) if found else self.passed()
