"""Inference backends (PyTorch, ONNX Runtime, OpenVINO) in full or reduced precision, and export to ONNX."""

import warnings
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pose.checkpoints import load_model
from pose.hourglass import Bottleneck, StackedHourglass, check_images
from pose.runtime.device import autocast, tuned
from pose.runtime.errors import DataError, ExistsError, PackageError
from pose.runtime.files import write_atomically

PRECISIONS = {
    "torch": ("fp32", "tf32", "bf16"),
    "onnx": ("fp32",),
    "openvino": ("fp32", "bf16", "int8"),
}
PACKAGES = {"onnx": "onnxruntime onnx onnxscript", "openvino": "openvino nncf", "int8": "nncf"}


def build_engine(model, inp_res, backend="torch", precision="fp32", device="cpu", samples=None):
    """A function from crops to the heatmaps of a `StackedHourglass`'s last stack, using a copy of its weights.

    inp_res: the crops' side, px.
    backend: "torch" (any device); "onnx" (ONNX Runtime) or "openvino" (on the CPU).
    precision: "fp32"; "tf32" (torch; makes a difference on a GPU only); "bf16" (torch and openvino); "int8" (openvino),
        with ranges calibrated on
    samples: (M, 3, inp_res, inp_res) float32, 100 or more crops like those to be predicted.
    The function takes (N, 3, inp_res, inp_res) float32, RGB in 0 … 1, N ≥ 1, and returns (N, K, inp_res/4, inp_res/4)
    float32. All backends agree to 1e-4 in "fp32".
    Raises DataError for another backend or precision, and for int8 without samples; PackageError if the backend is not
    installed, with what to install.
    """
    if precision not in PRECISIONS.get(backend, ()):
        known = "; ".join(f"{name!r} in {', '.join(precisions)}" for name, precisions in PRECISIONS.items())
        raise DataError(f"there is no backend {backend!r} in {precision!r}, but: {known}")
    if precision == "int8" and samples is None:
        raise DataError("int8 needs images like those to be predicted, to measure its ranges: calibration=")
    network = _LastStack(fold_batch_norms(deepcopy(model).cpu().eval()))
    if backend == "torch":
        return _torch(network, precision, torch.device(device))
    if backend == "onnx":
        return _onnx(network, inp_res)
    return _openvino(network, inp_res, precision, samples)


class _LastStack(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)[-1]


def fold_batch_norms(model):
    """Folds each batch norm that follows a convolution into its weights, in place; for evaluation only."""
    for unit in model.modules():
        if isinstance(unit, StackedHourglass):
            unit.conv1, unit.bn1 = fuse_conv_bn_eval(unit.conv1, unit.bn1), nn.Identity()
            for fc in unit.fc:
                fc[0], fc[1] = fuse_conv_bn_eval(fc[0], fc[1]), nn.Identity()
        if isinstance(unit, Bottleneck):
            unit.conv1, unit.bn2 = fuse_conv_bn_eval(unit.conv1, unit.bn2), nn.Identity()
            unit.conv2, unit.bn3 = fuse_conv_bn_eval(unit.conv2, unit.bn3), nn.Identity()
    return model


def export_onnx(model, path, inp_res=None, overwrite=False):
    """Writes a `StackedHourglass`, given as a model or a checkpoint's path, as an ONNX file for other programs.

    inp_res: the side of its input, px; by default that of its training, else 256.
    Its input `images` is (N, 3, inp_res, inp_res) float32, RGB in 0 … 1, with any N; its output `heatmaps` is that of
    the last stack. Raises ExistsError, and PackageError if the packages for it are not installed.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} already exists; choose another name or pass overwrite=True")
    model = model if isinstance(model, nn.Module) else load_model(model)
    inp_res = inp_res or model.inp_res or 256
    check_images((1, 3, inp_res, inp_res))
    write_atomically(path, _onnx_bytes(_LastStack(fold_batch_norms(deepcopy(model).cpu().eval())), inp_res))
    return path


def _torch(network, precision, device):
    network = network.to(device, memory_format=torch.channels_last)
    if precision == "bf16":  # once; autocast alone would convert them in each call
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(torch.bfloat16)

    def run(crops):
        with torch.inference_mode(), autocast(device, precision == "bf16"), tuned(device, precision != "fp32"):
            return network(crops.to(device, memory_format=torch.channels_last))

    return run


def _onnx(network, inp_res):
    runtime = _installed("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(_onnx_bytes(network, inp_res), options, providers=["CPUExecutionProvider"])
    return lambda crops: torch.from_numpy(session.run(None, {"images": crops.contiguous().numpy()})[0])


def _onnx_bytes(network, inp_res):
    _installed("onnxscript", "onnx")
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's warnings about its own code
        program = torch.onnx.export(
            network, (torch.rand(2, 3, inp_res, inp_res),), dynamo=True, dynamic_shapes={"images": {0: batch}},
            input_names=["images"], output_names=["heatmaps"], verbose=False,
        )  # fmt: skip
    return program.model_proto.SerializeToString()


def _openvino(network, inp_res, precision, samples):
    openvino = _installed("openvino", "openvino")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's: the checks of the images' shape are not traced
        graph = openvino.convert_model(
            network, input=[-1, 3, inp_res, inp_res], example_input=torch.rand(2, 3, inp_res, inp_res)
        )
    if precision == "int8":
        graph = _quantised(graph, samples)
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(graph, "CPU", options)
    return lambda crops: torch.from_numpy(np.array(compiled(crops.contiguous().numpy())[0]))


def _quantised(graph, samples):
    """The graph with 8-bit weights and activations, whose ranges are measured on samples (M, 3, S, S)."""
    nncf = _installed("nncf", "int8")
    crops = [sample[None].numpy() for sample in samples]
    return nncf.quantize(graph, nncf.Dataset(crops), preset=nncf.QuantizationPreset.MIXED, subset_size=len(crops))


def _installed(package, extra):
    try:
        return import_module(package)
    except ImportError:
        raise PackageError(f"this needs more packages: pip install {PACKAGES[extra]}") from None
