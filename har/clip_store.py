"""`ClipStore`: a clips file while people mark clips. Every change reads the file first, so several may do so."""

import csv
from collections import defaultdict
from pathlib import Path, PurePosixPath

from pose.clips import COLUMNS, ClipError, parse_clips
from pose.people import person_number
from pose.runtime.errors import DataError
from pose.runtime.files import open_text, write_csv
from pose.runtime.findings import raise_errors


class ClipStore:
    """The clips of a clips file, which need not exist yet.

    clips_csv: path of the file; further columns stay in it.
    names: names of the images that clips may consist of, in the order of the joints file.
    recordings: {title: names of its images}: those of one folder and, where images show several people, one of these.
    Raises ClipError with all faults of the file.
    """

    def __init__(self, clips_csv, names):
        self.clips_csv, self._names = Path(clips_csv), list(names)
        self.recordings = defaultdict(list)
        for name in self._names:
            self.recordings[recording_title(name)].append(name)
        self._past, self._future = [], []
        self.read()

    def read(self):
        """All clips of the file: a list of {column: text}, in file order. Raises ClipError with all faults."""
        if not self.clips_csv.exists():
            return []
        _, findings = parse_clips(self.clips_csv, [self._names])
        raise_errors([one for one in findings if one.kind != "no-clip"], ClipError)
        with open_text(self.clips_csv, "clips file", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True, restval=""))
        return [{column: text.strip() for column, text in row.items() if column} for row in rows]

    def clips(self, recording):
        """The clips of a recording by their first frame: a list of {clip, subject, action, first, last}.

        first, last: indices of frames of the recording, inclusive.
        """
        frame_of = {name: frame for frame, name in enumerate(self.recordings[recording])}
        clips = [
            {column: row[column] for column in ("clip", "subject", "action")}
            | {"first": frame_of[row["first_image"]], "last": frame_of[row["last_image"]]}
            for row in self.read()
            if row["first_image"] in frame_of
        ]
        return sorted(clips, key=lambda clip: clip["first"])

    def add(self, recording, subject, action, first, last):
        """Adds a clip of frames first … last of a recording to the file.

        Raises DataError if a name is empty, the clip has fewer than two frames, or it shares some with another.
        """
        if not (subject.strip() and action.strip()):
            raise DataError("a clip needs a subject, the person's name or number, and an action")
        if last <= first:
            raise DataError("a clip needs two frames or more, the last after the first: mark them again")
        images = self.recordings[recording]
        name = self._new_name(recording, subject.strip())
        row = dict(zip(COLUMNS, (name, subject.strip(), action.strip(), images[first], images[last]), strict=True))
        self._do(added=[row])

    def remove(self, clip):
        """Removes the clip of this name from the file."""
        self._do(removed=[row for row in self.read() if row["clip"] == clip])

    def relabel(self, clip, action):
        """Gives the clip of this name another action."""
        old = [row for row in self.read() if row["clip"] == clip]
        self._do(added=[row | {"action": action} for row in old], removed=old)

    def undo(self):
        """Takes the last change back; False if there is none."""
        return self._take_back(self._past, self._future)

    def redo(self):
        """Makes the change again that was taken back last; False if there is none."""
        return self._take_back(self._future, self._past)

    def _take_back(self, source, target):
        if not source:
            return False
        added, removed = source[-1]
        self._write(removed, added)
        target.append((removed, added))
        source.pop()
        return True

    def _do(self, added=(), removed=()):
        self._write(added, removed)
        self._past.append((added, removed))
        self._future.clear()

    def _write(self, added, removed):
        """Writes the file anew, without some rows and with others, each in the place of the one it replaces."""
        rows = self.read()
        new = {row["clip"]: row for row in added}
        gone = {row["clip"] for row in removed}
        for row in added:
            self._check_free(row, [other for other in rows if other["clip"] not in gone])
        rows = [new.pop(row["clip"], row) for row in rows if row["clip"] not in gone or row["clip"] in new]
        rows += new.values()
        if not rows:
            return self.clips_csv.unlink(missing_ok=True)
        columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)], "")
        write_csv(self.clips_csv, [columns | row for row in rows])

    def _check_free(self, clip, others):
        """Raises DataError if the row of a clip shares frames with one of the others."""
        images = self.recordings[recording_title(clip["first_image"])]
        first, last = (images.index(clip[column]) for column in ("first_image", "last_image"))
        for other in others:
            if other["first_image"] in images:
                begin, end = (images.index(other[column]) for column in ("first_image", "last_image"))
                if first <= end and begin <= last:
                    raise DataError(
                        f"frames {max(first, begin) + 1} to {min(last, end) + 1} belong to {other['clip']!r} already: "
                        "mark others, or delete that clip"
                    )

    def _new_name(self, recording, subject):
        taken = {row["clip"] for row in self.read()}
        stem = subject if recording.split()[0] == "." else recording
        return next(name for number in range(1, len(taken) + 2) if (name := f"{stem}_{number}") not in taken)


def recording_title(name):
    """The folder of an image, and which person if it is not the first."""
    folder, number = str(PurePosixPath(name).parent), person_number(name)
    return folder if number == 1 else f"{folder} person {number}"
