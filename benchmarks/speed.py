"""How fast is it, beside the plain way (reference.py), on this machine? Prints a table.

    python benchmarks/speed.py [inference] [decoding] [sample] [training] --threads 2

The network has two stacks and looks at 256 px. Its weights are random: that changes no time.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import reference
import torch
from pose_accuracy import processor
from timing import HEADER, compare, rows

import pose
from pose.device import autocast, has_bf16, keep_freed_memory
from pose.engines import build_engine
from pose.loss import heatmap_loss

ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"),
           ("openvino", "int8"))  # fmt: skip


def inference():
    """One network input through the network."""
    torch.manual_seed(0)
    model, images = pose.hg2().eval(), torch.rand(8, 3, 256, 256)
    engines = {f"{backend} {precision}": build_engine(model, 256, backend, precision, samples=images)
               for backend, precision in ENGINES}  # fmt: skip
    lines = []
    for count in (1, 8):
        ways = {"plain": partial(reference.predict, model, images[:count])}
        ways |= {name: partial(engine, images[:count]) for name, engine in engines.items()}
        lines += rows(f"inference, batch {count}, an image", compare(ways), per=count)
    return lines


def decoding():
    """64 × 20 heatmaps to landmarks in the image."""
    rng = np.random.default_rng(0)
    places = torch.from_numpy(rng.uniform(1, 62, (64, 20, 2)))
    heatmaps = pose.landmarks_to_heatmaps(places, 64) + 0.02 * torch.randn(64, 20, 64, 64)
    center, scale = rng.uniform(100, 200, (64, 2)), rng.uniform(1, 2, 64)

    def ours():
        landmarks, _ = pose.heatmaps_to_landmarks(heatmaps)
        return pose.heatmap_to_image(landmarks.numpy(), center, scale, 0.0, 64)

    ways = {"plain": partial(reference.decode, heatmaps.numpy(), center, scale), "heatmaps_to_landmarks": ours}
    return rows("decoding 64 × 20 heatmaps", compare(ways))


def sample():
    """One augmented training sample of a person who fills the height of a JPEG."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for width, height in ((640, 480), (1920, 1080)):
            rng = np.random.default_rng(0)
            path = str(Path(folder) / f"{width}.jpg")
            smooth = torch.nn.functional.interpolate(torch.rand(1, 3, height // 8, width // 8), (height, width))
            picture = (smooth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            reference.Image.fromarray(picture).save(path, quality=90)
            landmarks = np.array([width / 2, height / 2]) + rng.uniform(-0.4, 0.4, (20, 2)) * height
            data = pose.Generic({path: landmarks})
            box = (data.centers[0], data.scales[0])
            ways = {
                "plain": partial(reference.sample, path, landmarks, *box, rng),
                "Generic": partial(data.__getitem__, 0),
            }
            lines += rows(f"training sample from {width}×{height}", compare(ways, 31))
    return lines


def training():
    """One step with four images."""
    torch.manual_seed(0)
    images, heatmaps = torch.rand(4, 3, 256, 256), torch.rand(4, 20, 64, 64)
    plain, ours = pose.hg2(loss="mse"), pose.hg2(loss="mse").to(memory_format=torch.channels_last)
    bf16 = has_bf16(torch.device("cpu"))
    rmsprop, adam = torch.optim.RMSprop(plain.parameters()), torch.optim.AdamW(ours.parameters(), fused=True)

    def step():
        with autocast(torch.device("cpu"), bf16):
            outputs = ours(images.contiguous(memory_format=torch.channels_last))
        loss = heatmap_loss(outputs, heatmaps, "mse", 1.0)
        adam.zero_grad()
        loss.backward()
        adam.step()

    ways = {
        "plain": partial(reference.train_step, plain, rmsprop, images, heatmaps),
        f"as in pose.fit{', bf16' if bf16 else ''}": step,
    }
    return rows("training step, batch 4, an image", compare(ways, 5), per=4)


WORKS = {work.__name__: work for work in (inference, decoding, sample, training)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", default=list(WORKS), help=f"what to time: {', '.join(WORKS)} (all)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--plain-memory", action="store_true", help="leave the C library's allocator as it is")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if not args.plain_memory:
        keep_freed_memory()
    print(f"{processor()}", "", *HEADER, sep="\n")
    for name in args.work:
        print(*WORKS[name](), sep="\n", flush=True)


if __name__ == "__main__":
    main()
