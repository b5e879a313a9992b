"""The labellers in a real browser, in JupyterLab and in Notebook, with mouse and keys, as a person uses them."""

import csv
import io
import json
import os
import shutil
import time

import cv2
import numpy as np
import pytest
from notebook_browser import CHROMIUM, FLAGS, LAB, NOTEBOOK, Jupyter, run_cell
from PIL import Image

from pose import KINECT20, SAMPLE, read_annotations
from pose.clips import read_clips
from pose.labels.status import STATUSES, read_status

pytest.importorskip("anywidget", reason="needs the package anywidget")
playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
if not os.path.exists(CHROMIUM):
    pytest.skip(f"needs Chromium at {CHROMIUM}", allow_module_level=True)

PHOTOGRAPHS = [f"person_01_wave_1_00{frame}.jpg" for frame in range(5)]
TRAIN = """
parts = pose.split_dataset("five/joints.txt", "five/images", "five/split", valid_share=0.4)
config = pose.TrainConfig(inp_res=64, channels=16, epochs=1, batch_size=2, bf16=False)
data = [config.build_dataset(part, is_train=False) for part in parts[:2]]
pose.fit(config.build_model(), *data, config, "five/run")
print("trained on", len(data[0]))
"""
TRAIN_ON_CLIPS = """
import pose
annotations = pose.read_annotations("clips/joints.txt")
clips = har.read_clips("clips/clips.csv", annotations)
config = har.HarConfig(epochs=1, batch_size=3, hidden=8)
data = config.build_dataset(annotations, clips, ["walk", "wave"], is_train=True)
har.fit(config.build_head(2, annotations.skeleton), data, None, config, "clips/run")
print("trained on", len(data))
"""
SHOTS = os.environ.get("LABELLER_SHOTS")  # a folder for pictures of what the tests see


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    server = Jupyter(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.stop()


@pytest.fixture
def open_notebook(jupyter, browser):
    """A function that writes and opens labels.ipynb with these cells; returns the page. All tests use one kernel."""
    pages = []

    def opened(*cells, kind=LAB):
        jupyter.write_notebook("labels.ipynb", *cells)
        pages.append(browser.new_page(viewport={"width": 1200, "height": 1000}))
        jupyter.open(pages[-1], "labels.ipynb", kind)
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


class Screen:
    """The labeller that is the `index`-th of a page, as a person sees it."""

    def __init__(self, page, index=0):
        self.page, self.root = page, page.locator(".pose-labeller").nth(index)
        self.canvas = self.root.locator(".body > .stage canvas, .player > .stage canvas")

    def wait(self, key):
        """Waits until the picture is shown."""
        self.root.locator(f'canvas[aria-label*="{key}"]').wait_for(timeout=120_000)
        self.page.wait_for_timeout(150)  # until the canvas has the picture's shape

    def place(self, landmark, size):
        """Where an image's point is on the screen while all of the image is shown."""
        box = self.canvas.bounding_box()
        scale = min(box["width"] / size[0], box["height"] / size[1])
        left = box["x"] + (box["width"] - scale * size[0]) / 2
        top = box["y"] + (box["height"] - scale * size[1]) / 2
        x, y = left + scale * (landmark[0] + 0.5), top + scale * (landmark[1] + 0.5)
        return x + round(box["x"]) - box["x"], y + round(box["y"]) - box["y"]  # a canvas begins at a whole pixel

    def click(self, landmark, size):
        self.page.mouse.click(*self.place(landmark, size))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def until(self, text, where=".note"):
        self.root.locator(where, has_text=text).wait_for(timeout=60_000)

    def shot(self, name):
        if SHOTS:
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=f"{SHOTS}/{name}.png")


def until(condition):
    """Waits until the condition holds, at most 10 s."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def labels(folder):
    """{image: landmarks}, and the statuses other than confirmed, {(image, joint): status}, of the folder's files."""
    if not (folder / "joints.txt").exists():
        return {}, {}
    found = read_annotations(folder / "joints.txt")
    codes, _ = read_status(folder / "joints.txt", found.paths, KINECT20)
    marked = {(found.paths[i], KINECT20.names[k]): STATUSES[codes[i, k]] for i, k in np.argwhere(codes)}
    return dict(zip(found.paths, found.landmarks, strict=True)), marked


def test_five_photographs_are_labelled_though_the_kernel_is_killed(jupyter, open_notebook):
    folder = jupyter.folder / "five"
    (folder / "images").mkdir(parents=True)
    for name in PHOTOGRAPHS:
        shutil.copy(SAMPLE / "images" / name, folder / "images")
    sample = read_annotations(SAMPLE / "joints.txt", SAMPLE / "images")
    truth = {name: sample.landmarks[sample.paths.index(str(SAMPLE / "images" / name))] for name in PHOTOGRAPHS}
    size = cv2.imread(str(folder / "images" / PHOTOGRAPHS[0])).shape[1::-1]
    page = open_notebook('import pose\npose.Labeller("five/joints.txt", "five/images")', TRAIN)
    run_cell(page)
    screen = Screen(page)

    screen.wait(PHOTOGRAPHS[0])
    for place in truth[PHOTOGRAPHS[0]]:
        screen.click(place, size)
    screen.until("All joints are placed")
    screen.shot("placed")
    screen.press("Enter")

    screen.wait(PHOTOGRAPHS[1])  # with keys: a hidden joint, a guessed one, letters that would cut and add cells
    screen.press("h", "x", "z", "b", "b", "n", "n")
    for place in truth[PHOTOGRAPHS[1]][1:]:
        screen.click(place, size)
    screen.press("g", "Enter")

    screen.wait(PHOTOGRAPHS[2])  # the pose of the image before it, one joint dragged, undone, and dragged again
    screen.press("c")
    screen.until("Copied")
    hand, wanted = KINECT20.index("left_hand"), np.array((40.0, 30.0))
    for keys in (["z"], []):
        page.mouse.move(*screen.place(truth[PHOTOGRAPHS[1]][hand], size))
        page.mouse.down()
        page.mouse.move(*screen.place(wanted, size), steps=4)
        screen.shot("lens")
        page.mouse.up()
        screen.press(*keys)
    screen.press("ArrowRight", "Shift+ArrowUp", "Enter")

    screen.wait(PHOTOGRAPHS[3])
    until(lambda: len(labels(folder)[0]) == 3)
    screen.click(truth[PHOTOGRAPHS[3]][0], size)
    jupyter.kill_kernels()
    page.locator("dialog button").first.click(timeout=60_000)
    run_cell(page)

    screen = Screen(page)
    screen.wait(PHOTOGRAPHS[3])
    screen.root.click(position={"x": 5, "y": 5})
    screen.press("ArrowRight", "Enter", "Enter")  # one joint by the keys alone, the others are not visible
    screen.wait(PHOTOGRAPHS[4])
    for place in truth[PHOTOGRAPHS[4]]:
        screen.click(place, size)
    screen.press("Enter")
    screen.until("Everything is done")

    found, marked = labels(folder)
    assert list(found) == PHOTOGRAPHS
    for name in (PHOTOGRAPHS[0], PHOTOGRAPHS[4]):
        assert np.abs(found[name] - truth[name]).max() < 0.1
    assert marked.pop((PHOTOGRAPHS[1], "hip_center")) == "hidden"
    assert marked.pop((PHOTOGRAPHS[1], "right_foot")) == "guessed"
    assert np.abs(found[PHOTOGRAPHS[2]][hand] - wanted - (0.1, -1)).max() < 0.1
    assert np.abs(found[PHOTOGRAPHS[2]][19] - found[PHOTOGRAPHS[1]][19]).max() < 1e-3
    assert np.isfinite(found[PHOTOGRAPHS[3]]).all(axis=1).tolist() == [True] + 19 * [False]
    assert page.locator(".jp-Notebook .jp-Cell").count() == 2

    screen.press("Control+s")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Control+s")
    until(lambda: '"output_type"' in (jupyter.folder / "labels.ipynb").read_text())
    assert "/9j/" not in (jupyter.folder / "labels.ipynb").read_text()  # how a JPEG begins in base64
    run_cell(page, 1)
    page.locator(".jp-OutputArea-output", has_text="trained on 3").wait_for(timeout=120_000)


def blob_on_screen(screen):
    """The middle of the only bright thing in the picture, page px, found in a picture of the screen."""
    screen.page.mouse.move(5, 5)
    screen.page.wait_for_timeout(300)
    box = screen.canvas.bounding_box()
    shot = np.array(Image.open(io.BytesIO(screen.page.screenshot())).convert("L"), float)
    y, x = np.indices(shot.shape) + 0.5  # of the middle of each pixel
    right, bottom = box["x"] + box["width"], box["y"] + box["height"]
    inside = (x > box["x"] + 2) & (x < right - 2) & (y > box["y"] + 2) & (y < bottom - 2)
    weight = np.maximum(shot - 60, 0) * inside
    return (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()


def test_clicks_are_exact_at_every_zoom_and_two_who_label_at_once_lose_nothing(jupyter, open_notebook):
    folder = jupyter.folder / "exact"
    (folder / "images").mkdir(parents=True)
    for name, (x, y) in (("a.png", (430, 250)), ("b.png", (503, 301))):  # larger than they are shown
        rows, columns = np.indices((600, 1000))
        blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 12**2))
        cv2.imwrite(str(folder / "images" / name), blob.round().astype(np.uint8))
    cell = 'pose.Labeller("exact/joints.txt", "exact/images")'
    page = open_notebook(f"import pose\n{cell}", cell)
    run_cell(page, 0)
    screen = Screen(page)
    screen.wait("a.png")
    page.mouse.click(*blob_on_screen(screen))
    screen.press("PageDown")
    screen.wait("b.png")
    screen.press("+", "+", "+", "+")
    page.wait_for_timeout(500)  # the part of the picture arrives
    page.mouse.click(*blob_on_screen(screen))
    screen.shot("zoomed")
    screen.press("Control+s")
    screen.until("saved", ".saved")
    status = (folder / "joints.status.csv").read_text()
    assert "a.png,spine,predicted" in status  # not trained on before it is confirmed
    table = np.loadtxt(folder / "joints.txt", usecols=(1, 2))
    assert np.abs(table - [(430, 250), (503, 301)]).max() < 0.1

    run_cell(page, 1)  # another labeller of the same files
    other = Screen(page, 1)
    other.wait("a.png")
    other.root.scroll_into_view_if_needed()
    other.root.click(position={"x": 5, "y": 5})
    other.press("PageDown")
    other.wait("b.png")
    other.press("b", "Shift+ArrowRight", "Control+s")
    other.until("saved", ".saved")
    screen.root.click(position={"x": 5, "y": 5})
    screen.press("b", "Shift+ArrowLeft", "Control+s")
    screen.until("was changed elsewhere, too")
    screen.shot("conflict")
    found = np.loadtxt(folder / "joints.txt", usecols=(1, 2))
    theirs = np.loadtxt(folder / "joints.theirs-1.txt", usecols=(1, 2))
    assert found[1] - table[1] == pytest.approx((-1, 0), abs=2e-3)
    assert theirs - table[1] == pytest.approx((1, 0), abs=2e-3)


def test_three_clips_are_marked_in_notebook(jupyter, open_notebook):
    folder = jupyter.folder / "clips"
    lines = [line for line in (SAMPLE / "joints.txt").read_text().splitlines() if line.startswith("person_01_w")]
    for line in lines:
        film = "walking" if "walk" in line else "waving"
        (folder / "images" / film).mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / "images" / line.split()[0], folder / "images" / film)
    text = "\n".join(f"{'walking' if 'walk' in line else 'waving'}/{line}" for line in lines)
    (folder / "joints.txt").write_text(text)
    cell = 'har.ClipLabeller("clips/clips.csv", "clips/images", ["walk", "wave"], joints_txt="clips/joints.txt")'
    page = open_notebook(f"import har\n{cell}", TRAIN_ON_CLIPS, kind=NOTEBOOK)
    run_cell(page)
    screen = Screen(page)
    screen.until("F where an action begins")
    screen.canvas.click()
    screen.press("f", "ArrowRight", "ArrowRight", "l", "1")
    screen.until("Who is it?")
    page.keyboard.type("Ada")
    screen.press("Enter", "1")
    screen.until("Saved")
    screen.press("ArrowLeft", "f", "End", "2")
    screen.until("belong to 'walking_1' already")
    screen.shot("clips")
    screen.press("Escape", "Home", "ArrowRight", "ArrowRight", "ArrowRight", "f", " ")
    screen.until("frame 8 of 8", ".counts")  # it has been played to the end
    screen.press("2")
    screen.until("2 clips", ".counts")
    screen.press("PageDown")
    screen.until("frame 1 of 8 · speed × 1 · 0 clips", ".counts")
    screen.root.locator("input").first.fill("Bob")
    screen.press("Enter", "f", "End", "l", "2")
    screen.until("1 clip", ".counts")
    assert page.locator(".jp-Notebook .jp-Cell").count() == 2
    with (folder / "clips.csv").open(newline="") as file:
        assert [(row["clip"], row["subject"]) for row in csv.DictReader(file)] == [
            ("walking_1", "Ada"),
            ("walking_2", "Ada"),
            ("waving_1", "Bob"),
        ]
    assert len(json.loads((jupyter.folder / "labels.ipynb").read_text())["cells"]) == 2
    annotations = read_annotations(folder / "joints.txt")
    (folder / "clips.csv").write_text((folder / "clips.csv").read_text().replace(",walk,", ",wave,"))
    assert [(clip.first, clip.last) for clip in read_clips(folder / "clips.csv", annotations)] == [
        (0, 2),
        (3, 7),
        (8, 15),
    ]
    run_cell(page, 1)
    page.locator(".jp-OutputArea-output", has_text="trained on 3").wait_for(timeout=120_000)
