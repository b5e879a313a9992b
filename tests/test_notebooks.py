"""The three notebooks: run in a fast mode from another directory, and committed executed and clean."""

import json
import re

import nbformat
import pytest
from run_notebooks import NAMES, NOTEBOOKS, execute, write_figures

FAST = {
    "runs": "runs = __import__('pathlib').Path.cwd() / 'runs'",
    "hyperparameters": "config = first_training = pose.TrainConfig(inp_res=64, channels=16, epochs=1, batch_size=32)",
}
ABSOLUTE_PATH = re.compile(r"(?<![\w.])/(tmp|root|home|work|Users)/|[A-Z]:\\\\")


def streams(notebook, name):
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == name)


def check_outputs(notebook):
    kinds = [output.output_type for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error" not in kinds
    assert streams(notebook, "stderr") == ""
    assert not ABSOLUTE_PATH.search(streams(notebook, "stdout"))


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_alone_in_any_directory(name, tmp_path):
    notebook = execute(name, tmp_path / "any where", before=FAST)
    check_outputs(notebook)
    assert len(write_figures(notebook, name, tmp_path)) >= 2
    assert (tmp_path / "any where" / "runs" / "prepared" / "train.txt").exists()


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_executed_and_clean(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert max(len(cell.source.splitlines()) for cell in code) <= 12
    assert not ABSOLUTE_PATH.search(json.dumps([cell.source for cell in code]))
    check_outputs(notebook)
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2
