"""LangChain adapters: pipelines as runnables, retrieval as a retriever, chunkers as text splitters.

For the other direction, a LangChain store inside a pipeline, see the retriever `langchain`. LangChain is
imported when one of these functions is called.
"""

from ragvlc.langchain.documents import from_langchain, to_langchain
from ragvlc.langchain.retrieval import as_retriever
from ragvlc.langchain.runnables import as_runnable
from ragvlc.langchain.splitting import as_text_splitter

__all__ = ["as_retriever", "as_runnable", "as_text_splitter", "from_langchain", "to_langchain"]
