"""Quantities in texts: numbers as people write them, with their units.

Read are digits of any script, thousands marks (`1,234,567`, `1.234.567`, `1 234 567`, `1'234'567`, `12,34,567`),
decimal points and commas, signs, fractions (`3 1/2`, `3½`), scientific notation (`1.5e6`, `1.5 × 10⁶`), English number
words, magnitudes (`3 million`, `3bn`, `3万`), percent, currencies before or after the number, units of
`ragvlc.text.units`, and ranges (`10-15 km`, `10 to 15`, `between 10 and 15`).

A mark with three digits after it (`1.234`, `1,234`) may be a thousands mark or a decimal one: such a number has two
readings, unless a setting says which mark is the decimal one. Not read: numbers in names (`COVID-19`, `H2O`, `Q3`),
versions and dates (`1.2.3`, `2024-05-01`), what follows `±`, ordinals in words, and numerals as letters (`XII`, `三`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ragvlc.text.folding import fold
from ragvlc.text.units import CURRENCY_SIGNS, MAGNITUDES, NUMBER_WORDS, SCALES, UNITS, Unit

__all__ = ["Decimal", "Quantity", "quantities", "same"]

Decimal = Literal["auto", "point", "comma"]

_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_GROUPED = r"\d{1,3}(?P<gap>[ '_])\d{3}(?:(?P=gap)\d{3})*(?:[.,]\d+)?(?!\d)"
_DIGITS = rf"(?:{_GROUPED}|\d+(?:[.,]\d+)*|[.,]\d+)"
_NUMBER_WORD = "|".join((*NUMBER_WORDS, *SCALES))
_SCALE = "|".join(SCALES)
_WORDS = rf"(?:(?:{'|'.join(NUMBER_WORDS)})|an? (?:{_SCALE}))\b(?:(?:[ -]|,? and )(?:{_NUMBER_WORD})\b)*"
_PARTS = {"three quarters": "3/4", "a quarter": "1/4", "one quarter": "1/4", "half": "1/2", "dozen": "12"}
_SKIPPED = (
    r"\d{1,4}(?P<apart>[-./])\d{1,2}(?P=apart)\d{1,4}(?![.\d]*\d)|\d{1,2}:\d\d(?::\d\d)?|\d+(?:\.\d{1,2}){2,}(?!\d)"
)
_SIGN = "|".join(map(re.escape, CURRENCY_SIGNS))
_DIGITS_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = f"{_DIGITS_RAISED}⁻⁺"
_LONGEST = 1000
"""Characters of a number; longer runs of digits count nothing that is asked."""
_NUMBER = re.compile(
    rf"(?<![\w.,/^{_RAISED}])(?<![^\W\d_]-)(?:(?P<skipped>{_SKIPPED})|"
    rf"(?P<minus>-(?=[\d.,{re.escape('$€£¥₹')}]))?(?:(?P<currency>{_SIGN})\s?)?"
    rf"(?:(?:(?P<whole>\d+) )?(?P<top>\d+)/(?P<bottom>\d+)(?![\d/])|(?P<digits>{_DIGITS})"
    rf"(?:[eE](?P<exponent>[-+]?\d+)|\s?[x×·⋅*]\s?10(?:(?:\^|\*\*)\s?(?P<power>[-+]?\d+)|(?P<raised>[⁻⁺]?[{_DIGITS_RAISED}]+)))?"
    rf"(?:\^(?P<own>[-+]?\d+)|(?P<own_raised>[⁻⁺]?[{_DIGITS_RAISED}]+))?(?![.,]?\d)(?:(?:st|nd|rd|th)\b)?(?!\w*\d)))"
    rf"|\b(?:(?P<part>{'|'.join(_PARTS)})|(?P<words>{_WORDS}))\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"[ -]?(?P<unit>(?:degrees? (?:celsius|fahrenheit))|percentage points?|per cent|per mille|(?:km|m)/[hs]\b|"
    r"square (?:kilo|centi)?met(?:re|er)s?|[a-zA-Zμ]{1,3}\^?[23](?!\w)|°\s?[CF]?\b|US\$|[%‰°$€£¥₹₩万萬亿億]|[^\W\d_]+)"
)
_TO = re.compile(r"\s?(?:-|to|bis|and)\s?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, or a range of numbers.

    Attributes:
        readings: its possible values, in base units of the dimension: the decimal reading first.
        mark: the mark that leaves two readings, if any.
        unit: as written; None without.
        end: the other end of a range.
    """

    readings: tuple[Fraction, ...]
    mark: str = ""
    unit: Unit | None = None
    end: Quantity | None = None

    def bare(self) -> tuple[Fraction, ...]:
        """Returns the readings as written, without the unit."""
        unit = self.unit
        return self.readings if unit is None else tuple((one - unit.offset) / unit.factor for one in self.readings)


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    readings: tuple[Fraction, ...]
    mark: str
    magnitude: int
    unit: Unit | None

    def quantity(self, end: _Found | None = None) -> Quantity:
        """Returns the quantity; of a range, a unit or magnitude that stands after its end only counts for both."""
        unit, magnitude = self.unit, self.magnitude
        if end is not None:
            unit = unit or end.unit
            magnitude = end.magnitude if magnitude == 1 else magnitude
            upper = _Found(end.start, end.end, end.readings, end.mark, end.magnitude, unit).quantity()
        factor, offset = (unit.factor, unit.offset) if unit else (Fraction(1), Fraction(0))
        readings = tuple(one * magnitude * factor + offset for one in self.readings)
        return Quantity(readings, self.mark, unit, None if end is None else upper)


def quantities(text: str, decimal: Decimal = "auto") -> list[Quantity]:
    """Returns the quantities of a text, in order.

    Args:
        text: anything.
        decimal: which mark is the decimal one; `auto` leaves two readings where it could be either.
    """
    text = "".join(map(_plain_digit, fold(text)))
    found: list[Quantity] = []
    waiting: _Found | None = None
    for one in _numbers(text, decimal):
        if waiting is None:
            waiting = one
            continue
        between = text[waiting.end : one.start]
        joined = _TO.fullmatch(between) and ("and" not in between.lower() or _opened(text, waiting.start))
        if joined and (waiting.unit is None or one.unit is None or waiting.unit == one.unit):
            found.append(waiting.quantity(one))
            waiting = None
        else:
            found.append(waiting.quantity())
            waiting = one
    if waiting is not None:
        found.append(waiting.quantity())
    return found


def same(one: Quantity, other: Quantity, *, tolerance: float = 0.0, units: bool = False) -> bool:
    """Returns whether two quantities are equal.

    A unit that only one of them has does not count, unless `units`; `25` then is both 25 % and 25. Of two numbers with
    two readings each, equal marks are read alike and different ones are not equal.

    Args:
        one: compared.
        other: the right one.
        tolerance: the largest share of the right value that the other may be off.
        units: whether both must have a unit, or neither.
    """
    if (one.end is None) != (other.end is None):
        return False
    if one.end is not None and other.end is not None and not same(one.end, other.end, tolerance=tolerance, units=units):
        return False
    if one.unit is not None and other.unit is not None:
        if one.unit.dimension != other.unit.dimension:
            return False
        pairs = [(one.readings, other.readings)]
    else:
        if units and one.unit is not other.unit and not _parts(one, other):
            return False
        pairs = [(one.bare(), other.bare())] if not units or one.unit is other.unit else []
        pairs += [(one.readings, other.readings)] if _parts(one, other) else []
    return any(_near(a, b, one, other, tolerance) for a, b in pairs)


def _parts(one: Quantity, other: Quantity) -> bool:
    """Returns whether both are parts of a whole or plain numbers, such as 25 % and 0.25."""
    return all(each.unit is None or not each.unit.dimension for each in (one, other))


def _near(
    readings: tuple[Fraction, ...], right: tuple[Fraction, ...], one: Quantity, other: Quantity, tolerance: float
) -> bool:
    pairs = [(a, b) for a in readings for b in right]
    if one.mark and other.mark:
        pairs = list(zip(readings, right, strict=True)) if one.mark == other.mark else []
    return any(abs(a - b) <= Fraction(str(tolerance)) * abs(b) for a, b in pairs)


def _opened(text: str, start: int) -> bool:
    return text[:start].rstrip().lower().endswith(("between", "from", "zwischen", "entre"))


def _plain_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def _numbers(text: str, decimal: Decimal) -> Iterator[_Found]:
    done = 0
    for match in _NUMBER.finditer(text):
        before = text[max(0, match.start() - 5) : match.start()].rstrip()
        if match["skipped"] or match.start() < done or before.endswith(("±", "+/-")):
            continue
        read = _readings(match, decimal)
        if read is None:
            continue
        readings, mark = read
        if match["minus"]:
            readings = tuple(-one for one in readings)
        currency = UNITS[match["currency"].lower()] if match["currency"] else None
        magnitude, unit, done = _after(text, match.end(), money=currency is not None)
        yield _Found(match.start(), done, readings, mark, magnitude, currency or unit)


def _readings(match: re.Match[str], decimal: Decimal) -> tuple[tuple[Fraction, ...], str] | None:
    """Returns the possible values of a number, and the mark that leaves two; None for a version or a division by 0."""
    if len(match[0]) > _LONGEST:
        return None
    if match["words"]:
        return (Fraction(_in_words(match["words"])),), ""
    if match["part"]:
        return (Fraction(_PARTS[match["part"].lower()]),), ""
    if match["top"]:
        top, bottom = int(match["top"]), int(match["bottom"])
        return ((int(match["whole"] or 0) + Fraction(top, bottom),), "") if bottom else None
    read = _decimal(match["digits"], decimal)
    power = match["exponent"] or match["power"] or (match["raised"] or "").translate(_POWERS)
    own = match["own"] or (match["own_raised"] or "").translate(_POWERS)
    if read is None or len(power) > 4 or len(own) > 3:  # no number that anything counts
        return None
    readings = tuple(one * Fraction(10) ** int(power or 0) for one in read[0])
    if own and readings[0]:
        readings = tuple(one ** int(own) for one in readings)
    return readings, read[1]


def _decimal(digits: str, decimal: Decimal) -> tuple[tuple[Fraction, ...], str] | None:
    """Returns the possible values of digits with marks, and the mark that leaves two."""
    gapped = re.sub(r"[ '_]", "", digits)
    marks = [one for one in gapped if one in ".,"]
    if not marks:
        return (Fraction(int(gapped)),), ""
    last = marks[-1]
    whole, _, rest = gapped.rpartition(last)
    if len(set(marks)) == 2:
        other = "," if last == "." else "."
        return ((_value(whole.replace(other, ""), rest),), "") if marks.count(last) == 1 else None
    if len(marks) > 1:
        groups = gapped.split(last)
        indian = last == "," and all(len(one) == 2 for one in groups[1:-1])
        grouped = all(len(one) == 3 for one in groups[1:])
        return ((Fraction(int("".join(groups))),), "") if grouped or (indian and len(groups[-1]) == 3) else None
    thousands = len(rest) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0" and gapped == digits
    if not thousands:
        return (_value(whole, rest),), ""
    values = (_value(whole, rest), Fraction(int(whole + rest)))
    if decimal == "auto":
        return values, last
    return (values[0 if last == ("." if decimal == "point" else ",") else 1],), ""


def _value(whole: str, rest: str) -> Fraction:
    return Fraction(f"{whole or 0}.{rest}")


def _in_words(text: str) -> int:
    total = current = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in NUMBER_WORDS:
            current += NUMBER_WORDS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in SCALES:
            total += max(current, 1) * SCALES[word]
            current = 0
    return total + current


def _after(text: str, place: int, *, money: bool) -> tuple[int, Unit | None, int]:
    """Returns the magnitude and the unit that follow a number, and where they end."""
    factor = 1
    for _ in range(2):
        match = _UNIT.match(text, place)
        if match is None:
            break
        word = match["unit"]
        plain = re.sub(r"\s+", "-", word.lower().removesuffix("."))
        by = MAGNITUDES.get(word if len(word) == 1 and word.isupper() else plain)
        if money and word == "m":
            by = 10**6
        if word == "K" and match.start("unit") > place:  # `4 K` is a temperature
            by = None
        if by is not None and factor == 1:
            factor, place = by, match.end()
            place += text[place : place + 1] == "."  # `Mio.`
            continue
        plain = re.sub(
            r"square-(kilo|centi)?met(?:re|er)s?", lambda m: {"kilo": "km2", "centi": "cm2"}.get(m[1], "m2"), plain
        )
        unit = UNITS.get(
            plain.replace("°-", "°").removesuffix("s") if plain.startswith("percentage") else plain.replace("°-", "°")
        )
        return factor, unit, match.end() if unit else place
    return factor, None, place
