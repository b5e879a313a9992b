"""One step of a training, and a look at what it gave."""

import torch

from pose.dataset import on_device
from pose.evaluation import normalised_distances, pck
from pose.heatmaps import heatmaps_to_landmarks, landmarks_to_heatmaps
from pose.loss import heatmap_loss
from pose.runtime import distributed
from pose.runtime.device import autocast, is_out_of_memory, largest_that_fits
from pose.runtime.errors import OutOfMemory


def step_that_fits(state, network, crops, tpts, device, bf16):
    """`train_step`; raises OutOfMemory, with the batch size that would fit, where the memory does not suffice."""
    try:
        return train_step(state, network, crops, tpts, device, bf16)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Only here, where the error is gone, are the tensors gone that it held.
    state.optimizer.zero_grad()
    batch, fits = len(crops), 0

    def attempt(size):
        gradients(state, network, crops[:size], tpts[:size], device, bf16)

    if distributed.size() == 1:  # several processes would have to try together
        fits = largest_that_fits(attempt, batch)
        state.optimizer.zero_grad()
    advice = f"batch_size={fits} fits" if fits else "take half of it" if distributed.size() > 1 else "not even one fits"
    raise OutOfMemory(
        f"a batch of {batch} images of {state.config.inp_res} px does not fit into the memory of {device}: {advice}. "
        "recompute=True needs less, too. Build the model anew and choose another run_dir"
    )


def train_step(state, network, crops, tpts, device, bf16):
    """One step of the optimiser; returns the loss (), and the last stack's heatmaps (N, K, R, R).

    state: `TrainingState`; network: its model, or what `distributed.wrap` made of it.
    crops: (N, S, S, 3) uint8 RGB; tpts: (N, K, 2) float32, landmarks in heatmap px, NaN where not labelled.
    """
    loss, heatmaps = gradients(state, network, crops, tpts, device, bf16)
    state.optimizer.step()
    return loss.detach(), heatmaps.detach()


def gradients(state, network, crops, tpts, device, bf16):
    """The loss and the last stack's heatmaps, and the loss's gradients, in the parameters."""
    images = on_device(crops, device)
    targets = landmarks_to_heatmaps(tpts.to(device, non_blocking=True), state.config.out_res, state.config.sigma)
    with autocast(device, bf16):
        outputs = network(images)
    loss = heatmap_loss(outputs, targets, state.model.loss, state.model.sigma)
    state.optimizer.zero_grad()
    loss.backward()
    return loss, outputs[-1]


class Look:
    """The loss and the landmarks of a training batch, on their way to the CPU while training goes on.

    loss: (); heatmaps: (N, K, H, W) predicted; tpts: (N, K, 2) labelled, heatmap px, on the CPU.
    """

    def __init__(self, loss, heatmaps, tpts):
        places, _ = heatmaps_to_landmarks(heatmaps)
        self.loss, self.places = (tensor.to("cpu", non_blocking=True) for tensor in (loss, places))
        self.tpts = tpts.numpy()
        self.arrived = torch.cuda.Event() if loss.is_cuda else None
        if self.arrived:
            self.arrived.record()

    def read(self, skeleton):
        """The loss, and PCK@0.2 over the batch's labelled joints."""
        if self.arrived:
            self.arrived.synchronize()
        distances = normalised_distances(self.places.numpy(), self.tpts, skeleton).reshape(-1, 1)
        return self.loss.item(), float(pck(distances, 0.2)[0])
