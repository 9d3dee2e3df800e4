"""A few questions of different forms over small texts written for ragvlc, for dry runs and contract checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.documents.dataset import Dataset

LIGHTHOUSE = Document(
    "lighthouse",
    "The lighthouse at Penmarrow stands on a low rock half a mile from the shore. It was finished in 1868 after six "
    "summers of work, because masons could land only at low tide. The tower is 31 metres high and built of grey "
    "granite.\n\n"
    "Until 1984 two keepers lived there at a time and were relieved every fourth week. Today the lamp is looked after "
    "from the mainland, and an engineer visits twice a year. The light flashes white every ten seconds and can be "
    "seen for 18 nautical miles.\n\n"
    "Visitors may climb the tower in June, July and August. The walk over the sand is open for two hours around low "
    "tide only.",
    "The lighthouse at Penmarrow",
)
FERRY = Document(
    "ferry",
    "The ferry Oystercatcher has crossed the estuary between Penmarrow and Saltby since 1951. She carries twelve cars "
    "and ninety passengers, and the crossing takes fourteen minutes.\n\n"
    "In summer she sails every half hour, in winter every hour. Bicycles travel free of charge; dogs pay half fare. "
    "In fog she stays in harbour.\n\n"
    "The skipper, Ada Trevean, took over from her father in 2009. She is the granddaughter of the last keeper of the "
    "lighthouse.",
    "The ferry to Saltby",
)
BAKERY = Document(
    "bakery",
    "The bakery in Harbour Street opens at five in the morning. Its saffron buns are made with butter, currants and a "
    "dough that rests overnight. On Mondays it is closed.",
    "The bakery in Harbour Street",
)
TEAHOUSE = Document(
    "teahouse",
    "镇上最老的茶馆在河边，建于清朝末年。老板姓林，今年七十二岁。茶馆每天早上六点开门，最受欢迎的是茉莉花茶。"
    "二楼可以听评弹，每星期六晚上演出两个小时。",
    "河边的茶馆",
)


def _at(document: Document, quoted: str) -> Span:
    start = document.text.index(quoted)
    return Span(document.id, start, start + len(quoted))


_EXAMPLES = (
    Example(
        Query("toy-height", "How high is the tower of the lighthouse?"),
        (LIGHTHOUSE,),
        ("31 metres", "31 m"),
        evidence=(_at(LIGHTHOUSE, "31 metres"),),
        cluster="lighthouse",
        task="extractive_qa",
    ),
    Example(
        Query(
            "toy-fog",
            "What does the ferry do in fog?",
            ("It sails every hour", "It stays in harbour", "It sounds its horn", "It takes no cars"),
        ),
        (FERRY,),
        ("It stays in harbour",),
        evidence=(_at(FERRY, "In fog she stays in harbour."),),
        cluster="ferry",
        task="multiple_choice",
    ),
    Example(
        Query("toy-keepers", "Keepers still live in the lighthouse.", ("True", "False")),
        (LIGHTHOUSE,),
        ("False",),
        evidence=(_at(LIGHTHOUSE, "Today the lamp is looked after from the mainland"),),
        cluster="lighthouse",
        task="true_false",
    ),
    Example(
        Query("toy-price", "What does a bun cost at the bakery?"),
        (BAKERY,),
        unanswerable=True,
        cluster="bakery",
        task="unanswerable_qa",
    ),
    Example(
        Query("toy-summary", "Summarise what is said about the ferry.", form="summary"),
        (FERRY,),
        ("The ferry has linked Penmarrow and Saltby since 1951, more often in summer; her skipper is Ada Trevean.",),
        cluster="ferry",
        task="summarization",
    ),
    Example(
        Query("toy-before", "How many years was the lighthouse finished before the ferry began to sail?"),
        (LIGHTHOUSE, FERRY),
        ("83", "83 years"),
        evidence=(_at(LIGHTHOUSE, "finished in 1868"), _at(FERRY, "since 1951")),
        cluster="lighthouse+ferry",
        task="multi_hop_qa",
    ),
    Example(
        Query("toy-months", "In which months may visitors climb the tower?"),
        (LIGHTHOUSE,),
        ("June", "July", "August"),
        answer_mode="all",
        evidence=(_at(LIGHTHOUSE, "June, July and August"),),
        cluster="lighthouse",
        task="qa",
    ),
    Example(
        Query("toy-tea", "茶馆里最受欢迎的是什么茶？"),
        (TEAHOUSE,),
        ("茉莉花茶",),
        evidence=(_at(TEAHOUSE, "茉莉花茶"),),
        cluster="teahouse",
        task="extractive_qa",
        tags={"language": "zh"},
    ),
    Example(
        Query("toy-which", "saffron buns with currants"),
        (LIGHTHOUSE, FERRY, BAKERY, TEAHOUSE),
        evidence=(_at(BAKERY, "Its saffron buns are made with butter, currants"),),
        relevant={"bakery": 1.0},
        cluster="bakery",
        task="retrieval",
    ),
)


class Toy(Dataset):
    """Nine examples over four short texts, one of them in Chinese."""

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = frozenset()

    def read(self) -> Sequence[Example]:
        """Returns the nine examples, with located evidence; nothing is read from disk."""
        return _EXAMPLES

    def collection(self) -> Sequence[Document]:
        """Returns the four texts."""
        return LIGHTHOUSE, FERRY, BAKERY, TEAHOUSE
