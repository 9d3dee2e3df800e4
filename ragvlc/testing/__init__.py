"""Tests for your own components: the contract of every family, and engines that need no models.

    from ragvlc.testing import check

    def test_my_route_keeps_the_contract():
        check("my_package.first_words:FirstWords", characters=100)

`ragvlc check-kind my_package.first_words:FirstWords --set characters=100` does the same on the command line.
"""

from ragvlc.testing.contract import ContractBroken, Report, check, report_on
from ragvlc.testing.engines import Flaky as Flaky
from ragvlc.testing.engines import FunctionEngine, ScriptedPool, WordPairs, WordVectors, without_gold

__all__ = [
    "ContractBroken",
    "Flaky",
    "FunctionEngine",
    "Report",
    "ScriptedPool",
    "WordPairs",
    "WordVectors",
    "check",
    "report_on",
    "without_gold",
]
