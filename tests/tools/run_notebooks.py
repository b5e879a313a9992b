"""Executes the three notebooks in order, showing what they print: `make demo` and the notebook tests.

    python tests/tools/run_notebooks.py OUT

The executed notebooks go to OUT; the figures in them also go there as PNG files.
"""

import base64
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from pose import latest_run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("dataset_preparation", "training", "visualization")


class LoudClient(NotebookClient):
    """Runs a notebook and passes on to standard output what its cells print, as they print it."""

    def process_message(self, msg, cell, cell_index):
        if msg["header"]["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        shown = msg["content"].get("data", {}).get("text/plain", "")
        if msg["header"]["msg_type"] == "update_display_data" and "%|" in shown:
            print(f"\r{shown}", end="", flush=True)  # the progress bar
        return super().process_message(msg, cell, cell_index)


def execute(name, out, before=(), client=LoudClient):
    """Runs one notebook in a fresh kernel and writes it, executed, into the folder `out`; returns it.

    before: {tag: code}; the code runs in a cell of its own after the cell with that tag.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for position, cell in reversed(list(enumerate(notebook.cells))):
        for tag in cell.metadata.get("tags", []):
            if tag in before:
                notebook.cells.insert(position + 1, nbformat.v4.new_code_cell(before[tag]))
    out.mkdir(parents=True, exist_ok=True)
    runner = client(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(out)}},
    )
    try:
        runner.execute()
    finally:
        nbformat.write(notebook, out / f"{name}.ipynb")
    return notebook


def write_figures(notebook, name, out):
    """The PNG outputs of a notebook as files `name_NN.png`; returns their paths."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    paths = [out / f"{name}_{number:02d}.png" for number in range(1, len(pictures) + 1)]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(base64.b64decode(picture))
    return paths


def accuracies(notebook):
    """What an executed training notebook printed: the hourglass's PCK@0.2 and the recogniser's accuracy, as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    patterns = (r"hourglass .*'pck@0\.2': ([0-9.]+)", r"leave one subject out: accuracy ([0-9.]+)")
    found = [re.search(pattern, printed) for pattern in patterns]
    return [match.group(1) if match else "none" for match in found]


def main(out):
    out = Path(out).resolve()
    for name in NAMES:
        started = time.perf_counter()
        print(f"── {name}.ipynb", flush=True)
        notebook = execute(name, out)
        figures = write_figures(notebook, name, out)
        print(f"── {time.perf_counter() - started:.0f} s, {len(figures)} figures\n", flush=True)
        if name == "training":
            reached = accuracies(notebook)
    expected = accuracies(nbformat.read(NOTEBOOKS / "training.ipynb", as_version=4))
    print(f"executed notebooks and figures: {out}")
    for kind in ("pose", "activity"):
        print(f"checkpoint:                     {latest_run(NOTEBOOKS.parent / 'runs', kind) / 'best.safetensors'}")
    for what, now, usual in zip(("validation PCK@0.2", "actions, new people"), reached, expected, strict=True):
        print(f"{what + ':':32}{now}; about {usual} is what you should see")


if __name__ == "__main__":
    main(sys.argv[1])
