"""The part of the grid that AutoRAG has, run by an interpreter with AutoRAG: `autorag_grid.py work.json FOLDER`.

    python3.11 -m venv autorag && autorag/bin/pip install uv
    autorag/bin/uv pip install --python autorag/bin/python AutoRAG==0.3.27 llama-index-embeddings-huggingface

AutoRAG takes passages that are cut already, and a chunk size is a project of its own: so there is one project a size,
with one trial of its optimiser over every number of passages, the embedder asked for by the same folder, and prompts
made for the number that it finds best (it carries no other one on). Cutting is not counted here. It needs to be told
which passages are right, searches all documents together, and scores each ranking; its own seconds start with the
trial and include loading the embedder, but not the import of its libraries, of a dozen seconds.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main(given: Path, out: Path) -> None:
    """Runs a trial a chunk size and writes `found.json`."""
    work = json.loads(given.read_text(encoding="utf-8"))
    os.environ["OMP_NUM_THREADS"] = str(work["threads"])
    import torch
    from autorag.evaluator import Evaluator
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding  # noqa: F401 - AutoRAG looks for it here

    torch.set_num_threads(work["threads"])
    asked = counted_questions({question["text"] for question in work["questions"]})
    seconds, rows, prompts = 0.0, [], 0
    for size, chunks in work["chunks"].items():
        project = out / size
        project.mkdir()
        write_tables(work, chunks, project)
        (project / "trial.yaml").write_text(json.dumps(trial(work, project)), encoding="utf-8")  # JSON is YAML
        start = time.perf_counter()
        evaluator = Evaluator(str(project / "qa.parquet"), str(project / "corpus.parquet"), project_dir=str(project))
        evaluator.start_trial(str(project / "trial.yaml"), skip_validation=True)
        seconds += time.perf_counter() - start
        found, made = read_trial(project / "0", work)
        rows += [[int(size), *row] for row in found]
        prompts += made
    facts = {
        "version": version("AutoRAG"),
        "seconds": seconds,
        "rows": rows,
        "prompts": prompts,
        "questions": len(asked),
    }
    (out / "found.json").write_text(json.dumps(facts), encoding="utf-8")


def write_tables(work: dict, chunks: list, project: Path) -> None:
    """Writes the passages and the questions as AutoRAG reads them; a question needs a right passage and an answer."""
    import pandas as pd

    places = [(document, start, start + len(text)) for document, text, start in chunks]
    corpus = [
        {
            "doc_id": str(n),
            "contents": text,
            "metadata": {"last_modified_datetime": pd.Timestamp(2026, 1, 1).to_pydatetime()},
        }
        for n, (_, text, _) in enumerate(chunks)
    ]
    qa = []
    for question in work["questions"]:
        at = question["evidence"] or 0
        right = next(
            n for n, (name, start, end) in enumerate(places) if name == question["document"] and start <= at < end
        )
        answers = question["answers"] or ["unknown"]
        row = {
            "qid": question["id"],
            "query": question["text"],
            "retrieval_gt": [[str(right)]],
            "generation_gt": answers,
        }
        qa.append(row)
    pd.DataFrame(corpus).to_parquet(project / "corpus.parquet", index=False)
    pd.DataFrame(qa).to_parquet(project / "qa.parquet", index=False)


def trial(work: dict, project: Path) -> dict:
    """Returns the trial: semantic retrieval for every number of passages, then a prompt."""
    embedder = {"type": "huggingface", "model_name": work["model"], "embed_batch_size": work["batch_size"]}
    store = {
        "name": "grid",
        "db_type": "chroma",
        "client_type": "persistent",
        "embedding_model": [embedder],
        "embedding_batch": work["batch_size"],
        "collection_name": "grid",
        "path": str(project / "chroma"),
    }
    retrieval = {
        "node_type": "semantic_retrieval",
        "strategy": {"metrics": ["retrieval_recall"]},
        "top_k": work["counts"],
        "modules": [{"module_type": "vectordb", "vectordb": "grid"}],
    }
    template = work["template"].replace("{document}", "{retrieved_contents}").replace("{question}", "{query}")
    prompt = {
        "node_type": "prompt_maker",
        "strategy": {"metrics": ["rouge"], "tokenizer": work["reader"]},
        "modules": [{"module_type": "fstring", "prompt": template.replace("{decline}", "")}],
    }
    return {"vectordb": [store], "node_lines": [{"node_line_name": "line", "nodes": [retrieval, prompt]}]}


def read_trial(folder: Path, work: dict) -> tuple[list, int]:
    """Returns (number, question, passages) of each row, and how many prompts were made."""
    import ast

    import pandas as pd

    node = folder / "line" / "semantic_retrieval"
    summary = pd.read_csv(node / "summary.csv")
    rows = []
    for name, parameters in zip(summary["filename"], summary["module_params"], strict=True):
        count = ast.literal_eval(parameters)["top_k"]
        found = pd.read_parquet(node / name)["retrieved_contents"]
        rows += [[count, asked["id"], list(texts)] for asked, texts in zip(work["questions"], found, strict=True)]
    made = pd.read_parquet(folder / "line" / "prompt_maker" / "0.parquet")
    return rows, len(made)


def counted_questions(texts: set) -> list:
    """Returns a list that every question joins when it is embedded."""
    from sentence_transformers import SentenceTransformer

    asked: list = []

    def counting(name: str) -> None:
        original = getattr(SentenceTransformer, name)

        def encode(self, inputs, *args, **kwargs):  # noqa: ANN001, ANN002, ANN003, ANN202
            asked.extend(one for one in ([inputs] if isinstance(inputs, str) else inputs) if one in texts)
            return original(self, inputs, *args, **kwargs)

        setattr(SentenceTransformer, name, encode)

    counting("encode")
    return asked


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
