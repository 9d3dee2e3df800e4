"""By budget: the most preferred route whose predicted tokens, money or seconds stay within the limits.

Each route makes a dry run on the question (see `routing.dry_run`): its real prompts are made and counted, and
nothing is generated. What it would cost is then compared with the budget. Replies count as long as `reply_share` of
what they may be; tokens found in a cache of prefixes count as new ones; a route that asks a second one only sometimes
(`self_route`, `cascade`) counts without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from ragvlc.core.answer import Usage
from ragvlc.core.data import Document, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Choice, Price, Route, Router
from ragvlc.core.run import Run
from ragvlc.routing.dry_run import Speed, dry_run

Limit = Annotated[float | None, Field(gt=0)]


class ByBudget(Router):
    """Takes the first route, in the order of preference, that stays within every limit; otherwise the cheapest.

    Attributes:
        prefer: route names, best first.
        tokens: limit for a question, prompts and replies together.
        money: limit for a question, at `prices`.
        seconds: limit for a question, at `speeds`.
        prices: money per million tokens, by the generator's role in the pipeline.
        speeds: tokens in a second, by role.
        reply_share: how much of its limit a reply is taken to use.
    """

    version: ClassVar[int] = 1
    prefer: Annotated[tuple[str, ...], Field(min_length=1)] = ("full", "rag")
    tokens: Limit = None
    money: Limit = None
    seconds: Limit = None
    prices: Mapping[str, Price] = Field(default_factory=dict)
    speeds: Mapping[str, Speed] = Field(default_factory=dict)
    reply_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _something_is_limited(self) -> Self:
        if self.tokens is None and self.money is None and self.seconds is None:
            raise ValueError("needs a limit: tokens, money or seconds")
        return self

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:
        """Returns the preferred routes. Raises `ValueError` if one allows no dry run or its cost is unknown."""
        for name in self.prefer:
            route = routes.get(name)
            if route is None:
                continue
            if route.uses_gold:
                raise ValueError(f"router: '{name}' is a control, which reads the gold; it allows no dry run.")
            roles = sorted({role for table, role, _ in route.roles() if table == "generators"})
            for field, limit, known in (("prices", self.money, self.prices), ("speeds", self.seconds, self.speeds)):
                missing = [role for role in roles if role not in known]
                if limit is not None and missing:
                    raise ValueError(
                        f"router: {field} lacks generator '{missing[0]}', which route '{name}' asks. "
                        f"Write {field}: {{{missing[0]}: {{prompt: ..., completion: ...}}}}."
                    )
        return frozenset(self.prefer)

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:
        """Returns the first route within the limits, else the cheapest. Raises `WindowExceeded` if no prompt fits."""
        costs: dict[str, Mapping[str, float]] = {}
        for name in self.prefer:
            bills = dry_run(routes[name], query, documents, run, share=self.reply_share)
            if bills is None:
                continue
            costs[name] = self._cost(bills)
            if self._excess(costs[name]) <= 1:
                return Choice(name, f"within {self._limits()}", self._signals(costs))
        if not costs:
            raise WindowExceeded("no route of the router fits its model's window. Allow one of them to cut its text.")
        cheapest = min(costs, key=lambda name: self._excess(costs[name]))
        return Choice(cheapest, f"none is within {self._limits()}; this is the nearest", self._signals(costs))

    def _cost(self, bills: Mapping[str, Usage]) -> Mapping[str, float]:
        found = {"tokens": float(sum(usage.prompt_tokens + usage.completion_tokens for usage in bills.values()))}
        if self.money is not None:
            found["money"] = sum(self.prices[role].at_most(usage) for role, usage in bills.items())
        if self.seconds is not None:
            found["seconds"] = sum(self.speeds[role].of(usage) for role, usage in bills.items())
        return found

    def _given(self) -> dict[str, float]:
        limits = {"tokens": self.tokens, "money": self.money, "seconds": self.seconds}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def _excess(self, cost: Mapping[str, float]) -> float:
        """Returns the largest ratio of a cost to its limit."""
        return max(cost[name] / limit for name, limit in self._given().items())

    def _limits(self) -> str:
        return ", ".join(f"{limit:g} {name}" for name, limit in self._given().items())

    def _signals(self, costs: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        found: dict[str, Any] = {
            f"{name}_{unit}": round(value, 6) for name, cost in costs.items() for unit, value in cost.items()
        }
        best, *others = self.prefer
        if len(others) == 1 and best in costs:
            found |= {"score": self._excess(costs[best]), "favours": others[0]}
        return found
