"""`prelabel`: landmarks that a model predicts, for a person to correct."""

import os
import warnings
from pathlib import Path

import numpy as np

from pose.annotations import AnnotationError, Annotations, joints_lines, relative_name, write_annotations
from pose.images import ImageError, list_images
from pose.joints_file import read_table
from pose.labels.blazepose import ReadyMade
from pose.labels.mediapipe_files import fetch_models
from pose.labels.status import PREDICTED, read_status, write_status
from pose.people import image_file, person_key
from pose.prediction import Predictor
from pose.pretrained import pretrained
from pose.runtime.errors import DataError
from pose.runtime.files import read_bytes, write_atomically
from pose.runtime.findings import raise_errors
from pose.runtime.progress import progress_bar
from pose.skeleton import KINECT20

READY_MADE, SHIPPED = "mediapipe", "pretrained"
SOMEBODY = 0.2  # least score of a person where somebody is in the image; lower than usual, to find unusual poses
ANYBODY = 0.5  # least score where several people are looked for


def prelabel(image_dir, joints_txt, model=READY_MADE, people=1, images=None):
    """Predicts the landmarks in a folder of images and writes them to a joints file, to be confirmed by a person.

    joints_txt: is made, or added to. Images in which somebody has confirmed a joint are left alone; lines that were
        only predicted are replaced. In joints.status.csv each joint gets the status "predicted" and its confidence.
    model: "mediapipe" (its files are downloaded once; needs the package openvino), "pretrained" for the network that
        comes with this package, or a `Predictor`, an hourglass or the path of its checkpoint. All but "mediapipe" look
        where the joints file has the person already, so let "mediapipe" go first if people are small in the images.
    people: how many people in an image at most; more than one with "mediapipe" only.
    images: paths of the images to look at; by default all in the folder and its sub-folders.
    Prints how many images it predicted. Returns the predicted `Annotations`.
    Raises DataError if nobody is found in any image, AnnotationError if the joints file has faults, and whatever the
    model's files raise.
    """
    model = _model(model, people)
    skeleton = getattr(model, "skeleton", KINECT20)
    files = image_files(image_dir, images)
    labels, begun = read_labels(joints_txt, image_dir, skeleton)
    done = {image_file(path) for path in labels.select(begun)}
    todo = [file for file in files if file not in done]
    if isinstance(model, ReadyMade):
        found = _find_in(lambda file: model.predict(file)[:people], todo)
    else:
        found = predict_people(model, todo, labels)
    count = len({image_file(path) for path in found})
    print(
        f"{joints_txt}: {count} images predicted, {len(todo) - count} in which nobody was found, "
        f"{len(files) - len(todo)} left alone because somebody has labelled them"
    )
    if todo and not found:
        raise DataError(f"nobody was found in {len(todo)} images of {image_dir}; label them with pose.Labeller")
    landmarks = np.array([person.landmarks for person in found.values()]).reshape(-1, len(skeleton), 2)
    annotations = Annotations(list(found), landmarks, skeleton=skeleton)
    if found:
        add_predicted(joints_txt, image_dir, annotations, np.stack([person.confidence for person in found.values()]))
    return annotations


def image_files(image_dir, images=None):
    """The paths of images in a folder, all written alike, so that they can be compared with those of its labels."""
    images = list_images(str(image_dir)) if images is None else images
    return [os.path.join(image_dir, relative_name(file, image_dir)) for file in images]


def _model(model, people):
    """The `ReadyMade` or the `Predictor` that is meant."""
    if people < 1 or (people > 1 and model != READY_MADE):
        raise DataError(f"people is 1, or more with the model {READY_MADE!r}, not {people!r} with {model!r:.60}")
    if isinstance(model, str) and model == READY_MADE:
        return ReadyMade(fetch_models(), SOMEBODY if people == 1 else ANYBODY)
    if isinstance(model, Predictor):
        return model
    return Predictor(pretrained() if isinstance(model, str) and model == SHIPPED else model)


def _find_in(find, files):
    """{key: person} of the people found in image files; warns of files that cannot be read."""
    found, unreadable = {}, []
    with progress_bar(len(files), "prelabel", "images") as bar:
        for file in files:
            try:
                people = find(file)
            except ImageError as error:
                unreadable.append(str(error))
            else:
                found |= {person_key(file, number): person for number, person in enumerate(people, start=1)}
            bar.update()
    if unreadable:
        warnings.warn(f"{len(unreadable)} images could not be read: {'; '.join(unreadable[:5])}", stacklevel=3)
    return found


def read_labels(joints_txt, image_dir, skeleton):
    """All `Annotations` of a joints file, none without a file, and (M,) bool in which a person has labelled a joint."""
    if not Path(joints_txt).exists():
        return Annotations([], np.zeros((0, len(skeleton), 2)), skeleton=skeleton), np.zeros(0, bool)
    table, (status, _) = _read(joints_txt, skeleton)
    paths = [os.path.join(image_dir, name) for name in table.names]
    return Annotations(paths, table.landmarks, skeleton=skeleton), (status != PREDICTED).any(axis=1)


def predict_people(predictor, files, labels):
    """{file: `Prediction`}. Where the `Annotations` have the person in a file, it looks there; else at the whole image.

    Warns of files that cannot be read, and leaves them out.
    """
    low, high = (extreme(labels.landmarks, axis=1) for extreme in (np.fmin.reduce, np.fmax.reduce))
    boxes = {
        path: box for path, box in zip(labels.paths, np.hstack([low, high]), strict=True) if (box[2:] > box[:2]).all()
    }

    def find(file):
        return predictor.predict([file], [boxes[file]] if file in boxes else None)

    return _find_in(find, files)


def _read(joints_txt, skeleton):
    """The `Table` of a joints file and the (status, confidence) of its labels. Raises AnnotationError for faults."""
    table, findings = read_table(joints_txt, skeleton)
    raise_errors(findings, AnnotationError)
    return table, read_status(joints_txt, table.names, skeleton)


def add_predicted(joints_txt, image_dir, annotations, confidence):
    """Adds predicted `Annotations` with confidence (M, K) to a joints file and its status file, which need not exist.

    Lines of the same pictures are replaced; all other lines of the file, comments too, remain as they are.
    """
    skeleton = annotations.skeleton
    names = [relative_name(path, image_dir) for path in annotations.paths]
    status, pictures = np.full(confidence.shape, PREDICTED), {image_file(path) for path in annotations.paths}
    if not Path(joints_txt).exists():
        write_status(joints_txt, names, skeleton, status, confidence)
        return write_annotations(joints_txt, annotations, image_dir)
    table, (old_status, old_confidence) = _read(joints_txt, skeleton)
    kept = [image_file(os.path.join(image_dir, name)) not in pictures for name in table.names]
    replaced = {line for line, keep in zip(table.lines, kept, strict=True) if not keep}
    text = read_bytes(joints_txt, "joints file").decode("utf-8", "surrogateescape").splitlines(keepends=True)
    lines = [line if line.endswith("\n") else f"{line}\n" for n, line in enumerate(text, start=1) if n not in replaced]
    names = [name for name, keep in zip(table.names, kept, strict=True) if keep] + names
    status, confidence = np.concatenate([old_status[kept], status]), np.concatenate([old_confidence[kept], confidence])
    # First the status: a kill in between must not leave predictions that look confirmed.
    write_status(joints_txt, names, skeleton, status, confidence)
    write_atomically(joints_txt, "".join(lines + joints_lines(annotations, image_dir)))
