"""`prelabel`: landmarks that a model predicts, for a person to correct."""

import warnings

import numpy as np

from pose.annotations import Annotations
from pose.images import ImageError
from pose.labels.blazepose import ReadyMade
from pose.labels.label_store import Labels, LabelStore
from pose.labels.mediapipe_files import fetch_models
from pose.labels.status import PREDICTED
from pose.people import person_key
from pose.prediction import Predictor
from pose.pretrained import pretrained
from pose.runtime.errors import DataError
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
    store = LabelStore(joints_txt, image_dir, skeleton, images)
    files, todo = list(dict.fromkeys(map(store.file, store.keys))), untouched(store)
    if isinstance(model, ReadyMade):
        found = _find_in(lambda file: model.predict(store.path(file))[:people], todo)
    else:
        found = predict_people(model, store, todo)
    count = len({store.file(key) for key in found})
    print(
        f"{joints_txt}: {count} images predicted, {len(todo) - count} in which nobody was found, "
        f"{len(files) - len(todo)} left alone because somebody has labelled them"
    )
    if todo and not found:
        raise DataError(f"nobody was found in {len(todo)} images of {image_dir}; label them with pose.Labeller")
    status = np.full(len(skeleton), PREDICTED, np.uint8)
    labels = {key: Labels(np.asarray(one.landmarks, float), status, one.confidence) for key, one in found.items()}
    if labels:
        store.predict(labels)
    landmarks = np.array([one.landmarks for one in labels.values()]).reshape(-1, len(skeleton), 2)
    return Annotations([str(store.image_dir / key) for key in labels], landmarks, skeleton=skeleton)


def _model(model, people):
    """The `ReadyMade` or the `Predictor` that is meant."""
    if people < 1 or (people > 1 and model != READY_MADE):
        raise DataError(f"people is 1, or more with the model {READY_MADE!r}, not {people!r} with {model!r:.60}")
    if isinstance(model, str) and model == READY_MADE:
        return ReadyMade(fetch_models(), SOMEBODY if people == 1 else ANYBODY)
    if isinstance(model, Predictor):
        return model
    return Predictor(pretrained() if isinstance(model, str) and model == SHIPPED else model)


def untouched(store):
    """The image files of a `LabelStore` in which no person has labelled a joint, as a list of names."""
    begun = {store.file(key) for key, labels in store.labelled.items() if labels.begun}
    return [file for file in dict.fromkeys(map(store.file, store.keys)) if file not in begun]


def predict_people(predictor, store, files):
    """{file: `Prediction`}. Where the `LabelStore` has the person in a file, it looks there; else at the whole image.

    Warns of files that cannot be read, and leaves them out.
    """

    def find(file):
        landmarks = store.labels(file).landmarks
        low, high = np.fmin.reduce(landmarks), np.fmax.reduce(landmarks)
        return predictor.predict([str(store.path(file))], [np.hstack([low, high])] if (high > low).all() else None)

    return _find_in(find, files)


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
