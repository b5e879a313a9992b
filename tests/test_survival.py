"""Trainings survive: killed, interrupted in a notebook, or damaged, they end as if nothing had happened."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from jupyter_client.manager import start_new_kernel
from kill_training import fit, fit_and_arguments, write_pictures

from pose.checkpoints import load_tensors, save_tensors
from pose.runtime.errors import PoseError

TESTS = Path(__file__).parent
CHECKPOINTS = ("best.safetensors", "last.safetensors")
PATIENCE = 300  # seconds: everything is slow on a busy machine
PATHS = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "tools")))
ENVIRONMENT = os.environ | {"PYTHONPATH": PATHS}
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def without_speed(rows):
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in rows]


def assert_same(one, two):
    """The same weights to the last bit, the same history, and no temporary files."""
    for name in CHECKPOINTS:
        (tensors, about), (others, about_other) = load_tensors(one / name), load_tensors(two / name)
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
        assert about["config"] == about_other["config"]
    assert without_speed(about["history"]) == without_speed(about_other["history"])
    assert without_speed(table(one)) == without_speed(table(two))
    assert len(table(one)) == len(about["history"])
    files = {"best.safetensors", "last.safetensors", "history.csv", "config.json", "scores.txt"}
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()} == files


def table(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def python(*words, **kwargs):
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT | kwargs
    )


def output(process):
    """The output of a process that succeeded."""
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    return text


@linux
@pytest.mark.parametrize(
    ("kind", "epochs", "workers", "outside"), [("pose", 20, 0, 8), ("pose", 20, 2, 2), ("har", 30, 0, 8)]
)
def test_a_training_killed_at_every_moment_ends_like_an_uninterrupted_one(tmp_path, kind, epochs, workers, outside):
    script = TESTS / "tools" / "kill_training.py"
    printed = output(python(script, kind, tmp_path, epochs, workers, outside, 0))
    assert f"{12 + outside} kills" in printed
    assert_same(tmp_path / "whole", tmp_path / "killed")


TORCHRUN = """
import os, sys
from functools import partial
from pathlib import Path
from kill_training import fit, hold
folder, run, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
(folder / f"process{os.environ['RANK']}").write_text(str(os.getpid()))
fit("pose", folder, run, 16, on_epoch=partial(hold, last))
"""


def torchrun(folder, run, last=17):
    """Two processes that train 16 epochs, or hold after the epoch `last`."""
    for path in folder.glob("process?"):
        path.unlink()
    (folder / "train.py").write_text(TORCHRUN)
    command = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", folder / "train.py")
    return python(*command, folder, run, last)


def wait_for_rows(run, rows, process=None):
    """Waits until this many epochs are done."""
    deadline = time.monotonic() + PATIENCE
    while not (run / "history.csv").exists() or len(table(run)) < rows:
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_the_end(pid):
    """Waits until the process is gone or a zombie."""
    deadline = time.monotonic() + PATIENCE
    state = Path(f"/proc/{pid}/stat")
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@linux
def test_torchrun_ends_when_one_of_its_processes_is_killed_and_resumes_like_an_uninterrupted_one(tmp_path):
    write_pictures(tmp_path)
    random.seed(0)
    whole = torchrun(tmp_path, tmp_path / "whole")
    output(whole)
    for rank, rows in ((0, 1), (1, 6)):
        process = torchrun(tmp_path, tmp_path / "killed", last=rows + 3)
        wait_for_rows(tmp_path / "killed", rows, process)
        time.sleep(random.uniform(0, 0.5))
        os.kill(int((tmp_path / f"process{rank}").read_text()), signal.SIGKILL)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
        assert "SIGKILL" in text
        assert rows <= len(table(tmp_path / "killed")) < 16
    process = torchrun(tmp_path, tmp_path / "killed", last=13)
    wait_for_rows(tmp_path / "killed", 10, process)
    process.kill()  # torchrun itself: its processes must not continue training on their own
    process.communicate()
    for rank in (0, 1):
        wait_for_the_end(int((tmp_path / f"process{rank}").read_text()))
    assert len(table(tmp_path / "killed")) < 16
    output(torchrun(tmp_path, tmp_path / "killed"))
    assert_same(tmp_path / "whole", tmp_path / "killed")


NOTEBOOK = """
import gc
from dataclasses import replace
from functools import partial
import torch
import har, pose
from kill_training import fit, fit_and_arguments, hold
from pose.checkpoints import load_tensors
from pose.training.state import TrainingState
torch.set_num_threads(1)
fit(kind, folder, folder / "whole", epochs)
function, arguments = fit_and_arguments(kind)
model, train_data, valid_data, config = arguments(folder, epochs)
"""
TRAIN = """
run, settings = folder / "run", replace(config, workers=workers)
function(model, train_data, valid_data, settings, run, resume=True, on_epoch=partial(hold, last))
"""
USE = """
gc.collect()
assert not any(isinstance(thing, TrainingState) for thing in gc.get_objects()), "the training keeps its memory"
best, about = load_tensors(folder / "run" / "best.safetensors")
assert all(torch.equal(tensor, best[name]) for name, tensor in model.state_dict().items()), "not the best weights"
if function is pose.fit:
    found, said = pose.evaluate(model, valid_data).summary()["auc"], about["scores"]["valid_auc"]
    assert pose.Predictor(model).inp_res == 64
else:
    found, said = har.evaluate(model, valid_data).loss, about["scores"]["valid_loss"]
assert abs(found - said) < 1e-6, (found, said)
"""


class Notebook:
    """A kernel that runs cells."""

    def __init__(self, folder):
        quiet = ["--log-level=ERROR", "--colors=NoColor"]
        self.manager, self.client = start_new_kernel(cwd=str(folder), env=ENVIRONMENT, extra_arguments=quiet)

    def start(self, code):
        self.cell = self.client.execute(code)

    def finish(self):
        """Waits for the cell; returns the error's name and traceback, both empty if there is none."""
        reply = self.client.get_shell_msg(timeout=PATIENCE)
        while reply["parent_header"]["msg_id"] != self.cell:  # a late answer to "are you ready?"
            reply = self.client.get_shell_msg(timeout=PATIENCE)
        return reply["content"].get("ename", ""), "\n".join(reply["content"].get("traceback", []))

    def run(self, code):
        self.start(code)
        error, text = self.finish()
        assert not error, text

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def notebook(tmp_path):
    notebook = Notebook(tmp_path)
    yield notebook
    notebook.close()


@pytest.mark.parametrize(("kind", "epochs"), [("pose", 24), ("har", 200)])
def test_an_interrupted_cell_leaves_the_best_weights_and_resumes(tmp_path, notebook, kind, epochs):
    write_pictures(tmp_path)
    random.seed(0)
    notebook.run(f"from pathlib import Path; kind, epochs, folder = {kind!r}, {epochs}, Path({str(tmp_path)!r})")
    notebook.run(NOTEBOOK)
    for rows, workers in ((2, 0), (5, 2), (9, 2)):
        notebook.start(f"workers, last = {workers}, {rows + 2}" + TRAIN)
        wait_for_rows(tmp_path / "run", rows)
        time.sleep(random.uniform(0, 0.3))
        notebook.manager.interrupt_kernel()
        error, text = notebook.finish()
        assert error == "Interrupted", text
        assert "Traceback" not in text
        assert "resume=True" in text
        assert len(table(tmp_path / "run")) < epochs
        assert list((tmp_path / "run").glob("*.tmp")) == []
        notebook.run(USE)
    notebook.run("workers, last = 0, epochs + 1" + TRAIN)
    notebook.run(USE)
    assert_same(tmp_path / "whole", tmp_path / "run")


FORK = """
import os, signal, sys
from pathlib import Path
from kill_training import fit

def interrupt():
    if interrupts:
        os.kill(interrupts.pop(), signal.SIGINT)

interrupts = [os.getpid()]
os.register_at_fork(after_in_parent=interrupt)
try:
    fit("pose", Path(sys.argv[1]), Path(sys.argv[1]) / "run", epochs=2, workers=2)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interruption_is_not_lost_while_loading_processes_start(tmp_path):
    write_pictures(tmp_path)
    assert "\ninterrupted\n" in output(python("-c", FORK, tmp_path)).replace("\r", "\n")


def test_an_interruption_while_a_checkpoint_is_read_is_no_damage(tmp_path):
    path = tmp_path / "many.safetensors"
    save_tensors(path, {str(number): torch.zeros(4) for number in range(600)}, {})
    started = time.perf_counter()
    load_tensors(path)
    seconds = time.perf_counter() - started
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for moment in np.linspace(0.05 * seconds, 0.95 * seconds, 100):
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, moment)
                load_tensors(path)
                time.sleep(1)
    finally:
        signal.signal(signal.SIGALRM, before)


def stopped(kind, folder, run, epochs, after):
    """A training that was stopped after the first few of its epochs."""

    def stop(history):
        if len(history) == after:
            raise KeyboardInterrupt

    function, arguments = fit_and_arguments(kind)
    with pytest.raises(KeyboardInterrupt):
        function(*arguments(folder, epochs), run, on_epoch=stop)


def contents(run):
    return {path.name: path.read_bytes() for path in run.iterdir()}


DAMAGES = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "something else": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("kind", ["pose", "har"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_damaged_checkpoint_is_named_and_nothing_is_overwritten(tmp_path, kind, damage, name):
    write_pictures(tmp_path)
    run = tmp_path / "run"
    stopped(kind, tmp_path, run, epochs=3, after=2)
    DAMAGES[damage](run / name)
    before = contents(run)
    with pytest.raises(PoseError) as caught:
        fit(kind, tmp_path, run, epochs=3)
    assert str(caught.value).count("safetensors") >= 1
    assert str(run / name) in str(caught.value) or damage == "gone"
    assert "\n" not in str(caught.value)
    assert contents(run) == before


@pytest.mark.parametrize("kind", ["pose", "har"])
@pytest.mark.parametrize("damage", ["gone", "half"])
@pytest.mark.parametrize("done", [2, 3])
def test_history_csv_is_rewritten_however_it_was_damaged(tmp_path, kind, damage, done):
    write_pictures(tmp_path)
    fit(kind, tmp_path, tmp_path / "whole", epochs=3)
    stopped(kind, tmp_path, tmp_path / "run", epochs=3, after=done)
    DAMAGES[damage](tmp_path / "run" / "history.csv")
    fit(kind, tmp_path, tmp_path / "run", epochs=3)
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_the_same_seed_gives_the_same_weights_in_fresh_processes(tmp_path):
    write_pictures(tmp_path)
    code = "\n".join([
        "import sys, torch", "from pathlib import Path", "from kill_training import fit", "torch.set_num_threads(1)",
        "folder, number = Path(sys.argv[1]), sys.argv[2]",
        "fit('pose', folder, folder / f'pose{number}', 2)", "fit('har', folder, folder / f'har{number}', 4)",
    ])  # fmt: skip
    processes = [python("-c", code, tmp_path, number, PYTHONHASHSEED=str(number)) for number in (1, 2)]
    for process in processes:
        output(process)
    for kind in ("pose", "har"):
        assert_same(tmp_path / f"{kind}1", tmp_path / f"{kind}2")
