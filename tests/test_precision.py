"""The precision that a training uses by default, and how it is remembered."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from pose import TrainConfig, fit, load_model
from pose.runtime import precision
from pose.runtime.device import has_bf16
from pose.runtime.precision import bf16_speedup, default_bf16, speedups_file
from pose.training import hourglass
from pose.training.run_folders import read_description

CPU = torch.device("cpu")


@pytest.fixture
def measurements(tmp_path, monkeypatch):
    """A list: the first is what the next measurement finds, and is then removed. The cache folder is the test's own."""
    results = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    monkeypatch.setattr(precision, "bf16_speedup", lambda: results.pop(0))
    return results


@pytest.mark.parametrize(("speedup", "expected"), [(0.5, False), (1.1, False), (1.3, True)])
def test_bf16_has_to_be_clearly_faster(measurements, speedup, expected):
    measurements.append(speedup)
    assert default_bf16(CPU) is expected
    assert not measurements


def test_a_machine_is_measured_once_for_each_number_of_threads(measurements, monkeypatch):
    measurements += [0.5, 2.0]
    assert not default_bf16(CPU)
    assert not default_bf16(CPU)
    assert measurements == [2.0]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert default_bf16(CPU)
    assert not measurements


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"a": [1]}', b"[" * 100_000])
def test_a_damaged_file_is_measured_again_and_replaced(measurements, content):
    speedups_file().parent.mkdir(parents=True)
    speedups_file().write_bytes(content)
    measurements.append(2.0)
    assert default_bf16(CPU)
    assert default_bf16(CPU)


def test_a_cache_that_cannot_be_written_does_not_matter(measurements, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    measurements += [2.0, 0.5]
    assert default_bf16(CPU)
    assert not default_bf16(CPU)


def test_without_the_instructions_nothing_is_measured(measurements, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    measurements.append(2.0)
    assert not default_bf16(CPU)
    assert measurements


def test_measuring_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    assert bf16_speedup() > 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(
    not has_bf16(CPU), reason="needs a CPU that has the instructions, so that fp32 is no matter of course"
)
def test_a_cpu_that_is_slower_in_bf16_trains_in_fp32(tmp_path):
    slow = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "XDG_CACHE_HOME": str(tmp_path)}  # convolves without the instructions
    code = "import torch; from pose.runtime.precision import default_bf16; print(default_bf16(torch.device('cpu')))"
    output = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | slow, check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    assert output == "False\n"


def trained(annotations, run, config, **options):
    """The weights of a training on these images."""
    data = [config.build_dataset(annotations, is_train) for is_train in (True, False)]
    fit(config.build_model(), *data, config, run, **options)
    return load_model(run / "best.safetensors").state_dict()


def interrupt(history):
    raise KeyboardInterrupt


@pytest.mark.parametrize("began_with", [True, False])
def test_a_resumed_training_keeps_its_precision(tiny_annotations, tmp_path, monkeypatch, began_with):
    config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=2)
    whole = trained(tiny_annotations, tmp_path / "whole", replace(config, bf16=began_with))
    monkeypatch.setattr(hourglass, "default_bf16", lambda device: began_with)
    with pytest.raises(KeyboardInterrupt):
        trained(tiny_annotations, tmp_path / "parts", config, on_epoch=interrupt)
    monkeypatch.setattr(hourglass, "default_bf16", lambda device: not began_with)
    parts = trained(tiny_annotations, tmp_path / "parts", config, resume=True)
    assert all(torch.equal(weights, parts[name]) for name, weights in whole.items())
    assert read_description(tmp_path / "parts")["hyperparameters"]["bf16"] is began_with
