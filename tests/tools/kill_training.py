"""Runs a training uninterrupted, and again while killing it repeatedly, for the survival tests to compare.

    python tests/tools/kill_training.py KIND OUT EPOCHS WORKERS OUTSIDE SEED

KIND is pose or har. OUT/whole is never interrupted. The training in OUT/killed dies of SIGKILL at every moment of
writing each of its three files, and OUTSIDE times more whenever it happens, in an order determined by SEED; then it
finishes.
"""

import os
import random
import signal
import sys
import time
import traceback
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch

import pose
from pose.checkpoints import load_tensors

NAMES = ("best.safetensors", "last.safetensors", "history.csv")
MOMENTS = ("nothing written", "half written", "not yet in place", "just in place")


def write_pictures(folder):
    """Twelve pictures of a bright dot with the joints around it; eight in train.txt, four in valid.txt."""
    rng = np.random.default_rng(0)
    turn = np.arange(20) * (2 * np.pi / 20)
    for name, count in (("train", 8), ("valid", 4)):
        labels = {}
        for number in range(count):
            dot = rng.integers(20, 60, 2)
            image = cv2.circle(np.zeros((80, 80), np.uint8), dot.tolist(), 6, 255, -1)
            cv2.imwrite(str(folder / f"{name}{number}.png"), image)
            labels[str(folder / f"{name}{number}.png")] = dot + 18 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        pose.write_annotations(folder / f"{name}.txt", labels, folder)


def pose_arguments(folder, epochs, workers=0):
    """Model, training data, validation data and configuration for `pose.fit`."""
    config = pose.TrainConfig(
        inp_res=64, channels=16, batch_size=4, bf16=False, learning_rate=1e-2, ema_decay=0.8, epochs=epochs,
        workers=workers,
    )  # fmt: skip
    train, valid = (pose.read_annotations(folder / f"{name}.txt", folder) for name in ("train", "valid"))
    return config.build_model(), config.build_dataset(train, True), config.build_dataset(valid, False), config


def har_arguments(folder, epochs, workers=0):
    """The same for `har.fit`, which needs nothing from the folder."""
    from test_har_training import TINY, moving_people

    import har

    config = har.HarConfig(**TINY | {"epochs": epochs, "workers": workers})
    annotations, clips = moving_people(7)
    train, valid = clips[:12], clips[12:]
    data = [config.build_dataset(annotations, part, is_train=part is train) for part in (train, valid)]
    return config.build_head(3), *data, config


def fit(kind, folder, run, epochs, workers=0, on_epoch=None):
    """Trains, or resumes if there is something to resume."""
    function, arguments = fit_and_arguments(kind)
    function(*arguments(folder, epochs, workers), run, resume=True, on_epoch=on_epoch)


def fit_and_arguments(kind):
    if kind == "pose":
        return pose.fit, pose_arguments
    from har import fit

    return fit, har_arguments


def die_writing(name, moment):
    """Makes this process die the next time it writes the file `name`."""
    replace = os.replace

    def dying(source, target):
        if Path(target).name == name:
            size = {"nothing written": 0, "half written": Path(source).stat().st_size // 2}
            if moment in size:
                os.truncate(source, size[moment])
            elif moment == "just in place":
                replace(source, target)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = dying


def start(work):
    """Calls `work()` in a fork of this process, in its own session; returns its id."""
    child = os.fork()
    if child:
        return child
    os.setsid()  # used to find its loading workers
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # no progress bars
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ended(child):
    """Waits for a child; returns its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def epochs_done(run):
    try:
        return len(load_tensors(run / "last.safetensors")[1]["history"])
    except FileNotFoundError:
        return 0


def hold(epochs, history):
    """Holds a training after so many epochs, until it is killed or interrupted, however late that comes."""
    while len(history) >= epochs:
        time.sleep(0.05)


def kill(train, run, plan, better, longest):
    """Restarts the training until it has been killed in every planned way; returns the processes' ids.

    train: called with a function for `on_epoch`.
    plan: (name, moment) of die_writing, or None: killed from outside within `longest` seconds.
    better: the epochs that write best.safetensors.
    """
    children = []
    while plan:
        ready = [death for death in plan if death is None or death[0] != NAMES[0] or epochs_done(run) + 1 in better]
        death = (ready or plan)[0]
        plan.remove(death)
        if death:
            child = start(lambda death=death: (die_writing(*death), train(None)))
        else:
            child = start(partial(train, partial(hold, epochs_done(run) + 2)))
            time.sleep(random.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        status = ended(child)
        if status != -signal.SIGKILL:
            sys.exit(f"ended with {status} instead of dying at {death}, after {epochs_done(run)} epochs")
        print(f"killed: {death}, {epochs_done(run)} epochs done, {sorted(path.name for path in run.glob('*'))}")
        children.append(child)
    return children


def living(sessions):
    """The processes that run in these sessions, as (id, session)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) in sessions and state != "Z":
            found.append((int(path.parent.name), int(session)))
    return found


def main(kind, out, epochs, workers, outside, seed):
    out, epochs, workers = Path(out), int(epochs), int(workers)
    write_pictures(out)
    model, *_ = fit_and_arguments(kind)[1](out, epochs)
    torch.optim.AdamW(model.parameters())  # so that each fork has everything imported
    random.seed(int(seed))
    plan = [*product(NAMES, MOMENTS), *[None] * int(outside)]
    random.shuffle(plan)
    started = time.perf_counter()
    if ended(start(lambda: fit(kind, out, out / "whole", epochs, workers))):
        sys.exit("the uninterrupted training failed")
    seconds = time.perf_counter() - started
    better, best = set(), -np.inf
    for row in load_tensors(out / "whole" / "last.safetensors")[1]["history"]:
        goodness = row["valid_auc"] if kind == "pose" else -row["valid_loss"]
        if goodness > best:
            better, best = better | {row["epoch"]}, goodness
    train = partial(fit, kind, out, out / "killed", epochs, workers)
    sessions = kill(train, out / "killed", plan, better, 3 * seconds / epochs)
    print(f"{len(sessions)} kills, {time.perf_counter() - started:.0f} s; better epochs {sorted(better)}")
    deadline = time.monotonic() + 60
    while left := living(sessions):
        if time.monotonic() > deadline:
            sys.exit(f"these processes still run: {left}")
        time.sleep(0.1)
    if ended(start(train)):
        sys.exit("the last part of the killed training failed")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
