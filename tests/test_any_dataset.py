"""Training and evaluation accept any data set of samples `(image, heatmaps, info)`, however it is wrapped."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset

import pose
from pose import Annotations, Generic, TrainConfig, evaluate, fit, predict_dataset
from pose.runtime.data_loader import Loader

CONFIG = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=2, bf16=False)


class Wrapper(Dataset):
    """A wrapper that hides its data set completely."""

    def __init__(self, data):
        self.get, self.size = lambda index: data[index], len(data)

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.get(index)


class Negative(Generic):
    """A subclass that changes a sample."""

    def __getitem__(self, index):
        image, heatmaps, info = super().__getitem__(index)
        return 1 - image, heatmaps, info


class Foreign(Dataset):
    """Samples of a class outside the project: a white square, with the joints in its middle."""

    def __init__(self, size=64, joints=20):
        self.size, self.joints = size, joints

    def __len__(self):
        return 8

    def __getitem__(self, index):
        place = np.full((self.joints, 2), 2 + index, np.float32)
        place[4] -= 2  # the left shoulder, so that the torso has a length
        image = torch.zeros(3, self.size, self.size)
        image[:, 4 * index : 4 * index + 16, 4 * index : 4 * index + 16] = 1
        info = {"index": index, "center": np.float32([31.5, 31.5]), "scale": np.float32(0.32), "rot": np.float32(0),
                "pts": (4 * place + 1.5).astype(np.float64), "tpts": place, "inp_res": self.size, "out_res": 16,
                "img_paths": f"square {index}"}  # fmt: skip
        return image, pose.landmarks_to_heatmaps(torch.from_numpy(place), 16), info


@pytest.fixture
def annotations(tiny_annotations):
    return Annotations(tiny_annotations.paths * 2, np.concatenate([tiny_annotations.landmarks] * 2))


def train(train_data, valid_data, run, config=CONFIG):
    model = config.build_model()
    return model, fit(model, train_data, valid_data, config, run)


def losses(history):
    return [row["train_loss"] for row in history]


def test_wrappers_of_a_data_set_train_and_validate_like_it(annotations, tmp_path):
    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    halves = [Subset(data, range(4)), Subset(data, range(4, 8))]
    wrapped = {"subset": Subset(data, range(8)), "concat": ConcatDataset(halves), "own": Wrapper(data)}
    _, expected = train(data, valid, tmp_path / "plain")
    for name, other in wrapped.items():
        _, history = train(other, Wrapper(valid) if name == "own" else Subset(valid, range(8)), tmp_path / name)
        for key in ("train_loss", "train_pck@0.2", "valid_loss", "valid_auc", "valid_error_px"):
            assert [row[key] for row in history] == [row[key] for row in expected], (name, key)


def test_a_subclass_that_changes_a_sample_is_what_is_learned_from(annotations, tmp_path):
    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    changed = Negative(annotations, True, 64)
    _, plain = train(data, valid, tmp_path / "plain")
    _, negative = train(changed, valid, tmp_path / "negative")
    assert losses(plain)[0] != losses(negative)[0]
    _, validated = train(data, Negative(annotations, False, 64), tmp_path / "validated")
    assert losses(validated) == losses(plain)
    assert validated[0]["valid_loss"] != plain[0]["valid_loss"]


def test_samples_of_a_foreign_data_set_train_and_validate(tmp_path):
    model, history = train(Foreign(), Foreign(), tmp_path / "run")
    assert losses(history)[1] < losses(history)[0]
    landmarks, _ = predict_dataset(model, Foreign())
    assert landmarks.shape == (8, 20, 2)
    assert evaluate(model, Foreign()).counts.tolist() == [8] * 20
    with pytest.raises(
        ValueError, match=r"heatmaps \(20, 16, 16\), both float32, got .*\(3, 128, 128\).*\(5, 16, 16\)"
    ):
        train(Foreign(128, 5), Foreign(), tmp_path / "none")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("wrap", [lambda data: data, Wrapper, lambda data: ConcatDataset([Subset(data, range(8))])])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_augmentation_changes_with_the_epoch_through_any_wrapper(annotations, wrap, workers):
    data = Generic(annotations, True, 64)
    loader = Loader(wrap(data), 8, num_workers=workers, persistent_workers=workers > 0)
    seen = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        ((images, _, _),) = loader
        seen.append(images)
        data.set_epoch(epoch)
        assert torch.equal(images, torch.stack([data[index][0] for index in range(8)]))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    data.set_epoch(0)
    first = data[0][0]
    loader.set_epoch(5)
    next(iter(loader))
    assert torch.equal(data[0][0], first)  # outside of the loader nothing has changed


def test_checks_look_into_wrappers(annotations, tmp_path):
    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    with pytest.raises(ValueError, match="without augmentation"):
        train(data, Subset(data, [0, 1]), tmp_path / "run")
    with pytest.raises(ValueError, match=r"config\.build_dataset"):
        train(ConcatDataset([Generic(annotations, True, 128)]), valid, tmp_path / "run")
    reversed_names = pose.Skeleton(pose.KINECT20.names[::-1], limbs=())
    other = Annotations(annotations.paths, annotations.landmarks, skeleton=reversed_names)
    with pytest.raises(ValueError, match="the model has the joints hip_center"):
        train(Subset(Generic(other, True, 64), [0, 1]), valid, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_on_a_subset_resumes_only_with_the_same_one(annotations, tmp_path):
    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    train(Subset(data, [0, 1, 2, 3]), valid, tmp_path / "run")
    model = CONFIG.build_model()
    assert len(fit(model, Subset(data, [0, 1, 2, 3]), valid, CONFIG, tmp_path / "run", resume=True)) == 2
    with pytest.raises(ValueError, match="data was"):
        fit(model, Subset(data, [0, 1, 2, 4]), valid, CONFIG, tmp_path / "run", resume=True)


def test_a_run_does_not_continue_with_other_samples_however_deep(annotations, tmp_path):
    def nested(rows):
        return Subset(Subset(CONFIG.build_dataset(annotations, True), rows), [0, 1])

    valid = CONFIG.build_dataset(annotations, False)
    train(nested([0, 1, 2]), valid, tmp_path / "run")
    for other in (nested([2, 3, 4]), Subset(Generic(annotations, True, 64, seed=5), [0, 1])):
        with pytest.raises(ValueError, match="data was"):
            fit(CONFIG.build_model(), other, valid, CONFIG, tmp_path / "run", resume=True)


def test_what_is_no_set_of_samples_is_refused_before_a_folder_is_claimed(annotations, tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter([])

    class Bare(Foreign):
        def __getitem__(self, index):
            image, heatmaps, info = super().__getitem__(index)
            return image, heatmaps, {"pts": info["pts"]}

    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    skipping = Generic(annotations, True, 64, on_bad_image="skip")
    config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=2, bf16=False, on_bad_image="skip")
    for train_data, settings, message in (
        (Subset(data, []), CONFIG, "a data set is empty"),
        (Stream(), CONFIG, "use a Dataset with indices"),
        (Bare(), CONFIG, "lacks center, scale, rot, tpts, img_paths"),
        (Subset(skipping, [0, 1]), config, "outside a wrapper such as Subset"),
    ):
        with pytest.raises(ValueError, match=message):
            train(train_data, valid, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_a_refused_training_changes_no_model(annotations, tmp_path):
    annotations.landmarks[:, 3] = np.nan
    data, valid = CONFIG.build_dataset(annotations, True), CONFIG.build_dataset(annotations, False)
    model, _ = train(data, valid, tmp_path / "run")
    assert not model.trained_joints[3]
    with pytest.raises(FileExistsError):
        fit(model, data, valid, CONFIG, tmp_path / "run")
    assert not model.trained_joints[3]
    assert np.isnan(predict_dataset(model, valid)[0][:, 3]).all()


def test_a_joint_that_a_subset_never_shows_is_not_predicted(annotations, tmp_path):
    annotations.landmarks[:4, 3] = np.nan
    valid = CONFIG.build_dataset(annotations, False)
    model, _ = train(Subset(CONFIG.build_dataset(annotations, True), range(4)), valid, tmp_path / "run")
    landmarks, confidence = predict_dataset(model, valid)
    assert np.isnan(landmarks[:, 3]).all()
    assert not confidence[:, 3].any()
    assert np.isfinite(np.delete(landmarks, 3, axis=1)).all()
