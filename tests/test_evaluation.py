"""A model's landmarks on a data set, in the pixels of its images."""

import numpy as np
import pytest
import torch
from torch import nn

from pose.dataset import Generic
from pose.evaluation import evaluate, predict_dataset, worst_rows
from pose.geometry import heatmap_to_image
from pose.heatmaps import landmarks_to_heatmaps

PLACES = np.random.default_rng(0).uniform(2, 14, (20, 2))


class Stubborn(nn.Module):
    """Finds the same positions in every crop; the first stack, which does not count, finds nothing."""

    num_joints = 20

    def forward(self, images):
        assert not torch.is_grad_enabled()
        assert not self.training
        heatmaps = landmarks_to_heatmaps(PLACES, 16).expand(len(images), -1, -1, -1)
        return [torch.zeros_like(heatmaps), heatmaps]


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_predictions_come_in_the_data_sets_order_and_the_images_pixels(tiny_annotations, batch_size):
    data = Generic(tiny_annotations, is_train=False, inp_res=64, out_res=16)
    landmarks, confidence = predict_dataset(Stubborn().train(), data, batch_size, device=torch.device("cpu"))
    expected = [heatmap_to_image(PLACES, info["center"], info["scale"], info["rot"], 16) for *_, info in data]
    np.testing.assert_allclose(landmarks, expected, atol=0.05)
    np.testing.assert_allclose(confidence, np.ones((4, 20)), atol=0.01)


def test_the_truth_is_scored_as_perfect_and_a_wrong_guess_is_not(tiny_annotations):
    class Oracle(nn.Module):
        num_joints = 20

        def forward(self, images):
            return [landmarks_to_heatmaps(torch.from_numpy(tpts), 16) * quality]

    data = Generic(tiny_annotations, is_train=False, inp_res=64, out_res=16)
    tpts = np.stack([info["tpts"] for *_, info in data])
    quality = 1.0
    assert evaluate(Oracle(), data, device=torch.device("cpu")).summary()["pck@0.05"] == 1
    quality = 0.0
    assert evaluate(Oracle(), data, device=torch.device("cpu")).summary()["pck@0.2"] == 0


def test_augmented_images_are_not_evaluated(tiny_annotations):
    with pytest.raises(ValueError, match="without augmentation"):
        evaluate(Stubborn(), Generic(tiny_annotations))


def test_the_worst_of_every_film_comes_before_the_second_worst_of_any():
    errors = [0.1, 0.9, 0.8, 0.3, np.nan, 0.2]
    films = ["a", "a", "a", "b", "c", "b"]
    assert worst_rows(errors, films).tolist() == [1, 3, 4, 2, 5, 0]
    assert worst_rows(errors, films, count=2).tolist() == [1, 3]
    assert worst_rows(errors, ["photo"] * 6, count=3).tolist() == [1, 2, 3]
