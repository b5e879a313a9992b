"""The inference backends: the same heatmaps from each, for any batch, and a clear message if one is missing."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from pose import Predictor, StackedHourglass, export_onnx, heatmaps_to_landmarks
from pose.export import build_engine, fold_batch_norms

RES = 64


@pytest.fixture(scope="module")
def model():
    """A hourglass whose batch norms are not trivial."""
    torch.manual_seed(0)
    model = StackedHourglass(2, channels=16).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias, std=0.2)
    for score in model.score:
        nn.init.normal_(score.weight, std=1.0)  # clear peaks
    return model


@pytest.fixture(scope="module")
def crops():
    torch.manual_seed(1)
    return torch.rand(5, 3, RES, RES)


def heatmaps(model, crops):
    with torch.no_grad():
        return model(crops)[-1]


def test_folded_batch_norms_change_nothing(model, crops):
    folded = fold_batch_norms(StackedHourglass(2, channels=16).eval())
    before = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    after = sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert after < 0.4 * before  # those in front of a block cannot be folded
    assert heatmaps(model, crops).max() > 0.1
    assert_close(build_engine(model, RES)(crops), heatmaps(model, crops), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_each_backend_gives_the_same_heatmaps_for_any_number_of_crops(model, crops, backend):
    engine = build_engine(model, RES, backend)
    for count in (1, 5):
        found = engine(crops[:count])
        assert found.dtype == torch.float32
        assert_close(found, heatmaps(model, crops[:count]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_bf16_is_close(model, crops, backend):
    found = build_engine(model, RES, backend, "bf16")(crops)
    assert found.dtype == torch.float32
    exact = heatmaps(model, crops)
    assert not torch.equal(found, exact)
    assert np.corrcoef(found.flatten(), exact.flatten())[0, 1] > 0.98


def test_int8_is_close_and_needs_images(model, crops):
    with pytest.raises(ValueError, match="int8 needs images like those to be predicted"):
        build_engine(model, RES, "openvino", "int8")
    found = build_engine(model, RES, "openvino", "int8", samples=crops)(crops[:2])
    exact = heatmaps(model, crops[:2])
    assert np.corrcoef(found.flatten(), exact.flatten())[0, 1] > 0.9


def test_the_predictor_takes_its_backend_and_calibrates_on_images(model):
    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    box = [(5, 5, 65, 85)]  # otherwise the second pass's crop would depend on the first pass's last digits
    exact = Predictor(model, RES).predict(picture, box)[0]
    other = Predictor(model, RES, backend="openvino").predict(picture, box)[0]
    assert_close(other.confidence, exact.confidence, atol=1e-4, rtol=0)
    small = Predictor(model, RES, backend="openvino", precision="int8", calibration=np.stack([picture] * 3))
    assert small.samples.shape == (6, 3, RES, RES)
    assert small.predict(picture)[0].landmarks.shape == (20, 2)


def test_the_predictor_keeps_the_weights_that_it_was_given(model):
    picture = np.full((80, 80, 3), 90, np.uint8)
    copy = StackedHourglass(2, channels=16).eval()
    copy.load_state_dict(model.state_dict())
    predictor = Predictor(copy, RES)
    before = predictor.predict(picture)[0].landmarks
    nn.init.zeros_(copy.score[1].weight)
    np.testing.assert_array_equal(predictor.predict(picture)[0].landmarks, before)


def test_an_exported_file_runs_elsewhere(model, crops, tmp_path):
    path = export_onnx(model, tmp_path / "hourglass.onnx", RES)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["heatmaps"], {"images": crops[:3].numpy()})
    assert_close(torch.from_numpy(found), heatmaps(model, crops[:3]), atol=1e-4, rtol=0)
    places = heatmaps_to_landmarks(found)[0]
    assert_close(places, heatmaps_to_landmarks(heatmaps(model, crops[:3]))[0], atol=1e-2, rtol=0)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_onnx(model, path, RES)


@pytest.mark.parametrize(
    ("backend", "package"), [("onnx", "onnxruntime"), ("onnx", "onnxscript"), ("openvino", "openvino")]
)
def test_a_backend_that_is_not_installed_says_what_to_install(model, backend, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install .*{package}"):
        build_engine(model, RES, backend)


@pytest.mark.parametrize(("backend", "precision"), [("onnx", "int8"), ("tensorrt", "fp32"), ("torch", "fp16")])
def test_missing_backends_and_precisions_are_named(model, backend, precision):
    with pytest.raises(ValueError, match="'openvino' in fp32, bf16, int8"):
        build_engine(model, RES, backend, precision)
