"""The grid as a careful user writes it with LangChain 1.x: what grid.py compares with.

Everything is LangChain's own where it has one: documents, `split_text_on_tokens` (what its token splitters do inside),
`InMemoryVectorStore`, `PromptTemplate`. Its FAISS store lives in langchain-community, which is no longer maintained,
and its sentence-transformers class in langchain-huggingface, which needs an older huggingface-hub than transformers 5;
both are written here in the few lines that they are. LangChain's reordering of long contexts is in the former, too.

In favour of the loop: each chunking is embedded once and its stores are kept, for a second run in memory; there is a
store for each document, so that no filter is needed; questions and passages go to the model unchanged; a row is a
tuple in a list, not a line on the disk, and nothing can be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from _grid import Rows, Work
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import PromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_text_splitters.base import TextSplitter, Tokenizer, split_text_on_tokens

Reply = Callable[[str], str]
Stores = dict[tuple[int, str], VectorStore]


class MiniLM(Embeddings):
    """What `HuggingFaceEmbeddings` does: encode a list, return lists of numbers."""

    def __init__(self, work: Work) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(work.model)
        self.batch_size = work.batch_size

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Returns a vector for each text; sentence-transformers sorts them by length and pads each batch."""
        vectors = self.model.encode(
            texts, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.tolist()

    def embed_query(self, text: str) -> list[float]:
        """Returns the question's vector."""
        return self.embed_documents([text])[0]


class FlatStore(VectorStore):
    """A FAISS index with the documents beside it: what langchain-community's class does, without its pickles."""

    def __init__(self, embedding: Embeddings) -> None:
        self.embedding, self.index, self.documents = embedding, None, []

    def add_documents(self, documents: list[Document], **_: Any) -> list[str]:
        """Embeds and adds documents."""
        import faiss
        import numpy as np

        vectors = np.array(self.embedding.embed_documents([one.page_content for one in documents]), np.float32)
        self.index = self.index or faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        self.documents += documents
        return [str(number) for number in range(len(self.documents))]

    def similarity_search(self, query: str, k: int = 4, **_: Any) -> list[Document]:
        """Returns the `k` nearest documents."""
        import numpy as np

        vector = np.array([self.embedding.embed_query(query)], np.float32)
        _, places = self.index.search(vector, min(k, len(self.documents)))
        return [self.documents[place] for place in places[0]]

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, metadatas: Any = None, **_: Any) -> FlatStore:
        """Required by the abstract class."""
        store = cls(embedding)
        store.add_documents([Document(text) for text in texts])
        return store


STORES: dict[str, Callable[[Embeddings], VectorStore]] = {"memory": InMemoryVectorStore, "faiss": FlatStore}


class TokenSplitter(TextSplitter):
    """Windows of the reader's tokens: LangChain's own `TokenTextSplitter` takes OpenAI's vocabularies only."""

    def __init__(self, tokens: Tokenizer) -> None:
        super().__init__(chunk_size=tokens.tokens_per_chunk, chunk_overlap=0, add_start_index=True)
        self.tokens = tokens

    def split_text(self, text: str) -> list[str]:
        """Returns the windows: the text is tokenised once."""
        return split_text_on_tokens(text=text, tokenizer=self.tokens)


def by_relevance(hits: list[Document]) -> list[Document]:
    """Returns the hits as they come."""
    return hits


def by_place(hits: list[Document]) -> list[Document]:
    """Returns the hits as they stand in the document."""
    return sorted(hits, key=lambda hit: hit.metadata["start_index"])


def edges(hits: list[Document]) -> list[Document]:
    """Returns the best first, the second best last: `LongContextReorder` with the end held fixed for every number."""
    return hits[::2] + hits[1::2][::-1]


ORDERS = {"relevance": by_relevance, "document": by_place, "edges_best_first": edges}


@dataclass
class Loop:
    """The loop with what it keeps from one run to the next.

    Attributes:
        work: the grid.
        encode: a text's tokens.
        decode: back to text.
        reply: asks the reader.
        store: name of the store.
        tuned: search each chunking once a question, for the largest number, and take the front of it. Few loops do;
            it shows what remains once all sharing has been done by hand.
        stores: built by the first run.
        searches: made so far.
    """

    work: Work
    encode: Callable[[str], list[Any]]
    decode: Callable[[list[Any]], str]
    reply: Reply
    store: str = "memory"
    tuned: bool = False
    stores: Stores = field(default_factory=dict)
    searches: int = 0

    def splitter(self, size: int) -> TokenSplitter:
        """Returns the splitter into windows of `size` tokens."""
        return TokenSplitter(Tokenizer(0, size, self.decode, self.encode))

    def build(self, embeddings: Embeddings) -> Stores:
        """Returns a store for each chunk size and document: every chunking is embedded once, not once a cell."""
        stores: Stores = {}
        for size in self.work.sizes:
            splitter = self.splitter(size)
            for name, text in self.work.documents.items():
                stores[size, name] = STORES[self.store](embeddings)
                stores[size, name].add_documents(splitter.create_documents([text]))
        return stores

    def run(self) -> Rows:
        """Returns the passages and the reply of every cell and question."""
        embeddings = MiniLM(self.work)  # loaded in every run, as in a new process
        if not self.stores:
            self.stores = self.build(embeddings)
        template = PromptTemplate.from_template(self.work.template)
        rows: Rows = {}
        for size in self.work.sizes:
            ranked: dict[str, list[Document]] = {}
            for count in self.work.counts:
                for order in self.work.orders:
                    for question in self.work.questions:
                        store = self.stores[size, question.document]
                        if self.tuned:
                            if question.id not in ranked:
                                ranked[question.id] = self.search(store, question.text, max(self.work.counts))
                            hits = ranked[question.id][:count]
                        else:
                            hits = self.search(store, question.text, count)
                        passages = [hit.page_content for hit in ORDERS[order](hits)]
                        prompt = template.format(document="\n\n".join(passages), question=question.text, decline="")
                        reply = self.reply(prompt)
                        right = contains(reply, question.answers)
                        rows[size, count, order, question.id] = (tuple(passages), reply, right)
        return rows

    def search(self, store: VectorStore, question: str, count: int) -> list[Document]:
        """Returns the best passages; the store embeds the question."""
        self.searches += 1
        return store.similarity_search(question, k=count)


def contains(reply: str, answers: Iterable[str]) -> bool:
    """Returns whether an accepted answer stands in the reply: scored here because the sweep scores it."""
    return any(answer.casefold() in reply.casefold() for answer in answers)
