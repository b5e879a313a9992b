"""Errors: one family, each with a clear message and without a traceback."""

import ast
import builtins
import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import pose
from har import HarConfig
from pose import Generic, PoseError, StackedHourglass, TrainConfig, evaluate, load_model, read_annotations, save_model
from pose.checkpoints import load_tensors, save_tensors
from pose.runtime import errors
from pose.runtime.data_loader import Loader
from pose.runtime.device import is_out_of_memory
from pose.runtime.errors import DataError, FileError, MissingError, OutOfMemory
from pose.runtime.files import write_atomically

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("pose/**/*.py"), *ROOT.glob("har/*.py")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_projects_errors_are_raised_by_name(path):
    raised = [
        node.exc.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    ]
    assert not {name for name in raised if hasattr(builtins, name)}


def test_each_error_is_also_the_built_in_one_of_its_kind():
    for name, kind in (
        ("DataError", ValueError),
        ("MissingError", FileNotFoundError),
        ("ExistsError", FileExistsError),
        ("FileError", OSError),
        ("PackageError", ImportError),
        ("LossError", FloatingPointError),
        ("OutOfMemory", MemoryError),
    ):
        error = getattr(errors, name)("what, where, what to do")
        assert isinstance(error, PoseError)
        assert isinstance(error, kind)
        assert str(error) == "what, where, what to do"
    assert issubclass(pose.AnnotationError, DataError)
    assert issubclass(pose.ImageError, DataError)


def test_a_notebook_shows_the_message_alone(capsys):
    shell = InteractiveShell.instance()
    shell.run_cell("import pose; pose.read_annotations('nowhere.txt')")
    shown = capsys.readouterr().out
    assert "MissingError: nowhere.txt: there is no such joints file" in shown
    assert "Traceback" not in shown
    shell.run_cell("1 / 0")  # other errors keep their traceback
    assert "Traceback" in capsys.readouterr().out
    InteractiveShell.clear_instance()


def test_the_command_line_shows_the_message_alone(tmp_path):
    command = [sys.executable, "-m", "pose.training", "--joints", "none.txt", "--images", ".", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "none.txt: there is no such joints file; check the path"


@contextmanager
def no_room(most=50_000):
    """Limits the size of files in the block; exceeding it raises an error like a full disk's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_reported_and_the_old_file_remains(tmp_path):
    path = tmp_path / "last.safetensors"
    path.write_bytes(b"the last good one")
    with (
        no_room(),
        pytest.raises(FileError, match=r"last\.safetensors: cannot be written .* the disk is full: free some space"),
    ):
        write_atomically(path, b"x" * 10_000_000)
    assert path.read_bytes() == b"the last good one"
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_link_where_a_file_is_prepared_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"kept")
    (tmp_path / "last.safetensors.tmp").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "last.safetensors", b"new")
    assert (tmp_path / "precious").read_bytes() == b"kept"
    assert (tmp_path / "last.safetensors").read_bytes() == b"new"


def test_a_training_whose_disk_is_full_keeps_the_last_good_state(tmp_path, tiny_annotations):
    config = TrainConfig(inp_res=64, channels=16, batch_size=2, epochs=3, bf16=False)
    data = [config.build_dataset(tiny_annotations, is_train) for is_train in (True, False)]
    with ExitStack() as stack:

        def fill_the_disk(history):
            stack.enter_context(no_room())

        with pytest.raises(FileError, match="the disk is full"):
            pose.fit(config.build_model(), *data, config, tmp_path / "run", on_epoch=fill_the_disk)
    assert len(load_tensors(tmp_path / "run" / "last.safetensors")[1]["history"]) == 1
    pose.fit(config.build_model(), *data, config, tmp_path / "run", resume=True)
    assert len(load_tensors(tmp_path / "run" / "last.safetensors")[1]["history"]) == 3


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "change the permissions"),
        (errno.EROFS, "change the permissions"),
        (errno.ENAMETOOLONG, "check the path"),
    ],
)
def test_what_the_system_refuses_is_explained(tmp_path, monkeypatch, code, advice):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FileError, match=f"{advice}, or choose another folder"):
        write_atomically(tmp_path / "new" / "file", "text")
    assert not any((tmp_path / "new").iterdir())


@pytest.fixture
def locked():
    """A folder with a file in it; neither may be read or written, not even by root."""
    folder = Path(tempfile.mkdtemp())
    (folder / "joints.txt").write_text("a")
    (folder / "joints.txt").chmod(0)
    folder.chmod(0o555)
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_missing_permissions_are_reported(locked):
    with pytest.raises(FileError, match=r"joints\.txt: cannot be read \(Permission denied\); check its permissions"):
        read_annotations(locked / "joints.txt")
    with pytest.raises(FileError, match="you may not write there: change the permissions, or choose another folder"):
        write_atomically(locked / "run" / "last.safetensors", b"")
    with pytest.raises(FileError, match="you may not write there"):
        pose.new_run(locked)


def test_the_wrong_model_for_the_data_is_reported(tiny_annotations, tmp_path):
    save_model(tmp_path / "model.safetensors", StackedHourglass(1, channels=16, inp_res=128))
    model = load_model(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"trained with images of 128 px, the data have 64; .*inp_res=128"):
        evaluate(model, Generic(tiny_annotations, is_train=False, inp_res=64))
    other = pose.Skeleton(tuple(f"joint_{k}" for k in range(20)), (), torso=("joint_0", "joint_1"))
    renamed = pose.Annotations(tiny_annotations.paths, tiny_annotations.landmarks, skeleton=other)
    with pytest.raises(DataError, match=r"the model has the joints hip_center, .*; the data have joint_0"):
        evaluate(model, Generic(renamed, is_train=False, inp_res=128))
    with pytest.raises(DataError, match="the model has the joints joint_1"):
        evaluate(StackedHourglass(1, 16, 16), Generic(tiny_annotations, is_train=False, inp_res=64))


def test_a_checkpoint_whose_settings_lie_takes_no_memory_and_is_refused(tmp_path):
    save_model(tmp_path / "model.safetensors", StackedHourglass(1, channels=16))
    tensors, about = load_tensors(tmp_path / "model.safetensors")
    for wrong in ({"num_stacks": 2}, {"num_stacks": 10**9}, {"channels": 10**6}, {"num_joints": 10**9}, {"depth": 3}):
        save_tensors(tmp_path / "model.safetensors", tensors, about | {"settings": about["settings"] | wrong})
        with pytest.raises(DataError, match="its settings and its weights do not fit each other"):
            load_model(tmp_path / "model.safetensors")


def test_batch_norm_refuses_a_single_value():
    with pytest.raises(DataError, match="use batch_size 2, or 128 px"):
        StackedHourglass(1, channels=16).train()(torch.rand(1, 3, 64, 64))
    StackedHourglass(1, channels=16).eval()(torch.rand(1, 3, 64, 64))


def test_a_batch_of_one_is_refused_before_training(tiny_annotations, tmp_path):
    config = TrainConfig(inp_res=64, channels=16, batch_size=1, bf16=False)
    data = [config.build_dataset(tiny_annotations, is_train) for is_train in (True, False)]
    with pytest.raises(DataError, match="use batch_size 2"):
        pose.fit(config.build_model(), *data, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("batch_size", "says"), [(4, "use batch_size=2"), (1, "use smaller images or models")])
def test_out_of_memory_says_what_to_change(tiny_annotations, tmp_path, monkeypatch, batch_size, says):
    def too_large(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    config = TrainConfig(inp_res=128, channels=16, batch_size=batch_size, bf16=False)
    data = [config.build_dataset(tiny_annotations, is_train) for is_train in (True, False)]
    monkeypatch.setattr("pose.training.hourglass.heatmap_loss", too_large)
    with pytest.raises(OutOfMemory, match=f"a batch of {batch_size} images does not fit .*{says}"):
        pose.fit(config.build_model(), *data, config, tmp_path / "run")


@pytest.mark.parametrize(
    "text",
    ["CUDA error: out of memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED when calling"],
)
def test_other_out_of_memory_messages_are_recognised(text):
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


class Faulty(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise MissingError("3.png: is gone; bring it back")
        return np.float32(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_loading_process_arrives_unchanged(workers):
    with pytest.raises(MissingError) as caught:
        list(Loader(Faulty(), 1, num_workers=workers))
    assert str(caught.value) == "3.png: is gone; bring it back"


class Buggy(Faulty):
    def __getitem__(self, index):
        raise RuntimeError("stack expects each tensor to be of equal size")


def test_a_bug_is_not_mistaken_for_a_killed_process():
    with pytest.raises(RuntimeError, match="stack expects"):
        list(Loader(Buggy(), 1, num_workers=1))


class FaultyStream(torch.utils.data.IterableDataset):
    def __len__(self):
        return 8

    def __iter__(self):
        yield from range(5)
        raise MissingError("000001.tar: is gone")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_an_incomplete_batch_is_not_dropped(workers):
    with pytest.raises(MissingError, match="is gone"):
        list(Loader(FaultyStream(), 4, num_workers=workers, drop_last=True))


class Deadly(Faulty):
    def __getitem__(self, index):
        os._exit(9)


def test_a_killed_loading_process_is_explained():
    with pytest.raises(OutOfMemory, match="use fewer workers"):
        list(Loader(Deadly(), 1, num_workers=1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": "3"}, {"epochs": 1.5}, {"epochs": True}, {"workers": -1}, {"seed": -1}, {"seed": None},
        {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"weight_decay": -1.0}, {"ema_decay": 1.0},
        {"sigma": 0}, {"patience": -1}, {"on_bad_image": "skpi"},
        {"bf16": "yes"}, {"loss": "l1"}, {"augmentation": "none"},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_hyperparameter_is_refused_by_its_name(wrong):
    with pytest.raises(DataError, match=f"^{next(iter(wrong))} "):
        TrainConfig(**wrong)


def test_hyperparameters_of_the_recogniser_and_of_augmentation_are_checked_too():
    for make, wrong in ((HarConfig, "pose_rate"), (pose.Augmentation, "shift")):
        with pytest.raises(DataError, match=f"{wrong} must be 0 or more, not -1.0"):
            make(**{wrong: -1})
    with pytest.raises(DataError, match="mirror must be a share from 0 to 1, not 5"):
        pose.Augmentation(mirror=5)


def test_a_path_and_numpy_numbers_are_accepted(tmp_path):
    config = TrainConfig(cache=tmp_path, epochs=np.int64(3), learning_rate=np.float32(0.5))
    assert config.cache == str(tmp_path)
    assert (type(config.epochs), type(config.learning_rate)) == (int, float)


def test_utf_16_is_reported(tmp_path):
    (tmp_path / "joints.txt").write_text("a.png 1 2", encoding="utf-16")
    with pytest.raises(DataError, match="is saved as UTF-16; save it as UTF-8"):
        read_annotations(tmp_path / "joints.txt")
