"""`SlidingWindow`: the batch model's result while frames arrive; videos; cached landmarks."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from har import ActivityHead, HourglassLSTM, SlidingWindow, load_model, predict_annotations, save_model
from har import prediction as cached
from pose import ImageError, Predictor, StackedHourglass, hg1, read_frames
from pose import save_model as save_pose

ACTIONS = ["sit", "stand", "wave"]


@pytest.fixture
def head(tmp_path):
    """A recogniser read from its file."""
    torch.manual_seed(0)
    save_model(tmp_path / "head.safetensors", ActivityHead(3, hidden=8, frames=6, actions=ACTIONS, window=5))
    return load_model(tmp_path / "head.safetensors")


def landmarks(frames=12):
    return np.random.default_rng(0).uniform(0, 200, (frames, 20, 2))


def batch_answer(head, window):
    with torch.inference_mode():
        logits = head(torch.from_numpy(window).float()[None], torch.tensor([len(window)]))
    return logits.softmax(dim=1)[0].numpy()


def test_each_result_is_that_of_the_batch_model_on_the_same_window(head):
    stream = SlidingWindow(head)
    sequence = landmarks()
    sequence[3, 4] = np.nan
    for end, moment in enumerate(stream.run(sequence), start=1):
        expected = batch_answer(head, sequence[max(0, end - 5) : end])
        np.testing.assert_allclose(moment.probabilities, expected, atol=1e-6)
        assert moment.action == ACTIONS[expected.argmax()]
        assert moment.probability == pytest.approx(expected.max(), abs=1e-6)
        np.testing.assert_array_equal(moment.landmarks, sequence[end - 1])
    assert end == 12
    assert stream.rate > 1


def test_another_stream_starts_from_scratch(head):
    stream = SlidingWindow(head, window=8)
    first = [moment.probability for moment in stream.run(landmarks())]
    assert [moment.probability for moment in stream.run(landmarks())] == first


def test_a_source_may_reuse_its_array(head):
    sequence, one = landmarks().astype(np.float32), np.empty((20, 2), np.float32)

    def source():
        for frame in sequence:
            one[:] = frame
            yield one

    reused = list(SlidingWindow(head).run(source()))
    for moment, expected in zip(reused, SlidingWindow(head).run(sequence), strict=True):
        np.testing.assert_array_equal(moment.probabilities, expected.probabilities)
        np.testing.assert_array_equal(moment.landmarks, expected.landmarks)


def test_a_model_must_know_its_actions():
    with pytest.raises(ValueError, match="the model's actions are unknown"):
        SlidingWindow(ActivityHead(3), window=4)


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(write_image):
    for number in (8, 9, 10, 11):
        path = write_image(f"folder/f{number}.png", np.full((40, 40, 3), number, np.uint8))
    torch.manual_seed(0)
    found = predict_annotations(Predictor(hg1(channels=16), inp_res=64), Path(path).parent)
    assert [Path(p).name for p in found.paths] == ["f8.png", "f9.png", "f10.png", "f11.png"]


def test_the_window_must_be_known():
    model = ActivityHead(3)
    model.actions = ACTIONS
    with pytest.raises(ValueError, match="pass window="):
        SlidingWindow(model)
    assert SlidingWindow(model, window=7).window == 7


def test_frames_need_a_pose_model(head):
    with pytest.raises(ValueError, match="frames need a pose model"):
        next(SlidingWindow(head).run([np.zeros((64, 64, 3), np.uint8)]))


def frames(count=7):
    return list(np.random.default_rng(1).integers(0, 256, (count, 72, 96, 3), dtype=np.uint8))


def test_frames_go_through_the_pose_model(head, tmp_path):
    torch.manual_seed(0)
    save_pose(tmp_path / "pose.safetensors", hg1(channels=16))
    predictor = Predictor(tmp_path / "pose.safetensors", inp_res=64, batch_size=1)
    places = np.stack([prediction.landmarks for prediction in predictor.predict(frames())])
    moments = list(SlidingWindow(head, pose=predictor).run(frames()))
    for end, moment in enumerate(moments, start=1):
        np.testing.assert_allclose(moment.landmarks, places[end - 1], atol=1e-3)
        np.testing.assert_allclose(moment.probabilities, batch_answer(head, places[max(0, end - 5) : end]), atol=1e-4)
    by_path = SlidingWindow(tmp_path / "head.safetensors", pose=tmp_path / "pose.safetensors")
    assert by_path.push_frame(frames()[0]).action in ACTIONS


def test_an_end_to_end_model_brings_its_own_pose_model(head, tmp_path):
    model = HourglassLSTM(StackedHourglass(1, channels=16, inp_res=64), head)
    model.window = 4
    save_model(tmp_path / "whole.safetensors", model)
    stream = SlidingWindow(tmp_path / "whole.safetensors")
    assert (stream.pose.inp_res, stream.window) == (64, 4)
    assert len(list(stream.run(frames(3)))) == 3


def test_an_endless_camera_is_read_one_frame_at_a_time(head):
    torch.manual_seed(0)
    stream = SlidingWindow(head, pose=Predictor(hg1(channels=16), inp_res=64))
    camera = (frame for frame in itertools.cycle(frames(2)))
    assert len(list(itertools.islice(stream.run(camera), 5))) == 5


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "film ü.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 72))
    for grey in (20, 120, 220):
        writer.write(np.full((72, 96, 3), (grey, 0, 0), np.uint8))  # blue
    writer.release()
    return path


def test_a_video_gives_its_frames_in_rgb(video, head):
    read = list(read_frames(video))
    assert [frame.shape for frame in read] == [(72, 96, 3)] * 3
    assert abs(read[1][30, 40].astype(int) - [0, 0, 120]).max() < 8
    stream = SlidingWindow(head, pose=Predictor(hg1(channels=16), inp_res=64))
    assert len(list(stream.run(str(video)))) == 3


def test_real_videos_are_read(pose_data):
    films = sorted((pose_data / "video").glob("*.*"))
    films = [film for film in films if film.suffix in (".avi", ".mp4")]
    assert len(films) >= 2
    for film in films:
        assert sum(frame.ndim == 3 for frame in read_frames(film)) > 20


def test_a_folder_of_images_is_a_stream(head, write_image):
    for number in (9, 10):
        path = write_image(f"folder/f{number}.png", np.full((40, 40, 3), 20 * number, np.uint8))
    assert [frame[0, 0, 0] for frame in read_frames(Path(path).parent)] == [180, 200]
    torch.manual_seed(0)
    stream = SlidingWindow(head, pose=hg1(channels=16))
    assert len(list(stream.run(str(Path(path).parent)))) == 2
    assert len(list(stream.run([path]))) == 1


def test_a_truncated_video_is_named(video, monkeypatch):
    class Damaged:
        """Claims to have nine frames, and gives three."""

        def __init__(self, path):
            self.frames = iter(frames(3))

        def read(self):
            frame = next(self.frames, None)
            return frame is not None, frame

        def get(self, what):
            return 9.0 if what == cv2.CAP_PROP_FRAME_COUNT else 0.0

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Damaged)
    with pytest.raises(ImageError, match="ends after 3 of 9 frames"):
        list(read_frames(video))
    with pytest.raises(ValueError, match="index is 0 or more, not -1"):
        next(read_frames(-1))


def test_landmarks_of_another_skeleton_do_not_stay_in_the_window(head):
    stream = SlidingWindow(head)
    stream.push_landmarks(landmarks()[0])
    with pytest.raises(ValueError, match=r"expected landmarks \(20, 2\), got \(19, 2\)"):
        stream.push_landmarks(landmarks()[0][:19])
    assert stream.push_landmarks(landmarks()[1]).action in ACTIONS


def test_what_is_no_video_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such video"):
        next(read_frames(tmp_path / "none.avi"))
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(ImageError, match=r"text\.avi: gives no frame"):
        next(read_frames(tmp_path / "text.avi"))


def test_predicted_landmarks_are_cached_by_weights_and_images(tiny_annotations, tmp_path, monkeypatch):
    torch.manual_seed(0)
    predictor = Predictor(hg1(channels=16), inp_res=64, batch_size=1)
    calls = []
    predict = cached._predict
    monkeypatch.setattr(cached, "_predict", lambda *args: calls.append(1) or predict(*args))
    paths, folder = tiny_annotations.paths, tmp_path / "cache"
    first = predict_annotations(predictor, paths, folder)
    assert first.landmarks.shape == (4, 20, 2)
    np.testing.assert_allclose(first.landmarks[2], predictor.predict(paths[2])[0].landmarks, atol=1e-3)
    np.testing.assert_array_equal(predict_annotations(predictor, paths, folder).landmarks, first.landmarks)
    assert len(calls) == 1
    predictor.model.conv1.weight.data[0, 0, 0, 0] += 1  # other weights
    predict_annotations(predictor, paths, folder)
    assert len(calls) == 2
    with open(paths[0], "ab") as file:  # another image
        file.write(b"\0")
    predict_annotations(predictor, paths, folder)
    predict_annotations(predictor, paths[::-1], folder)  # another order
    assert len(calls) == 4
    predict_annotations(predictor, tmp_path / "images", folder)  # a folder is its images sorted by name
    assert len(calls) == 4
    for file in folder.glob("*"):
        file.write_bytes(file.read_bytes()[:100])  # damaged
    np.testing.assert_array_equal(
        predict_annotations(predictor, paths, folder).landmarks, predict_annotations(predictor, paths, folder).landmarks
    )
    assert len(calls) == 5
    predictor.flip_test = True
    predict_annotations(predictor, paths, folder)
    predictor.model.sigma = 2.0
    predict_annotations(predictor, paths, folder)
    assert len(calls) == 7


def test_uncertain_landmarks_are_missing(tiny_annotations):
    torch.manual_seed(0)
    predictor = Predictor(hg1(channels=16), inp_res=64, batch_size=1)
    confidence = np.stack([p.confidence for p in predictor.predict(tiny_annotations.paths)])
    least = float(np.median(confidence))
    found = predict_annotations(predictor, tiny_annotations.paths, min_confidence=least)
    np.testing.assert_array_equal(np.isnan(found.landmarks[..., 0]), confidence < least)
