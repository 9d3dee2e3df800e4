"""Training of a rule that chooses between two routes, with its gain estimated on held-out documents.

The target is the route with the higher value (quality, less a price for its cost where one is set). Questions on which
both come out equal teach nothing and are left out of learning, and counted; they stay in the estimate. A question
weighs as much as its two values differ: what is minimised is what a wrong choice loses, so that no balancing of the two
classes is needed, or wanted, where one route wins most of the time. `balanced` does it all the same.

The estimate is nested cross-validation with whole groups (documents) held out: the strength of the regularisation is
chosen inside, by the value of the routes taken, and every question is decided by a rule that has not seen its
document. It is compared with the better of the two fixed routes as known in hindsight, which favours the fixed route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Chunker, Retriever
from ragvlc.routing.learned_rule import LearnedRule
from ragvlc.statistics.cross_fitting import gain_over_best
from ragvlc.statistics.differences import Difference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FitSettings", "Fitted", "HeldOutEstimate", "TrainingRow", "fit"]


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A training question with its features and the value of each route's answer.

    Attributes:
        features: by name.
        group: what is held out together: the document.
        values: of each route, by name; higher is better.
    """

    features: Mapping[str, float]
    group: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings for training a routing rule.

    Attributes:
        folds: of the cross-validation; fewer where there are fewer groups.
        seed: of the division into folds.
        margin: values closer than this are a tie.
        strengths: inverse strengths of the regularisation to choose from, as scikit-learn's `C`.
        balanced: both routes weigh the same in learning, however often each wins.
    """

    folds: int = 5
    seed: int = 0
    margin: float = 1e-9
    strengths: tuple[float, ...] = (0.003, 0.03, 0.3, 3.0)
    balanced: bool = False


@dataclass(frozen=True, slots=True)
class HeldOutEstimate:
    """The estimated gain of the learned rule on held-out groups of questions.

    Attributes:
        n: questions.
        groups: documents, or whatever is held out together.
        folds: of the cross-validation.
        ties: questions on which both routes come out equal.
        wins: questions that each route wins, by route.
        fixed: mean value of each route taken always, by route.
        learned: mean value of the routes taken.
        oracle: mean value of the better route of each question.
        by_chance: mean value of drawing routes in the same shares.
        share: of questions sent to the second route.
        right: share of questions without ties where the better route is taken.
        gain: learned less the fixed route that is better on other groups, with an interval over groups.
        chosen: the strength of regularisation that the final rule has.
    """

    n: int
    groups: int
    folds: int
    ties: int
    wins: Mapping[str, int]
    fixed: Mapping[str, float]
    learned: float
    oracle: float
    by_chance: float
    share: float
    right: float | None
    gain: Difference
    chosen: float

    @property
    def best_fixed(self) -> str:
        """The better of the two fixed routes by mean value; the first one if both are equal."""
        return max(self.fixed, key=lambda name: self.fixed[name])

    @property
    def normalised_gain(self) -> float | None:
        """The gain as a share of the question oracle's gain; None if the oracle gains nothing."""
        room = self.oracle - self.fixed[self.best_fixed]
        return (self.learned - self.fixed[self.best_fixed]) / room if room > 0 else None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A learned rule, its estimated gain, and its held-out choices.

    Attributes:
        rule: from all questions.
        estimate: of rules learned in the same way.
        chosen: route by question, each decided without its group, in the order given.
    """

    rule: LearnedRule
    estimate: HeldOutEstimate
    chosen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Data:
    """Training arrays: features x [n, features], values of first and second route [n], groups [n]."""

    x: Floats
    first: Floats
    second: Floats
    groups: NDArray[np.int64]
    settings: FitSettings = field(default_factory=FitSettings)

    @property
    def gain(self) -> Floats:
        """The value of the second route minus the value of the first, [n]; 0 for a tie."""
        import numpy as np

        found = self.second - self.first
        return np.where(np.abs(found) <= self.settings.margin, 0.0, found)

    def some(self, places: NDArray[np.int64]) -> _Data:
        return _Data(self.x[places], self.first[places], self.second[places], self.groups[places], self.settings)

    def folds(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yields the row indexes for training and for testing of each fold, split by group."""
        import numpy as np
        from sklearn.model_selection import GroupKFold

        parts = min(self.settings.folds, len(np.unique(self.groups)))
        yield from GroupKFold(parts, shuffle=True, random_state=self.settings.seed).split(self.x, groups=self.groups)


@dataclass(frozen=True, slots=True)
class _Line:
    """A linear decision rule over standardised features."""

    means: Floats
    scales: Floats
    weights: Floats
    intercept: float

    def second(self, x: Floats) -> NDArray[np.bool_]:
        """Returns whether each row takes the second route, as booleans [n]."""
        import numpy as np

        return np.asarray((x - self.means) / self.scales @ self.weights + self.intercept >= 0)


def fit(
    rows: Sequence[TrainingRow],
    routes: tuple[str, str],
    *,
    chunker: Chunker,
    retriever: Retriever,
    metadata: Sequence[str] = (),
    settings: FitSettings | None = None,
) -> Fitted:
    """Returns the learned rule between two routes, with its gain estimated on held-out groups.

    Args:
        rows: questions, with values of both routes.
        routes: the one that a low score takes, and the one that a high score takes.
        chunker: that the rows' features come from.
        retriever: that they come from.
        metadata: fields of the documents' metadata among the features.
        settings: how it is learned.

    Raises:
        ConfigError: if there are fewer than two groups, or no question on which the routes differ.
    """
    import numpy as np

    settings = settings or FitSettings()
    names = sorted({name for row in rows for name in row.features})
    known = {name: i for i, name in enumerate(dict.fromkeys(row.group for row in rows))}
    if len(known) < 2:
        raise ConfigError(f"fit-router: needs questions over at least 2 documents to hold some out; has {len(known)}.")
    present = {name: [row.features[name] for row in rows if name in row.features] for name in names}
    usual = {name: float(np.mean(values)) for name, values in present.items()}
    x = np.array([[row.features.get(name, usual[name]) for name in names] for row in rows], dtype=np.float64)
    first, second = (np.array([row.values[route] for row in rows], dtype=np.float64) for route in routes)
    data = _Data(x, first, second, np.array([known[row.group] for row in rows]), settings)
    if not data.gain.any():
        raise ConfigError(f"fit-router: '{routes[0]}' and '{routes[1]}' come out equal on all {len(rows)} questions.")
    taken, chosen = _crossed(data), _strength(data)
    line = _line(data, chosen)
    rule = LearnedRule(
        routes=routes,
        features=tuple(names),
        means=tuple(map(float, line.means)),
        scales=tuple(map(float, line.scales)),
        coefficients=tuple(map(float, line.weights)),
        intercept=line.intercept,
        metadata=tuple(metadata),
        chunker=chunker,
        retriever=retriever,
    )
    estimate = _estimate(data, taken, routes, chosen)
    told = asdict(estimate) | {"best_fixed": estimate.best_fixed, "normalised_gain": estimate.normalised_gain}
    rule = rule.model_copy(update={"estimate": told, "made": _made(settings)})
    return Fitted(rule, estimate, tuple(routes[int(place)] for place in taken))


def _crossed(data: _Data) -> NDArray[np.bool_]:
    """Returns whether each question takes the second route, by a rule trained without the question's group."""
    import numpy as np

    taken = np.zeros(len(data.x), dtype=np.bool_)
    for learn, held in data.folds():
        part = data.some(learn)
        taken[held] = _line(part, _strength(part)).second(data.x[held])
    return taken


def _strength(data: _Data) -> float:
    """Returns the regularisation strength with the highest value on held-out groups; among equals, the strongest."""
    import numpy as np

    if len(np.unique(data.groups)) < 2:
        return min(data.settings.strengths)
    totals = dict.fromkeys(sorted(data.settings.strengths), 0.0)
    for learn, held in data.folds():
        part, gain = data.some(learn), data.gain[held]
        for strength in totals:
            totals[strength] += float(gain[_line(part, strength).second(data.x[held])].sum())
    best = max(totals.values())
    return next(strength for strength, total in totals.items() if total >= best - 1e-12)


def _line(data: _Data, strength: float) -> _Line:
    """Returns the rule trained on all questions in `data` on which the routes differ."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    gain = data.gain
    differ = gain != 0
    x, wins = data.x[differ], gain[differ] > 0
    means = data.x.mean(axis=0)
    scales = data.x.std(axis=0)
    # A feature that is the same everywhere must not decide where it happens to be another.
    still = scales <= 1e-9 * np.maximum(1.0, np.abs(means))
    scales = np.where(still, 1.0, scales)
    flat = np.zeros(data.x.shape[1])
    if len(np.unique(wins)) < 2:  # nothing to tell apart: the route that wins, always
        total = float(gain.sum())
        return _Line(means, scales, flat, 10.0 if total > 0 else -10.0)
    model = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced" if data.settings.balanced else None)
    weights = np.abs(gain[differ]) / np.abs(gain[differ]).mean()
    model.fit(np.where(still, 0.0, (x - means) / scales), wins, sample_weight=weights)
    return _Line(means, scales, np.where(still, 0.0, model.coef_[0]), float(model.intercept_[0]))


def _estimate(data: _Data, taken: NDArray[np.bool_], routes: tuple[str, str], chosen: float) -> HeldOutEstimate:
    import numpy as np

    gain = data.gain
    values = np.where(taken, data.second, data.first)
    share = float(taken.mean())
    fixed = {routes[0]: float(data.first.mean()), routes[1]: float(data.second.mean())}
    differ = gain != 0
    return HeldOutEstimate(
        n=len(values),
        groups=len(np.unique(data.groups)),
        folds=min(data.settings.folds, len(np.unique(data.groups))),
        ties=int((~differ).sum()),
        wins={routes[0]: int((gain < 0).sum()), routes[1]: int((gain > 0).sum())},
        fixed=fixed,
        learned=float(values.mean()),
        oracle=float(np.maximum(data.first, data.second).mean()),
        by_chance=share * fixed[routes[1]] + (1 - share) * fixed[routes[0]],
        share=share,
        right=float((taken[differ] == (gain[differ] > 0)).mean()) if differ.any() else None,
        gain=gain_over_best(
            list(map(float, values)),
            {name: list(map(float, own)) for name, own in zip(routes, (data.first, data.second), strict=True)},
            list(map(str, data.groups)),
        ),
        chosen=chosen,
    )


def _made(settings: FitSettings) -> dict[str, Any]:
    import sklearn

    return {"settings": asdict(settings), "scikit_learn": sklearn.__version__}
