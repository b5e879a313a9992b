"""`extract_frames`: the frames of films as images to be labelled."""

import csv
import warnings
from pathlib import Path

import cv2
import numpy as np
from sklearn.cluster import KMeans

from pose.films import timed_frames
from pose.images import ImageError, read_image
from pose.runtime.errors import DataError, ExistsError
from pose.runtime.files import write_atomically, write_csv

FILM_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
SMALL = 16  # px, side of the thumbnails that are compared
SAME = 4.0  # grey levels between the thumbnails of a frame and of the JPEG file that was made of it
QUALITY = 95  # of JPEG


def extract_frames(films, image_dir, count=60):
    """Writes frames of films as images `image_dir/FILM/frame_000012.jpg`, FILM being the film's name without suffix.

    films: the path of a film, of a folder of films, or a list of paths.
    count: how many frames of each film, one from each group of similar ones (k-means); None for every frame, which is
        what clips need.
    Images that are there already are left as they are. The file times.csv in each folder has the columns
    `image,frame,time`: frames count from 0, times are in seconds. A film that breaks off yields what could be read,
    with a warning.
    Returns the images' paths, in order. Raises MissingError and ImageError as `read_frames` does, DataError for a
    folder without films and for two films of the same name, ExistsError where the folder has images of another film.
    """
    if count is not None and (not isinstance(count, int) or count < 1):
        raise DataError(f"count is a whole number of frames, or None for all of them, not {count!r:.60}")
    films = _list_films(films)
    if len({film.stem for film in films}) < len(films):
        raise DataError("two films have the same name, so their frames would mix; rename one of them")
    return [path for film in films for path in _extract(film, Path(image_dir) / film.stem, count)]


def _list_films(films):
    if not isinstance(films, (str, Path)):
        return [Path(film) for film in films]
    if not Path(films).is_dir():
        return [Path(films)]
    found = sorted(path for path in Path(films).iterdir() if path.suffix.lower() in FILM_SUFFIXES)
    if not found:
        raise DataError(f"{films}: contains no film; the suffixes looked for are {', '.join(sorted(FILM_SUFFIXES))}")
    return found


def _extract(film, folder, count):
    """Writes the frames of one film; returns their paths."""
    chosen = None if count is None else set(typical_rows(_thumbnails(film), count))
    times, paths = _read_times(folder / "times.csv"), []
    for number, (seconds, frame) in enumerate(_as_far_as_possible(film)):
        if chosen is None or number in chosen:
            paths.append(folder / f"frame_{number:06d}.jpg")
            times[paths[-1].name] = (number, f"{seconds:.4f}")
            _write(paths[-1], frame, film)
    lines = [{"image": name, "frame": times[name][0], "time": times[name][1]} for name in sorted(times)]
    write_csv(folder / "times.csv", lines)
    return paths


def _read_times(path):
    """{image: (frame, time)} of a file from an earlier call, as text; empty if there is none."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {line["image"]: (line["frame"], line["time"]) for line in csv.DictReader(file)}


def _as_far_as_possible(film):
    """The timed frames of a film; a warning instead of an error where it breaks off after some."""
    begun = False
    try:
        for frame in timed_frames(film):
            yield frame
            begun = True
    except ImageError as error:
        if not begun:
            raise
        warnings.warn(str(error), stacklevel=2)


def _thumbnails(film):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the frames are read again
        return np.stack([_thumbnail(frame) for _, frame in _as_far_as_possible(film)])


def _thumbnail(frame):
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def typical_rows(features, count):
    """One row of features (N, F) for each of `count` groups of similar rows (k-means), as an ascending list."""
    count = min(count, len(np.unique(features, axis=0)))
    groups = KMeans(count, n_init=1, random_state=0).fit(features)
    return np.unique(groups.transform(features).argmin(axis=0)).tolist()


def _write(path, frame, film):
    """Writes a frame, unless it is there. Raises ExistsError if something else is there."""
    if path.exists():
        if np.abs(_thumbnail(read_image(path)) - _thumbnail(frame)).mean() > SAME:
            raise ExistsError(f"{path}: is not from {film}; choose another image_dir, or rename the film")
        return
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    write_atomically(path, encoded.tobytes())
