"""Compares the speed of this project with a plain implementation (reference.py) on this machine. Prints a table.

    python benchmarks/speed.py [inference] [training] [sample] [loading] [decoding] [head] --threads 2

The network has two stacks and 256 px input. Its weights are random, which does not affect the time.
"""

import argparse
import itertools
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import reference
import torch
from timing import HEADER, compare, rows
from torch.utils.data import DataLoader

import har
import pose
from pose.export import build_engine
from pose.runtime.device import default_device, keep_freed_memory, machine, one_thread
from pose.runtime.precision import default_bf16
from pose.training.hourglass import PoseTask
from pose.training.loop import train_step
from pose.training.state import TrainingState

SAMPLES_PER_CALL = 16  # one after the other, as in a loader
ENGINES = (("torch", "fp32"), ("onnx", "fp32"), ("openvino", "fp32"), ("torch", "bf16"), ("openvino", "bf16"),
           ("openvino", "int8"))  # fmt: skip


def network(**settings):
    torch.manual_seed(0)
    return pose.hg2(**settings)


# A `make` function for each implementation: it prepares, and returns the function to time.


def predict_plainly(count, allocator=False, channels_last=False):
    if allocator:
        keep_freed_memory()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = network().eval().to(memory_format=layout)
    images = torch.rand(count, 3, 256, 256).contiguous(memory_format=layout)
    return lambda: reference.predict(model, images) is None


def predict_with(count, backend, precision):
    keep_freed_memory()
    images = torch.rand(count, 3, 256, 256)
    run = build_engine(network(), 256, backend, precision, samples=images)
    return lambda: run(images) is None


def convolve(dtype):
    """One large convolution of 39 GFLOP: the CPU's practical limit."""
    keep_freed_memory()
    layer = torch.nn.Conv2d(256, 256, 3, padding=1).to(dtype, memory_format=torch.channels_last)
    images = torch.rand(8, 256, 64, 64).to(dtype).contiguous(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            layer(images)

    return run


def train_plainly(count, allocator=False, channels_last=False):
    if allocator:
        keep_freed_memory()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = network(loss="mse").train().to(memory_format=layout)
    images, heatmaps = torch.rand(count, 3, 256, 256).contiguous(memory_format=layout), torch.rand(count, 20, 64, 64)
    return partial(reference.train_step, model, torch.optim.RMSprop(model.parameters()), images, heatmaps)


def pose_training(config):
    """The task and the state of a training, in the precision that `fit` would choose, and a batch of noise for it."""
    if config.bf16 is None:
        config = replace(config, bf16=default_bf16(default_device()))
    data = pose.Generic(pose.Annotations(["noise"] * config.batch_size, np.ones((config.batch_size, 20, 2))))
    task = PoseTask(config.build_model(), data, data, config)
    task.model.train()
    images = torch.rand(config.batch_size, 3, config.inp_res, config.inp_res)
    landmarks = (config.out_res - 4) * torch.rand(config.batch_size, 20, 2)
    return task, TrainingState(task, config), [images, pose.landmarks_to_heatmaps(landmarks, config.out_res), {}]


def train_as_fit(count, bf16=None, recompute=False):
    keep_freed_memory()
    config = pose.TrainConfig(num_stacks=2, loss="mse", batch_size=count, bf16=bf16, recompute=recompute)
    task, state, samples = pose_training(config)

    def run():
        train_step(task, state.optimizer, samples)
        state.update_average(0)

    return run


def photograph(folder, width, height):
    """The path of a JPEG file."""
    path = str(Path(folder) / f"{width}.jpg")
    if not Path(path).exists():
        coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
        cv2.imwrite(path, cv2.resize(coarse, (width, height)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def person(width, height, share):
    """Landmarks (20, 2) px that span a `share` of the picture's height."""
    inside = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 2))
    inside[:2] = [[-0.5, -0.5], [0.5, 0.5]]
    return np.array([width / 2, height / 2]) + share * height * inside


def load_plainly(path, landmarks):
    rng = np.random.default_rng(0)
    center, scale = pose.center_and_scale(landmarks)

    def run():
        for _ in range(SAMPLES_PER_CALL):
            reference.sample(path, landmarks, center, scale, rng)

    return run


def load_with_generic(path, landmarks, cache_dir=None):
    data, epochs = pose.Generic({path: landmarks}, cache_dir=cache_dir), itertools.count()

    def run():
        for _ in range(SAMPLES_PER_CALL):
            data.set_epoch(next(epochs))
            data[0]

    return run


def load_in_batches(path, landmarks, workers):
    data = pose.Generic(pose.Annotations([path] * 512, [landmarks] * 512))
    loader = DataLoader(data, 16, num_workers=workers, persistent_workers=workers > 0, worker_init_fn=one_thread)

    def run():
        for _ in loader:
            pass

    return run


def heatmaps_of(count):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    heatmaps = pose.landmarks_to_heatmaps(torch.from_numpy(rng.uniform(1, 62, (count, 20, 2))), 64)
    return heatmaps + 0.02 * torch.randn_like(heatmaps), rng.uniform(100, 200, (count, 2)), rng.uniform(1, 2, count)


def decode_plainly(count):
    return partial(reference.decode, *heatmaps_of(count))


def decode(count):
    heatmaps, center, scale = heatmaps_of(count)

    def run():
        landmarks, _ = pose.heatmaps_to_landmarks(heatmaps)
        return pose.heatmap_to_image(landmarks.numpy(), center, scale, 0.0, 64)

    return run


def train_on_clips(lengths):
    """A training step of the recogniser on clips of these lengths."""
    keep_freed_memory()
    torch.manual_seed(0)
    head = har.HarConfig().build_head(10).train()
    landmarks, labels = torch.rand(len(lengths), max(lengths), 20, 2), torch.randint(10, (len(lengths),))

    def run():
        torch.nn.functional.cross_entropy(head(landmarks, torch.tensor(lengths)), labels).backward()

    return run


# The table rows of each kind of work.


def inference(threads):
    """One network input to heatmaps."""
    lines = []
    for count in (1, 8):
        ways = {
            "plain": partial(predict_plainly, count),
            "plain, allocator tuned": partial(predict_plainly, count, True),
            "plain, allocator, channels_last": partial(predict_plainly, count, True, True),
        }
        ways |= {f"{backend} {precision}": partial(predict_with, count, backend, precision)
                 for backend, precision in ENGINES}  # fmt: skip
        lines += rows(f"inference, batch {count}, per image", compare(ways, 9, threads), per=count)
    limits = {"in fp32": partial(convolve, torch.float32), "in bf16": partial(convolve, torch.bfloat16)}
    return lines + rows("39 GFLOP in one convolution", compare(limits, 9, threads))


def training(threads):
    """One step."""
    ways = {
        "plain": partial(train_plainly, 4),
        "plain, allocator tuned": partial(train_plainly, 4, True),
        "plain, allocator, channels_last": partial(train_plainly, 4, True, True),
        "as in pose.fit, fp32": partial(train_as_fit, 4, False),
        "as in pose.fit": partial(train_as_fit, 4),
        "as in pose.fit, recompute": partial(train_as_fit, 4, recompute=True),
    }
    return rows("training step, batch 4, per image", compare(ways, 7, threads), per=4)


def sample(threads):
    """One augmented training sample from a JPEG file, for a person of 9/10 and of 4/10 of the picture's height."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for width, height in ((640, 480), (1920, 1080)):
            for share in (0.9, 0.4):
                arguments = photograph(folder, width, height), person(width, height, share)
                ways = {
                    "plain": partial(load_plainly, *arguments),
                    "Generic": partial(load_with_generic, *arguments),
                    "Generic, cached": partial(load_with_generic, *arguments, folder),
                }
                work = f"sample from {width}×{height}, person {share:.0%} of the height"
                lines += rows(work, compare(ways, 15, threads), per=SAMPLES_PER_CALL)
    return lines


def loading(threads):
    """512 samples in batches of 16, by number of loading processes, which are already running."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = photograph(folder, 1920, 1080), person(1920, 1080, 0.9)
        ways = {f"{workers} workers": partial(load_in_batches, *arguments, workers) for workers in (0, 1, 2)}
        return rows("loading from 1920×1080, per image", compare(ways, 5, threads), per=512)


def decoding(threads):
    """64 × 20 heatmaps to landmarks in the image."""
    ways = {"plain": partial(decode_plainly, 64), "heatmaps_to_landmarks": partial(decode, 64)}
    return rows("decoding 64 × 20 heatmaps", compare(ways, 31, threads))


def head(threads):
    """A training step of the recogniser on 16 clips."""
    fixed, various = [60] * 16, np.random.default_rng(0).integers(20, 61, 16).tolist()
    ways = {
        "60 frames each": partial(train_on_clips, fixed),
        "20 to 60 frames": partial(train_on_clips, various),
    }
    return rows("recogniser's step, 16 clips", compare(ways, 31, threads))


WORKS = {work.__name__: work for work in (inference, training, sample, loading, decoding, head)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", default=list(WORKS), help=f"what to time: {', '.join(WORKS)} (default: all)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(%(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    print(f"{machine()}", "", *HEADER, sep="\n")
    for name in args.work:
        print(*WORKS[name](args.threads), sep="\n", flush=True)


if __name__ == "__main__":
    main()
