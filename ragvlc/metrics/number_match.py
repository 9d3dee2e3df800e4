"""Number match: 1 if the reply states the quantity of a reference, as a value with its unit.

For answers that are numbers, which word metrics judge by their digits: under SQuAD's rule `3.5` equals `35`, and `3.5
million` does not equal `3,500,000`. What is read as a quantity is in `ragvlc.text.quantities`, with its limits.

All quantities of a reference must occur in the reply; others in the reply do not count, as with `contains`. Units of
one dimension are converted (`5 km` is `5000 m`), units of different ones are wrong, and a unit that one side lacks is
passed over unless `units: required`. A percentage is a part of a whole: 25 % is 0.25 and 1/4. A range is equal to the
same range only.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import reply_text, share_found
from ragvlc.text.quantities import Decimal, quantities, same


class NumberMatch(Metric):
    """1 if the reply states the quantities of any reference, else 0; the share of references if all are required.

    Attributes:
        tolerance: the largest relative error, such as 0.01 for rounded or converted values.
        units: `optional` passes over a unit that the reply or the reference lacks; `required` does not.
        decimal: the decimal mark. `auto` reads `1.234` and `1,234` both ways; `point` and `comma` one way.
    """

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    units: Literal["optional", "required"] = "optional"
    decimal: Decimal = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and references without a number."""
        gold = () if example.unanswerable else example.references
        wanted = [found for reference in gold if (found := quantities(reference, self.decimal))]
        stated = quantities(reply_text(answer), self.decimal)
        strict = self.units == "required"
        return share_found(
            [
                all(any(same(one, right, tolerance=self.tolerance, units=strict) for one in stated) for right in each)
                for each in wanted
            ],
            example,
        )
