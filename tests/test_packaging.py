"""What is installed: every module, the sample data and the pretrained weights, nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_a_wheel_contains_every_module_the_sample_data_and_the_weights(tmp_path):
    source = tmp_path / "source"
    for folder in ("har", "pose", "data/sample"):
        shutil.copytree(PROJECT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("kinect_pose-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = (path for name in ("har", "pose") for path in (PROJECT / name).rglob("*"))
    modules = {path.relative_to(PROJECT).as_posix() for path in sources if path.suffix in (".py", ".js", ".css")}
    images = {name for name in packed if name.startswith("pose/sample/images/")}
    weights = {"pose/weights/hourglass.safetensors", "pose/weights/MODEL_CARD.md"}
    assert packed == modules | images | weights | {"pose/sample/joints.txt", "pose/sample/clips.csv"}
    assert len(images) == 800
    assert "har/training.py" in modules
