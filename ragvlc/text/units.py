"""Units of measurement, magnitudes and number words, as they follow or precede a number.

Kinds of things (`25 people`) are no units, nor are words that mean several or something else: pounds, won, degrees
without a scale, `in`, `'` and `"`. `m` is metres, after a currency sign a million; `M` is a million, `K` a thousand,
after a blank kelvin; `oz` is a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["CURRENCY_SIGNS", "MAGNITUDES", "NUMBER_WORDS", "PERCENT", "SCALES", "UNITS", "Unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit.

    Attributes:
        dimension: what it measures; units of equal dimension are converted.
        factor: how many of the dimension's base unit it is.
        offset: of its zero point in base units, after the factor.
    """

    dimension: str
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "m metre metres meter meters": "1",
        "km kilometre kilometres kilometer kilometers kms": "1000",
        "dm": "0.1",
        "cm centimetre centimetres centimeter centimeters": "0.01",
        "mm millimetre millimetres millimeter millimeters": "0.001",
        "μm um micrometre micrometres micrometer micrometers micron microns": "0.000001",
        "nm nanometre nanometres nanometer nanometers": "0.000000001",
        "mi mile miles meile meilen": "1609.344",
        "yd yard yards": "0.9144",
        "ft foot feet": "0.3048",
        "inch inches": "0.0254",
    },
    "mass": {
        "kg kilogram kilograms kilo kilos kilogramm": "1",
        "g gram grams gramm": "0.001",
        "mg milligram milligrams": "0.000001",
        "μg ug mcg microgram micrograms": "0.000000001",
        "t tonne tonnes ton tons tonnen": "1000",
        "lb lbs pound-weight": "0.45359237",
        "oz ounce ounces": "0.028349523125",
    },
    "time": {
        "s sec secs second seconds sekunde sekunden": "1",
        "ms millisecond milliseconds": "0.001",
        "μs us microsecond microseconds": "0.000001",
        "min mins minute minutes minuten": "60",
        "h hr hrs hour hours stunde stunden": "3600",
        "d day days tag tage": "86400",
        "week weeks woche wochen": "604800",
    },
    "months": {"month months monat monate": "1", "yr yrs year years jahr jahre": "12", "decade decades": "120"},
    "area": {
        "m2 sqm m^2": "1",
        "km2 km^2": "1000000",
        "cm2 cm^2": "0.0001",
        "ha hectare hectares hektar": "10000",
        "acre acres": "4046.8564224",
    },
    "volume": {
        "l litre litres liter liters": "1",
        "ml millilitre millilitres milliliter milliliters": "0.001",
        "cl": "0.01",
        "m3 m^3": "1000",
        "cm3 cm^3": "0.001",
    },
    "speed": {"m/s": "1", "km/h kmh kph": "5/18", "mph": "0.44704", "knot knots kn": "1852/3600"},
    "energy": {
        "j joule joules": "1",
        "kj": "1000",
        "mj": "1000000",
        "wh": "3600",
        "kwh": "3600000",
        "mwh": "3600000000",
        "gwh": "3600000000000",
        "twh": "3600000000000000",
        "cal": "4.184",
        "kcal": "4184",
    },
    "power": {
        "w watt watts": "1",
        "kw kilowatt kilowatts": "1000",
        "mw megawatt megawatts": "1000000",
        "gw": "1000000000",
    },
    "voltage": {"v volt volts": "1", "kv": "1000", "mv": "0.001"},
    "current": {"amp amps ampere amperes": "1", "ma": "0.001"},
    "frequency": {"hz hertz": "1", "khz": "1000", "mhz": "1000000", "ghz": "1000000000"},
    "pressure": {"pa pascal": "1", "hpa mbar": "100", "kpa": "1000", "mpa": "1000000", "bar": "100000"},
    "data": {
        "b byte bytes": "1",
        "kb": "1000",
        "mb": "1000000",
        "gb": "1000000000",
        "tb": "1000000000000",
        "kib": "1024",
        "mib": "1048576",
        "gib": "1073741824",
    },
    "tokens": {"token tokens": "1"},
    "temperature": {"k kelvin": "1"},
    "USD": {"$ us$ usd dollar dollars": "1", "cent cents": "0.01"},
    "EUR": {"€ eur euro euros": "1"},
    "GBP": {"£ gbp": "1"},
    "JPY": {"¥ jpy yen": "1"},
    "CNY": {"cny rmb yuan": "1"},
    "INR": {"₹ inr rupee rupees": "1"},
    "KRW": {"₩ krw": "1"},
    "CHF": {"chf": "1"},
    "percentage points": {"pp percentage-point percentage-points": "1"},
}
UNITS: dict[str, Unit] = {
    name: Unit(dimension, Fraction(factor))
    for dimension, rows in _TABLE.items()
    for names, factor in rows.items()
    for name in names.split()
}
UNITS |= dict.fromkeys(("°c", "celsius", "degrees-celsius"), Unit("temperature", Fraction(1), Fraction("273.15")))
UNITS |= dict.fromkeys(
    ("°f", "fahrenheit", "degrees-fahrenheit"), Unit("temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))
)
"""Units by their name in lower case."""

PERCENT = Unit("", Fraction(1, 100))
"""A part of a whole, as a number without a unit is."""
UNITS |= dict.fromkeys(("%", "percent", "pct", "per-cent", "prozent"), PERCENT)
UNITS |= dict.fromkeys(("‰", "per-mille", "permille"), Unit("", Fraction(1, 1000)))

CURRENCY_SIGNS = ("US$", "USD", "EUR", "GBP", "JPY", "CNY", "RMB", "INR", "CHF", "$", "€", "£", "¥", "₹", "₩")
"""What stands before an amount."""

MAGNITUDES: dict[str, int] = {
    **dict.fromkeys(("thousand", "thousands", "tsd", "tausend", "mille", "k", "K"), 10**3),
    **dict.fromkeys(("lakh", "lakhs"), 10**5),
    **dict.fromkeys(("million", "millions", "millionen", "mio", "mln", "mn", "M"), 10**6),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys(("billion", "billions", "bn", "mrd", "milliarde", "milliarden", "milliards", "B"), 10**9),
    **dict.fromkeys(("trillion", "trillions", "tn"), 10**12),
    "万": 10**4,
    "萬": 10**4,
    "亿": 10**8,
    "億": 10**8,
}
"""Factors by the word after a number; single capitals as they are, the rest in lower case."""

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_SMALL.split())}
NUMBER_WORDS |= {
    word: 10 * tens
    for tens, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)  # noqa: SIM905
}
SCALES: dict[str, int] = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
"""English words that multiply the number words before them."""
