"""What the labellers answer to the browser, without one."""

import base64
import json
import sys

import cv2
import numpy as np
import pytest

import har
import pose
from pose.labels.browser import part_of_picture, picture
from pose.runtime.errors import PackageError


@pytest.fixture
def labeller(tiny_annotations, tmp_path):
    pytest.importorskip("anywidget", reason="needs the package anywidget")
    return pose.Labeller(tmp_path / "joints.txt", tmp_path / "images")


def test_without_anywidget_the_message_says_what_to_install(tiny_annotations, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(PackageError, match="pip install anywidget"):
        pose.Labeller(tmp_path / "joints.txt", tmp_path / "images")
    with pytest.raises(PackageError, match="pip install anywidget"):
        har.ClipLabeller(tmp_path / "clips.csv", tmp_path / "images")


def test_what_the_browser_gets_is_json_and_what_it_changes_is_saved(labeller, tmp_path):
    answer = labeller._answer("start", {"count": 0})
    assert answer["keys"] == ["0.png", "1.png", "2.png", "3.png"]
    assert answer["states"] == "dddd"
    asked = {"key": "1.png", "count": 4}
    base = json.loads(json.dumps(labeller._answer("labels", asked), allow_nan=False))["labels"]
    changed = json.loads(json.dumps(base))
    changed["landmarks"][0], changed["status"][0] = None, "hidden"
    saved = labeller._answer("save", {**asked, "labels": changed, "base": base})
    assert saved == {"aside": None, "states": "dddd"}
    assert (tmp_path / "joints.status.csv").read_text().splitlines()[1:] == ["1.png,hip_center,hidden,"]
    added = labeller._answer("add person", asked)
    assert added == {"added": "1.png#2", "keys": ["0.png", "1.png", "1.png#2", "2.png", "3.png"], "states": "ddtdd"}
    assert labeller._answer("previous", {"key": "1.png#2"}) == {"labels": None}


def test_an_error_is_an_answer(labeller, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(labeller.widget, "send", sent.append)
    (tmp_path / "images" / "0.png").write_bytes(b"no image")
    message = {"ask": "picture", "id": "a 1", "key": "0.png", "part": None, "width": 9, "height": 9}
    labeller.widget._handle_custom_msg(message, [])
    assert sent[0]["id"] == "a 1"
    assert "is not an image that can be read" in sent[0]["error"]


def test_no_picture_is_in_the_saved_notebook(labeller):
    assert set(labeller.widget.get_state()) >= {"_esm", "_css"}
    labeller._answer("picture", {"key": "0.png", "part": None, "width": 90, "height": 90})
    assert "/9j/" not in json.dumps(labeller.widget.get_state())


def test_a_picture_is_as_large_as_it_is_shown(write_image):
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200, 200:300, 0] = 255
    path = write_image("large.png", image)
    whole, part = picture(path, 100, 100), part_of_picture(path, 200, 100, 300, 200, 500, 500)
    assert (whole["width"], whole["height"]) == (400, 300)
    assert decode(whole).shape == (75, 100, 3)
    assert decode(part).shape == (100, 100, 3)  # never larger than it is
    assert decode(part)[50, 50].tolist() == pytest.approx([255, 0, 0], abs=4)


def decode(answer):
    encoded = np.frombuffer(base64.b64decode(answer["data"]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
