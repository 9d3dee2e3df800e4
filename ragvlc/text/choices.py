r"""Parser for multiple-choice replies: finds the option that a reply names.

Scripts of the benchmarks take the first letter that looks like an option (L-Eval reads `Because D` as B, and an
article as option A). Here a letter counts only where it is marked as an option. English, German, French, Spanish and
Chinese are read; the words are in `text._choice_words`. Emphasis, LaTeX and full-width letters are removed first. The
rules, in order:

1. The whole reply is an option's text, or letters with nothing else: `B`, `(b)`, `A, C`, `AB`.
2. The last verdict counts: an option that is announced (`The answer is`, `\boxed{`, `<answer>`, `"answer":`, `####`,
   `I would choose`, `It's`, `so`, `sondern`, `故选`) or affirmed (`B is correct`, `B trifft zu`). It replaces earlier
   ones and outweighs mentions. Verdicts that follow each other directly count together, and so does a letter that
   opens the reply, unless a word of correction lies between (`wait`, `but`, `so`). What is denied (`not B`, `B is
   wrong`) or asked is none. Verdicts by a noun or a format outweigh those in plain speech, and these the ones with
   `could` or `might`.
3. Everything named in these places counts together: an option's text or letter at the start; a letter after a colon;
   a marked letter before an option's text (`(B) no worries`); a letter alone on its line.
4. The whole reply or its first line under SQuAD's normalisation.
5. If the reply is no refusal: options that it mentions as `option B` or `(B)`, otherwise those whose text it
   quotes, in its conclusion if it draws one; none if it mentions all.

The end must show: end of reply or line, punctuation before a blank, or a word that cannot follow an article, so that
neither `A man walked` nor `Answer: A man` names A; a letter in brackets needs no more. Lists (`A, B`; `A or B`; `Both
A and C`) name every item: several options are no choice. Letters are capitals, unless in brackets or a format; texts
match in either case, the longest first. What a model writes from a next `Question:` on is not read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ragvlc.text import _choice_words as words
from ragvlc.text._choice_folding import folded, plain
from ragvlc.text.normalising import has_cjk, normalise
from ragvlc.text.refusals import refuses

__all__ = ["parse_choice"]

_HEDGED, _PLAIN, _FIRM = 1, 2, 3

_OPENING = re.compile(
    r"(?i:(?:the\s+|my\s+)?(?:(?:final|correct|right|best)\s+)*(?:answer|option|choice|letter|antwort|réponse|respuesta|opción)\s+)?"
)
_COLON = re.compile(r"[:：][ \t]*")
_ECHO = re.compile(r"^[ \t>•-]*\(?[A-Za-z][.):]", re.MULTILINE)
_BARE = re.compile(r"""[\s(\[{"'«「]*([A-Za-z])[\s)\]}"'.,:;!。»」]*""")
_LETTERS = re.compile(r"""[\s(\[{"']*[A-Z](?:[\s()\[\].,;&/+、，]{1,6}[A-Z])+[\s)\]}"'.!。]*""")
_TICKS = frozenset(("☑", "✅", "[x]", "[X]", "[✓]", "[✔]"))
_NEXT = re.compile(r"\n[ \t]*(?i:question|q|frage|pregunta|问题|题目)\s?\d{0,3}\s*[:：]")
_RUN = re.compile(r"\W*([A-Z]{2,})\W*")
_SPELLED = re.compile(
    r"(?<!\w)(?:(?i:option|choice|letter|antwort|buchstabe|lettre|opción|letra|réponse|respuesta)\s+|选项\s*|(?=\())"
)
_CLAUSE = re.compile(r"[.!?;:\n,。！？；：，(]|\b(?:but|however|aber|sondern|mais|pero|sino)\b|但|而是")
_SENTENCE = re.compile(r"[.!](?=\s|\Z)|[\n。！]|(?P<asked>[?？])")


def parse_choice(reply: str, choices: Sequence[str]) -> frozenset[int]:
    """Returns the indexes of the options that `reply` names: one if the reply is clear, none if it cannot be parsed.

    Several options mean that the reply is ambiguous, or that it picks several where that is allowed. Of options with
    equal texts only the first is named.

    Args:
        reply: of the model; emphasis in Markdown and LaTeX is ignored.
        choices: option texts without letters; the first 26 have one.
    """
    if not choices:
        return frozenset()
    return frozenset(_reader(tuple(choices)).read(folded(reply)))


def _pattern(text: str) -> str:
    return r"\s+".join(map(re.escape, text.split()))


def _inner(text: str) -> str:
    """Returns the pattern of an option's text inside a sentence: whole words, or any place in Chinese."""
    start = "" if has_cjk(text[0]) else r"(?<!\w)(?<!\d[.,])"
    end = "" if has_cjk(text[-1]) else r"(?!\w|[.,]\d)"
    return f"{start}{_pattern(text)}{end}"


def _places(found: re.Match[str]) -> set[int]:
    """Returns the options in a match: group `t3` is the text of option 3, other groups are letters."""
    group = str(found.lastgroup)
    return {int(group[1:])} if group.startswith("t") else {ord(letter) - 65 for letter in found[group].upper()}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Options that a reply announces or affirms at a place, how much that counts, and whether others count with it."""

    start: int
    end: int
    named: frozenset[int]
    rank: int
    ticked: bool


class _Reader:
    """The patterns for one set of options."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.count = len(choices)
        self.places: dict[str, int] = {}
        self.forms: defaultdict[str, set[int]] = defaultdict(set)
        self.cjk = has_cjk(*choices)
        for place, choice in enumerate(choices):
            if self.places.setdefault(plain(choice), place) == place:
                for form in (folded(choice), f"{chr(65 + place)} {folded(choice)}"):
                    self.forms[normalise(form, cjk=self.cjk)].add(place)
        for nothing in (self.places, self.forms):
            nothing.pop("", None)
        self.capitals = "".join(chr(65 + place) for place in range(min(26, len(choices))))
        small = self.capitals.lower()
        both = self.capitals + small
        texts = sorted(self.places, key=len, reverse=True)
        text = "|".join(f"(?P<t{self.places[text]}>{_pattern(text)})" for text in texts) or "(?!)"
        bracketed = rf"[(\[{{（【]\s*(?P<bracketed>[{both}])\s*[)\]}}）】]"
        letter = rf"{bracketed}|(?P<run>[{self.capitals}]{{2,{max(2, len(choices))}}})(?![A-Za-z0-9_])"
        letter += rf"|(?P<half>[{small}])(?=\)(?!\w))|(?P<letter>[{self.capitals}])"
        inner = "|".join(f"(?P<t{self.places[text]}>{_inner(text)})" for text in texts if len(text) > 1) or "(?!)"
        self.text = re.compile(rf"[\"']?(?i:{text})(?!\w|[.,]\d)")
        self.letter = re.compile(letter)
        self.item = re.compile(f"{self.text.pattern}|{letter}")
        closed = r"""(?=[)\]}"'.]*(?:\s*\Z|\s*\n|[<|\[]|[.,;]?\s+\Z|(?<=[."'}])\s|,\s))"""
        marked = rf"{self.text.pattern}|[\"'(\[{{《〈\s]{{0,3}}(?:{letter}|(?P<small>["
        self.loose = re.compile(f"{marked}{small}]){closed})")
        self.firm = re.compile(f"{marked}{small[1:] or 'A'}]){closed})")
        self.quoted = re.compile(f"(?i:{inner})")
        self.mark = re.compile(rf"(?<!\w)(?:{bracketed}|(?P<letter>[{self.capitals}])[.:：)\]])\s*")
        self.lone = re.compile(rf"^[ \t>•-]*(?=(?:{letter})[ \t.:)\]]*$)", re.MULTILINE)
        self.closing = re.compile(rf"(?<![A-Z])[.!?;,。！？，]\s*(?=(?:{letter})[.!)。]?\s*\Z)")
        self.candidate = re.compile(rf"(?<![A-Za-z0-9_'.\-])(?=(?:{letter})(?![A-Za-z0-9_']))")
        self.own = re.compile(rf"[)\].:,\s\-–—(\"']{{1,4}}(?i:{text})[)\"'.]*")

    def read(self, reply: str) -> set[int]:
        """Returns the indexes of the options that a folded reply names; a next question of its own ends it."""
        answered = _NEXT.search(reply)
        return (self._read(reply[: answered.start()]) if answered else set()) or self._read(reply)

    def _read(self, reply: str) -> set[int]:
        if (place := self.places.get(plain(reply))) is not None:
            return {place}
        if (run := _RUN.fullmatch(reply)) and list(run[1]) != sorted(set(run[1])):
            return set()
        if _LETTERS.fullmatch(reply) and set(re.findall("[A-Z]", reply)) <= set(self.capitals):
            return {ord(letter) - 65 for letter in re.findall("[A-Z]", reply)}
        return (
            self._decided(reply)
            or set(self._named(reply))
            or self._alike(reply)
            or self._alike(reply.partition("\n")[0])
            or self._mentioned(reply)
        )

    def _decided(self, reply: str) -> set[int]:
        """Returns the options of the last verdict, with those that count together with it."""
        verdicts = sorted(
            {*self._announced(reply), *self._affirmed(reply), *self._closed(reply)},
            key=lambda one: (one.start, one.end),
        )
        if not verdicts:
            return set()
        top = max(one.rank for one in verdicts)
        if top == _HEDGED:
            return {place for one in verdicts for place in one.named}
        last = _replaced(reply, verdicts, [one for one in verdicts if one.rank == top][-1])
        named, after = set(last.named), last
        for one in reversed([one for one in verdicts if one.end <= last.start and one.rank > _HEDGED]):
            together = (one.ticked and last.ticked) or words.ALSO.fullmatch(reply, one.end, after.start)
            if not together or words.CORRECTED.search(reply, one.end, after.end):
                break
            named |= one.named
            after = one
        opening = self._opening(reply)
        if not opening or opening == named or words.CORRECTED.search(reply, 0, last.end):
            return named
        return opening | named if last.rank == _FIRM else opening

    def _opening(self, reply: str) -> set[int]:
        """Returns the options whose letters open a reply that does not begin with a list of the options."""
        marks = {mark.group() for mark in _ECHO.finditer(reply)}
        return self._listed(self.letter, reply, 0)[0] if len(marks) < 2 else set()

    def _announced(self, reply: str) -> Iterator[_Verdict]:
        end = 0
        for cue in words.ANNOUNCED.finditer(reply):
            if cue.start() < end:
                continue
            kind = str(cue.lastgroup)
            pattern = {"format": self.loose, "noun": self.loose if ":" in cue.group() else self.firm}.get(
                kind, self.letter
            )
            prefix = words.PREFIX.match(reply, cue.end())
            named, stop = self._listed(pattern, reply, prefix.end() if prefix else cue.end())
            if not named or (kind != "format" and self._open(reply, cue, stop)):
                continue
            end = stop
            rank = _FIRM if kind in {"format", "noun"} else _PLAIN
            rank = _HEDGED if words.HEDGED.search(cue.group()) else rank
            yield _Verdict(cue.start(), end, frozenset(named), rank, ticked=cue.group().strip() in _TICKS)

    def _closed(self, reply: str) -> Iterator[_Verdict]:
        """Yields the letter that ends a reply after a complete clause."""
        if (found := self.closing.search(reply, max(0, len(reply) - 20))) and not _denied(reply, found.end()):
            named, end = self._listed(self.letter, reply, found.end())
            if named:
                yield _Verdict(found.end(), end, frozenset(named), _PLAIN, ticked=False)

    def _open(self, reply: str, cue: re.Match[str], end: int) -> bool:
        """Returns whether what a cue announces is denied or asked."""
        kind = str(cue.lastgroup)
        if not kind.startswith("turn") and _denied(reply, cue.start()):
            return True
        return words.NEGATION.search(cue.group()) is not None or (":" not in cue.group() and _asked(reply, end))

    def _affirmed(self, reply: str) -> Iterator[_Verdict]:
        for start, end, named in self._runs(reply):
            if words.AFFIRMED.match(reply, end) and not words.REJECTED.match(reply, end):
                found = words.AFFIRMED.match(reply, end)
                if found and not _denied(reply, start) and not _asked(reply, end):
                    conceded = words.CONCEDED.search(_clause(reply, start))
                    yield _Verdict(start, found.end(), frozenset(named), _HEDGED if conceded else _FIRM, ticked=True)

    def _runs(self, reply: str) -> Iterator[tuple[int, int, set[int]]]:
        """Yields lists of letters with the option's text where it follows: start, end, and the options named."""
        end = 0
        for candidate in self.candidate.finditer(reply):
            if candidate.start() < end:
                continue
            named: set[int] = set()
            for found in self._items(self.letter, reply, candidate.start()):
                named |= _places(found)
                end = found.end()
            text = self.own.match(reply, end)
            end = text.end() if text and _places(text) <= named else end
            yield candidate.start(), end, named

    def _named(self, reply: str) -> Iterator[int]:
        for start in {0, _opened(reply)}:
            yield from self._listed(self.item, reply, start)[0]
        for pattern in (_COLON, self.lone):
            for found in pattern.finditer(reply):
                yield from self._listed(self.letter, reply, found.end())[0]
        for mark in self.mark.finditer(reply):
            if (text := self.text.match(reply, mark.end())) and not words.REJECTED.match(reply, text.end()):
                yield from _places(mark) | _places(text)

    def _items(self, item: re.Pattern[str], reply: str, start: int) -> Iterator[re.Match[str]]:
        """Yields the items of a list that starts at `start`."""
        found = item.match(reply, start)
        while found:
            yield found
            between = words.BETWEEN.match(reply, found.end())
            prefix = words.PREFIX.match(reply, between.end()) if between else None
            found = item.match(reply, prefix.end()) if prefix else None

    def _listed(self, item: re.Pattern[str], reply: str, start: int) -> tuple[set[int], int]:
        """Returns the options in the longest list from `start` whose last item is clearly complete, and its end."""
        named: set[int] = set()
        ended: tuple[set[int], int] = set(), start
        for found in self._items(item, reply, start):
            named |= _places(found)
            end = found.end()
            if words.REJECTED.match(reply, end):
                return (set(), start) if words.PLURAL.match(reply, end) else ended
            later = (
                found.lastgroup == "letter" and found.start() > start and found["letter"] not in "AI" and len(named) > 1
            )
            whole = later and not reply[end : end + 1].isalnum() and reply[end : end + 1] not in "'-"
            if whole or found.lastgroup == "bracketed" or words.END.match(reply, end) or _followed(found):
                ended = set(named), end
        return ended

    def _alike(self, reply: str) -> set[int]:
        bare = _BARE.fullmatch(reply)
        if bare and self.letter.fullmatch(bare[1].upper()):
            return {ord(bare[1].upper()) - 65}
        return set(self.forms.get(normalise(reply, cjk=self.cjk), ()))

    def _mentioned(self, reply: str) -> set[int]:
        """Returns the options that a reply mentions without denial, in its conclusion if it draws one."""
        if refuses(reply):
            return set()
        rejected = self._rejected(reply)
        conclusions = [found.start() for found in words.CONCLUDED.finditer(reply)][-1:]
        for start in (*conclusions, 0):
            for mentions in (self._spelled(reply, start), self._quoted(reply, start)):
                if found := mentions - rejected:
                    return found if len(found) < self.count or self.count == 1 else set()
        return set()

    def _rejected(self, reply: str) -> set[int]:
        """Returns the options whose letters a reply rules out."""
        rejected: set[int] = set()
        for start, end, named in self._runs(reply):
            rejected |= named if words.REJECTED.match(reply, end) or _denied(reply, start) else set()
        for found in words.RULED_OUT.finditer(reply):
            prefix = words.PREFIX.match(reply, found.end())
            for item in self._items(self.item, reply, prefix.end() if prefix else found.end()):
                rejected |= _places(item)
        return rejected

    def _spelled(self, reply: str, start: int) -> set[int]:
        found = (self.letter.match(reply, word.end()) for word in _SPELLED.finditer(reply, start))
        return {place for letter in found if letter and not _asked(reply, letter.end()) for place in _places(letter)}

    def _quoted(self, reply: str, start: int) -> set[int]:
        """Returns the options whose texts occur in a sentence that neither denies nor asks."""
        named: set[int] = set()
        for found in self.quoted.finditer(reply, start):
            rejected = words.REJECTED.match(reply, found.end()) or _denied(reply, found.start())
            named |= set() if rejected or _asked(reply, found.end()) else _places(found)
        return named


def _replaced(reply: str, verdicts: Sequence[_Verdict], last: _Verdict) -> _Verdict:
    """Returns the verdict that replaces `last` later in the reply, after a word of correction; `last` if none does."""
    since, corrected = last.end, False
    for one in [one for one in verdicts if one.start >= last.end]:
        corrected = corrected or words.CORRECTED.search(reply, since, one.end) is not None
        since = one.end
        if corrected and one.rank > _HEDGED:
            last, corrected = one, False
    return last


def _followed(letter: re.Match[str]) -> bool:
    """Returns whether a letter is followed by a word that follows no article; never for an option's text."""
    text = str(letter.lastgroup).startswith("t")
    found = words.FOLLOWING.match(letter.string, letter.end()) or words.AFFIRMED.match(letter.string, letter.end())
    return not text and found is not None


def _opened(reply: str) -> int:
    """Returns where the first item of a reply would begin, after `The answer` and the like."""
    found = _OPENING.match(reply)
    prefix = words.PREFIX.match(reply, found.end() if found else 0)
    return prefix.end() if prefix else 0


def _denied(reply: str, start: int) -> bool:
    """Returns whether the clause before `start` denies what follows."""
    return words.NEGATED.search(_clause(reply, start)) is not None


def _clause(reply: str, start: int) -> str:
    """Returns what the clause that holds `start` says before it."""
    before = reply[max(0, start - 60) : start]
    return before[max((found.end() for found in _CLAUSE.finditer(before)), default=0) :]


def _asked(reply: str, end: int) -> bool:
    """Returns whether the sentence that goes on at `end` is a question."""
    found = _SENTENCE.search(reply, max(0, end - 1), end + 160)
    return found is not None and found["asked"] is not None


@lru_cache(maxsize=256)
def _reader(choices: tuple[str, ...]) -> _Reader:
    return _Reader(choices)
