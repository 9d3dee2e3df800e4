"""Intervals, tests, power and decisions for results where questions share documents; see `docs/statistics.md`.

Questions over one document are right or wrong together, so everything counts clusters of questions, not questions alone
(Cameron, Gelbach and Miller 2008). Brackets are for one comparison; a difference is settled by Holm's p. Fewer than
eight clusters are too few for any interval to keep its promise: it is given, with a warning.

Rows whose cluster is the empty string are clusters of their own. Equal input and seed give equal output.
"""

from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.differences import Difference, paired_difference
from ragvlc.statistics.few_clusters import FEW_CLUSTERS, warning
from ragvlc.statistics.intervals import Interval, mean_interval
from ragvlc.statistics.ratios import ratio_interval, slope_interval

__all__ = [
    "FEW_CLUSTERS",
    "SETTLED",
    "Difference",
    "Interval",
    "holm",
    "mean_interval",
    "paired_difference",
    "ratio_interval",
    "slope_interval",
    "warning",
]
