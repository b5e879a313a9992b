"""The three notebooks: run in a fast mode from another directory, and committed executed and clean."""

import json
import re
import shutil

import nbformat
import pytest
from run_notebooks import NAMES, NOTEBOOKS, execute, write_figures

from pose import SAMPLE

FAST = {
    "hyperparameters": "config = pose.TrainConfig(inp_res=64, channels=16, epochs=1, batch_size=32)\n"
    'untrained = pose.TrainConfig(start="pretrained", inp_res=64)\n'
    "first_har = har.HarConfig(hidden=8, frames=6, epochs=2)",
    "har_hyperparameters": "har_config = har.HarConfig(hidden=8, frames=6, epochs=2)",
}
ABSOLUTE_PATH = re.compile(r"(?<![\w.])/(tmp|root|home|work|Users)/|[A-Z]:\\+[A-Za-z]")


# A user's own photographs: of the 20 joints 14 are labelled, some persons have no torso, and there is no clips.csv.
OWN_DATA = """
from pathlib import Path
Path("my images").mkdir(exist_ok=True)
joints_txt, image_dir = "my images/joints.txt", "my images"
sample = pose.read_annotations(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images")
own = sample.select(np.arange(0, len(sample), 13))
own.landmarks[:, [0, 1, 10, 11, 18, 19]] = np.nan
own.landmarks[::3, pose.KINECT20.index("left_shoulder")] = np.nan
own.paths = [str(Path("my images") / Path(path).name) for path in own.paths]
for path in own.paths:
    Path(path).write_bytes((pose.SAMPLE / "images" / Path(path).name).read_bytes())
pose.write_annotations(joints_txt, own, image_dir)
"""


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """FAST, in a folder of its own and with less sample data: four people in four actions, 128 images."""
    folder = tmp_path_factory.mktemp("small") / "sample"
    (folder / "images").mkdir(parents=True)
    few = re.compile(r"clip,|person_0[1-4]_(carry|clap_hands|push|walk)_")
    for name in ("joints.txt", "clips.csv"):
        lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(filter(few.match, lines)), encoding="utf-8")
    for path in filter(lambda path: few.match(path.name), (SAMPLE / "images").iterdir()):
        shutil.copy(path, folder / "images")
    sample = f"pose.SAMPLE = pose.split.SAMPLE = har.split.SAMPLE = Path({str(folder)!r})"
    return FAST | {"imports": f"from pathlib import Path; {sample}"}


def streams(notebook, name):
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == name)


def check_outputs(notebook):
    kinds = [output.output_type for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error" not in kinds
    assert streams(notebook, "stderr") == ""
    shown = [output.get("data", {}) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [text for data in shown for kind, text in data.items() if not kind.startswith("image/")]
    assert not ABSOLUTE_PATH.search(streams(notebook, "stdout") + json.dumps(texts))


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_alone_in_any_directory(name, fast, tmp_path):
    notebook = execute(name, tmp_path / "any where", before=fast)
    check_outputs(notebook)
    assert len(write_figures(notebook, name, tmp_path)) >= 2
    assert (tmp_path / "runs" / "split" / "train.txt").exists()


def test_own_data_goes_through_all_three(fast, tmp_path):
    printed = {}
    for name in NAMES:
        notebook = execute(name, tmp_path / "notebooks", before=fast | {"paths": OWN_DATA})
        check_outputs(notebook)
        printed[name] = streams(notebook, "stdout")
    assert "my images" in (tmp_path / "runs" / "split" / "source.json").read_text()
    assert "10 images, 68.0%" in printed["dataset_preparation"]
    assert "these are the sample's clips" in printed["training"]
    assert "show nothing that this run was trained on" in printed["visualization"]


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_executed_and_clean(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
    assert not ABSOLUTE_PATH.search(json.dumps([cell.source for cell in code]))
    check_outputs(notebook)
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2


def test_the_training_notebook_imports_this_package_before_torch():
    notebook = nbformat.read(NOTEBOOKS / "training.ipynb", as_version=4)
    imported = re.findall(r"^import (\w+)", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    assert imported.index("har") < imported.index("torch")
