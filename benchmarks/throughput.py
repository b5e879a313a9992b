"""Images per second, share of the device's peak, and peak memory, for 1, 2 and 8 stacks; on a GPU if there is one.

    python benchmarks/throughput.py --threads 2
    python benchmarks/throughput.py --batch 32        (a GPU)

Compared with the same network, eager, in full precision. The share is relative to the operations per second that one
large bf16 convolution reaches in the same run. Input of 256 px, random weights.
"""

import argparse
from functools import partial

import numpy as np
import reference
import torch
from speed import pose_training
from timing import compare
from torch.utils.flop_counter import FlopCounterMode

import pose
from pose.export import build_engine
from pose.runtime.device import default_device, keep_freed_memory, machine, tuned
from pose.training.loop import train_step

DEVICE = default_device()
WARM_UP = 3  # calls before the first round: compilation, and choosing convolutions


def network(stacks, **settings):
    torch.manual_seed(0)
    return pose.StackedHourglass(stacks, **settings)


def ready(run):
    """`run` for timing: it waits until everything is done, and returns the GPU's peak memory in GB."""

    def timed():
        run()
        if DEVICE.type == "cpu":
            return None
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**30

    for _ in range(WARM_UP if DEVICE.type == "cuda" else 0):
        timed()
    return timed


def predict_plainly(stacks, batch, tf32=False):
    torch.backends.cudnn.allow_tf32 = tf32
    model, images = network(stacks).to(DEVICE).eval(), torch.rand(batch, 3, 256, 256, device=DEVICE)
    return ready(lambda: reference.predict(model, images))


def predict(stacks, batch, precision):
    keep_freed_memory()
    engine, images = build_engine(network(stacks), 256, "torch", precision, DEVICE), torch.rand(batch, 3, 256, 256)
    images = images.to(DEVICE)
    return ready(lambda: pose.heatmaps_to_landmarks(engine(images)))


def train_plainly(stacks, batch, tf32=False):
    torch.backends.cudnn.allow_tf32 = tf32
    model = network(stacks, loss="mse").to(DEVICE).train()
    optimizer = torch.optim.RMSprop(model.parameters())
    images, heatmaps = torch.rand(batch, 3, 256, 256, device=DEVICE), torch.rand(batch, 20, 64, 64, device=DEVICE)
    return ready(lambda: reference.train_step(model, optimizer, images, heatmaps))


def train(stacks, batch, recompute=False):
    """As `pose.fit` does by default."""
    keep_freed_memory()
    config = pose.TrainConfig(num_stacks=stacks, batch_size=batch, recompute=recompute)
    task, state, samples = pose_training(config)
    if DEVICE.type == "cuda":
        samples = [samples[0].pin_memory(), samples[1].pin_memory(), samples[2]]

    def run():
        with tuned(DEVICE):
            train_step(task, state.optimizer, samples)
        state.update_average(0)

    return ready(run)


def convolve(batch):
    keep_freed_memory()
    layer = torch.nn.Conv2d(256, 256, 3, padding=1).to(DEVICE, torch.bfloat16, memory_format=torch.channels_last)
    images = torch.rand(batch, 256, 64, 64).to(DEVICE, torch.bfloat16).contiguous(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode(), tuned(DEVICE):
            layer(images)

    return ready(run)


def operations(stacks):
    """The operations of one image's forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(stacks).eval()(torch.rand(1, 3, 256, 256))
    return counter.get_total_flops()


def table(stacks, batch, peak, rounds, threads):
    """Rows of inference and training for one number of stacks; peak: operations per second."""
    inference = {
        "eager fp32": partial(predict_plainly, stacks, batch),
        "eager, TF32 as by default": partial(predict_plainly, stacks, batch, True),
        "Predictor fp32": partial(predict, stacks, batch, "fp32"),
        "Predictor bf16": partial(predict, stacks, batch, "bf16"),
    }
    training = {
        "eager fp32": partial(train_plainly, stacks, batch),
        "eager, TF32 as by default": partial(train_plainly, stacks, batch, True),
        "fit": partial(train, stacks, batch),
        "fit, recompute": partial(train, stacks, batch, True),
    }
    for work, ways, passes in (("inference", inference, 1), ("training", training, 3)):
        if DEVICE.type == "cpu":
            del ways["eager, TF32 as by default"]
        timed = compare(ways, rounds, threads)
        plain = next(iter(timed.values())).seconds
        for name, one in timed.items():
            rate = batch / np.median(one.seconds)
            ratio = plain / one.seconds
            share = rate * passes * operations(stacks) / peak
            faster = f"{np.median(ratio):.1f}× ({ratio.min():.1f} … {ratio.max():.1f})"
            memory = one.result or one.memory
            print(f"| {stacks} | {work} | {name} | {rate:.1f} | {faster} | {share:.0%} | {memory:.1f} |", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4, help="images per batch (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (%(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(%(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    images = 8 if DEVICE.type == "cpu" else 256
    seconds = np.median(compare({"peak": partial(convolve, images)}, 9, args.threads)["peak"].seconds)
    peak = 2 * images * 64 * 64 * 256 * 256 * 9 / seconds
    print(f"{machine()}; batch {args.batch}; one large bf16 convolution: {peak / 1e12:.3g} TFLOP/s\n")
    print("| stacks | work | way | images/s | faster than eager fp32 | share of the peak | peak memory, GB |")
    print("|---|---|---|---|---|---|---|")
    for stacks in (1, 2, 8):
        table(stacks, args.batch, peak, args.rounds, args.threads)


if __name__ == "__main__":
    main()
