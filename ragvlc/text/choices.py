"""Parser for multiple-choice replies: finds the option that a reply names.

Scripts of the benchmarks take the first letter that looks like an option (L-Eval reads `Because D` as B, and an
article as option A). Here a letter counts only where it is marked as an option. The rules, in order:

1. The whole reply is an option's text.
2. Everything named in these places counts together:
   a. an option's text or its letter at the start, after `Answer:`, `Option` and the like if they are there;
   b. the same after `answer is`, `answer:`, `choice is` ... anywhere; a letter also after any other colon;
   c. a marked letter before an option's text, anywhere: `(B) no worries`, `B. no worries`; both count;
   d. a letter alone on its line.
   The end must show: end of reply or line, a dash between blanks, or punctuation before a blank, so that neither
   `A man walked` nor `Answer: A man` names A; a letter in brackets needs no more. Lists (`A, B`; `A or B`) name every
   item. Letters are capitals, unless in brackets; texts match in either case, the longest first.
3. The whole reply or its first line is a letter of either case, or an option's text, with or without its letter,
   under SQuAD's normalisation.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["parse_choice"]

_NOUN = "(?i:answer|option|choice|letter)"
_CUE = re.compile(rf"(?:{_NOUN}\s*(?i:is\b\s*:?|[:：])|答案\s*[是为]?\s*[:：]?)\s*(?:(?i:the\s+)?{_NOUN}\s+)?")
_OPENING = re.compile(rf"(?i:the\s+|my\s+)?(?i:(?:final|correct|right|best)\s+)*(?:{_CUE.pattern}|{_NOUN}\s+)?")
_COLON = re.compile(r"[:：]\s*")
_BETWEEN = re.compile(r"\s*[,/&、，]\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+")
_END = re.compile(r"""\s*\Z|[ \t]*\n|[.,:;!?)\]}"']+(?=\s|\Z)|[。，：；！？、）】]|\s+[-–—]\s""")
_BARE = re.compile(r"""[\s(\[{"']*([A-Za-z])[\s)\]}"'.,:;!。]*""")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "*": None, "`": None})


def parse_choice(reply: str, choices: Sequence[str]) -> frozenset[int]:
    """Returns the indexes of the options that `reply` names: one if the reply is clear, none if it cannot be parsed.

    Several options mean that the reply is ambiguous, or that it picks several where that is allowed. Of options with
    equal texts only the first is named.

    Args:
        reply: of the model; emphasis in Markdown is ignored.
        choices: option texts without letters; the first 26 have one.
    """
    if not choices:
        return frozenset()
    return frozenset(_reader(tuple(choices)).read(reply.translate(_STRAIGHT).strip()))


def _plain(text: str) -> str:
    """Returns `text` for comparison, with unified case, quotes and blanks, and without a final full stop."""
    return " ".join(text.translate(_STRAIGHT).lower().split()).rstrip(" .,:;!?。")


def _pattern(text: str) -> str:
    return r"\s+".join(map(re.escape, text.split()))


def _place(found: re.Match[str]) -> int:
    """Returns the index of the option in a match: group `t3` is the text of option 3, other groups are letters."""
    group = str(found.lastgroup)
    return int(group[1:]) if group.startswith("t") else ord(found[group].upper()) - 65


class _Reader:
    """The patterns for one set of options."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.places: dict[str, int] = {}
        self.forms: defaultdict[str, set[int]] = defaultdict(set)
        self.cjk = has_cjk(*choices)
        for place, choice in enumerate(choices):
            if self.places.setdefault(_plain(choice), place) == place:
                for form in (choice, f"{chr(65 + place)} {choice}"):
                    self.forms[normalise(form, cjk=self.cjk)].add(place)
        for nothing in (self.places, self.forms):
            nothing.pop("", None)
        capitals = "".join(chr(65 + place) for place in range(min(26, len(choices))))
        texts = sorted(self.places, key=len, reverse=True)
        text = "|".join(f"(?P<t{self.places[text]}>{_pattern(text)})" for text in texts) or "(?!)"
        bracketed = rf"[(\[{{（【]\s*(?P<bracketed>[{capitals}{capitals.lower()}])\s*[)\]}}）】]"
        letter = rf"{bracketed}|(?P<letter>[{capitals}])"
        self.text = re.compile(rf"[\"']?(?i:{text})(?!\w|[.,]\d)")
        self.letter = re.compile(letter)
        self.item = re.compile(f"{self.text.pattern}|{letter}")
        self.mark = re.compile(rf"(?<!\w)(?:{bracketed}|(?P<letter>[{capitals}])[.:：)\]])\s*")
        self.lone = re.compile(rf"^[ \t>•-]*(?=(?:{letter})[ \t.:)\]]*$)", re.MULTILINE)

    def read(self, reply: str) -> set[int]:
        """Returns the indexes of the options that `reply` names; emphasis and curly quotes must already be removed."""
        if (place := self.places.get(_plain(reply))) is not None:
            return {place}
        return set(self._named(reply)) or self._alike(reply) or self._alike(reply.partition("\n")[0])

    def _named(self, reply: str) -> Iterator[int]:
        opening = _OPENING.match(reply)
        starts = {0, opening.end() if opening else 0} | {cue.end() for cue in _CUE.finditer(reply)}
        for start in starts:
            yield from self._listed(self.item, reply, start)
        for pattern in (_COLON, self.lone):
            for found in pattern.finditer(reply):
                yield from self._listed(self.letter, reply, found.end())
        for mark in self.mark.finditer(reply):
            if text := self.text.match(reply, mark.end()):
                yield from (_place(mark), _place(text))

    def _listed(self, item: re.Pattern[str], reply: str, start: int) -> set[int]:
        """Returns the options in the longest list that starts at `start` and whose last item is clearly complete."""
        named: set[int] = set()
        ended: set[int] = set()
        found = item.match(reply, start)
        while found:
            named.add(_place(found))
            if found.lastgroup == "bracketed" or _END.match(reply, found.end()):
                ended = set(named)
            between = _BETWEEN.match(reply, found.end())
            found = item.match(reply, between.end()) if between else None
        return ended

    def _alike(self, reply: str) -> set[int]:
        bare = _BARE.fullmatch(reply)
        if bare and self.letter.fullmatch(bare[1].upper()):
            return {ord(bare[1].upper()) - 65}
        return set(self.forms.get(normalise(reply, cjk=self.cjk), ()))


@lru_cache(maxsize=256)
def _reader(choices: tuple[str, ...]) -> _Reader:
    return _Reader(choices)
