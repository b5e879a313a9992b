"""The image cache changes no sample, and never returns a stale one."""

import os

import cv2
import numpy as np
import pytest
import torch

from pose import Generic, ImageError
from pose import dataset as dataset_module


@pytest.fixture(params=["jpg", "png"])
def people(request, tmp_path):
    """Three large photographs, a person in each: large, small and at the edge; and one unlabelled."""
    rng = np.random.default_rng(0)
    landmarks = {}
    for number, (center, size) in enumerate([((700, 500), 900), ((300, 800), 90), ((20, 30), 300), ((0, 0), np.nan)]):
        path = tmp_path / f"{number}.{request.param}"
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 256, (40, 50, 3), np.uint8), (1403, 1001)))
        landmarks[str(path)] = np.array(center) + rng.uniform(-0.5, 0.5, (20, 2)) * size
    return landmarks


@pytest.mark.parametrize("is_train", [True, False])
def test_samples_are_the_same_to_the_last_bit(people, tmp_path, is_train):
    plain, cached = (Generic(people, is_train, inp_res=64, cache_dir=folder) for folder in (None, tmp_path / "cache"))
    for epoch in range(6):
        for data in (plain, cached):
            data.set_epoch(epoch)
        for one, other in zip(plain, cached, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])
            np.testing.assert_array_equal(one[2]["pts"], other[2]["pts"])
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 4


def test_an_image_is_decoded_once_and_again_when_it_has_changed(people, tmp_path, monkeypatch):
    decoded, read_picture = [], dataset_module.read_picture
    monkeypatch.setattr(dataset_module, "read_picture", lambda *asked: decoded.append(asked[0]) or read_picture(*asked))
    data = Generic(people, inp_res=64, cache_dir=tmp_path / "cache")
    path = data.annotations.paths[1]
    before = [data[1][0] for _ in range(3)][-1]
    assert decoded == [path]
    cv2.imwrite(path, np.full((1001, 1403, 3), 90, np.uint8))
    os.utime(path, ns=(1, 1))
    assert not torch.equal(data[1][0], before)
    assert decoded == [path] * 2
    data.scales[1] *= 1.5  # another crop
    data[1]
    assert len(decoded) == 3
    os.remove(path)
    with pytest.raises(ImageError, match=r"1\.(jpg|png): cannot be opened"):
        data[1]


def test_a_damaged_cache_file_is_rewritten(people, tmp_path):
    data = Generic(people, inp_res=64, cache_dir=tmp_path / "cache")
    whole = data[0][0]
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    content = kept.read_bytes()
    kept.write_bytes(content[: len(content) // 2])
    assert torch.equal(data[0][0], whole)
    assert kept.read_bytes() == content


def test_an_unwritable_cache_is_reported_once_and_training_continues(people, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    data = Generic(people, inp_res=64, cache_dir=tmp_path / "cache")
    with pytest.warns(
        UserWarning, match=r"cache: cannot be written .*; training continues without the cache"
    ) as caught:
        samples = [data[0][0], data[1][0]]
    assert len(caught) == 1
    assert torch.equal(samples[0], Generic(people, inp_res=64)[0][0])
