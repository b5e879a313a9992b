"""`ClipLabeller`: films played in a notebook's cell, and their actions marked."""

import os
from pathlib import Path

import numpy as np

from har.clip_store import ClipStore
from pose.annotations import AnnotationError, relative_name
from pose.images import list_images
from pose.joints_file import read_table
from pose.labels.browser import answering_widget, picture, skeleton_message
from pose.people import image_file
from pose.runtime.errors import DataError
from pose.runtime.findings import raise_errors
from pose.skeleton import KINECT20

SCRIPT = Path(__file__).with_name("clip_labeller.js")


class ClipLabeller:
    """A labeller of clips: the last value of a cell, it is shown below it. Its keys are explained there.

    clips_csv: the clips file, made or added to; every clip is written when it is marked.
    image_dir: the folder of the frames, one sub-folder for each recording, as `pose.extract_frames` with count=None
        makes them.
    actions: names of the actions, in the order of their keys 1, 2, 3 …; those in the file come after them.
    joints_txt: a joints file of the frames; then the skeletons are shown, and its images are the frames that there are.
    skeleton: its joints. fps: frames per second at normal speed.
    `widget` is the widget itself, to be put beside others; needs the package anywidget.
    Raises PackageError without it, ClipError and AnnotationError with all faults of the files, DataError for a folder
    without images.
    """

    def __init__(self, clips_csv, image_dir, actions=(), joints_txt=None, skeleton=KINECT20, fps=10):
        if not fps > 0:
            raise DataError(f"fps must be more than 0, not {fps!r}")
        self.image_dir, self.skeleton, self.fps = Path(image_dir), skeleton, fps
        self._landmarks = {} if joints_txt is None else _landmarks(joints_txt, skeleton)
        names = list(self._landmarks) or [relative_name(path, image_dir) for path in list_images(str(image_dir))]
        self.store = ClipStore(clips_csv, names)
        self.actions = list(dict.fromkeys([*actions, *(row["action"] for row in self.store.read())]))
        self.widget = answering_widget("ClipLabeller", SCRIPT, self._answer)

    def _repr_mimebundle_(self, **options):
        return self.widget._repr_mimebundle_(**options)

    def _answer(self, kind, message):
        """The reply to a question of the browser; see `answering_widget`."""
        if kind == "start":
            return self._start()
        if kind == "recording":
            return self._recording(message["title"])
        if kind == "pictures":
            return {"pictures": [self._picture(name, message) for name in message["names"]]}
        return self._change(kind, message)

    def _start(self):
        return {
            "skeleton": skeleton_message(self.skeleton), "fps": self.fps, "file": self.store.clips_csv.name,
            "actions": self.actions, "titles": list(self.store.recordings),
        }  # fmt: skip

    def _recording(self, title):
        names = self.store.recordings[title]
        landmarks = [self._landmarks[name] for name in names] if self._landmarks else None
        return {"names": names, "landmarks": landmarks, "clips": self.store.clips(title)}

    def _picture(self, name, message):
        return picture(image_file(os.path.join(self.image_dir, name)), message["width"], message["height"])

    def _change(self, kind, message):
        """Adds, removes or relabels a clip, or undoes that; replies with the clips of the recording."""
        changes = {
            "add": lambda: self.store.add(*(message[name] for name in ("title", "subject", "action", "first", "last"))),
            "remove": lambda: self.store.remove(message["clip"]),
            "relabel": lambda: self.store.relabel(message["clip"], message["action"]),
            "undo": self.store.undo,
            "redo": self.store.redo,
        }
        done = changes[kind]()
        return {"clips": self.store.clips(message["title"]), "done": done is not False}


def _landmarks(joints_txt, skeleton):
    """{name: landmarks as lists, to a tenth of a pixel, None for NaN} of a joints file."""
    table, findings = read_table(joints_txt, skeleton)
    raise_errors(findings, AnnotationError)
    places = np.round(table.landmarks, 1)
    known = ~np.isnan(places).any(axis=2)
    rows = zip(table.names, places.tolist(), known.tolist(), strict=True)
    return {
        name: [place if there else None for place, there in zip(row, flags, strict=True)] for name, row, flags in rows
    }
