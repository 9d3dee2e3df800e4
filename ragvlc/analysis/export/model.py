"""The pipeline of one cell as an MLflow model, to be loaded by `mlflow.pyfunc` or served by `mlflow models serve`."""

from __future__ import annotations

import shutil
import warnings
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ragvlc import config
from ragvlc.analysis import tables
from ragvlc.analysis.export import served
from ragvlc.core.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["winner", "write_model"]


def winner(results: SweepResults, cell: str | None = None) -> CellResult:
    """Returns the cell with this name; by default the one with the best mean of the first metric, controls left out.

    Raises:
        ConfigError: nothing has that name; or, without one, cells are over several data sets or none has a score.
    """
    if cell is not None:
        return results.cell(cell)
    if len(results.by_dataset()) > 1:
        raise ConfigError("--cell: name the cell whose pipeline is exported; there are several data sets.")
    metric = results.metric()
    rivals = [one for one in results.cells if tables.left(one) and one.merit(metric) is not None]
    if not rivals:
        raise ConfigError(f"--cell: name the cell whose pipeline is exported; none has a score of {metric}.")
    return max(rivals, key=lambda one: one.merit(metric) or 0.0)


def write_model(path: Path, results: SweepResults, cell: CellResult) -> None:
    """Writes a cell's pipeline as an MLflow model into a folder; another model there is replaced.

    Raises:
        ConfigError: there is something else of that name.
        StoreError: the cell's settings cannot be read, or the folder cannot be written.
    """
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    if path.exists() and not (path / "MLmodel").is_file():
        raise ConfigError(f"{path}: is in the way and no MLflow model. Move it, or write elsewhere with --out.")
    resolved = config.read_yaml(results.folder / str(cell.facts["key"]) / "resolved.yaml").get("pipeline")
    if not isinstance(resolved, dict):
        raise StoreError(f"{results.folder}: the settings of {cell.name} cannot be read: verify the results first.")
    texts: Any = Array(DataType.string)
    columns = [ColSpec(DataType.string, "question"), ColSpec(texts, "documents")]
    signature = ModelSignature(Schema([*columns, ColSpec(texts, "choices", required=False)]))
    try:
        with TemporaryDirectory(prefix="ragvlc-model-") as place:
            file = Path(place) / "pipeline.yaml"
            file.write_text(config.to_yaml(resolved), encoding="utf-8")
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*input example")  # the signature is given
                pyfunc.save_model(
                    path=str(Path(place) / "model"),
                    loader_module=served.__name__,
                    data_path=str(file),
                    signature=signature,
                    pip_requirements=[f"ragvlc=={metadata.version('ragvlc')}"],
                    metadata={
                        "ragvlc_run": results.name,
                        "ragvlc_cell": cell.name,
                        "ragvlc_key": str(cell.facts["key"]),
                    },
                )
            shutil.rmtree(path, ignore_errors=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(Path(place) / "model", path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}. The results are safe.") from error
