"""`prelabel`: landmarks that a model predicts, for a person to correct."""

import warnings
from collections import defaultdict

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


def prelabel(image_dir, joints_txt, model=READY_MADE, people=1, images=None, skeleton=None):
    """Predicts the landmarks in a folder of images and writes them to a joints file, to be confirmed by a person.

    joints_txt: is made, or added to. Images in which somebody has confirmed a joint are left alone; lines that were
        only predicted are replaced. In joints.status.csv each joint gets the status "predicted" and its confidence.
    model: "mediapipe" (its files are downloaded once; needs the package openvino), "pretrained" for the network that
        comes with this package, or a `ReadyMade` (with a copy of the files of your own), a `Predictor`, an hourglass or
        the path of its checkpoint. All but MediaPipe's look
        where the joints file has the person already, so let "mediapipe" go first if people are small in the images.
    people: how many people in an image MediaPipe's model looks for, at most. The others predict those that the joints
        file has, or one.
    images: paths of the images to look at; by default all in the folder and its sub-folders.
    skeleton: the joints to write, found by name among the model's; those that it lacks are left to be placed. By
        default the model's own.
    Prints how many images it predicted. Returns the predicted `Annotations`.
    Raises DataError if nobody is found in any image, AnnotationError if the joints file has faults, and whatever the
    model's files raise.
    """
    model = _model(model, people)
    own = getattr(model, "skeleton", KINECT20)
    skeleton = skeleton or own
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
    lacking = [name for name in skeleton.names if name not in own.names]
    if lacking:
        print(f"the model does not know {', '.join(lacking)}: place them by hand")
    labels = {key: _as_labels(one, own, skeleton) for key, one in found.items()}
    labels = store.predict(labels) if labels else labels
    landmarks = np.array([one.landmarks for one in labels.values()]).reshape(-1, len(skeleton), 2)
    return Annotations([str(store.image_dir / key) for key in labels], landmarks, skeleton=skeleton)


def _as_labels(person, own, skeleton):
    """The `Labels` of a person with the joints `own`, in the order of `skeleton`; NaN for joints not among them."""
    landmarks = np.full((len(skeleton), 2), np.nan)
    confidence = np.full(len(skeleton), np.nan, np.float32)
    for k, name in enumerate(skeleton.names):
        if name in own.names:
            landmarks[k], confidence[k] = person.landmarks[own.index(name)], person.confidence[own.index(name)]
    return Labels(landmarks, np.full(len(skeleton), PREDICTED, np.uint8), confidence)


def _model(model, people):
    """The `ReadyMade` or the `Predictor` that is meant."""
    is_ready_made = isinstance(model, ReadyMade) or (isinstance(model, str) and model == READY_MADE)
    if people < 1 or (people > 1 and not is_ready_made):
        raise DataError(f"people is 1, or more with the model {READY_MADE!r}, not {people!r} with {model!r:.60}")
    if isinstance(model, str) and model == READY_MADE:
        return ReadyMade(fetch_models(), SOMEBODY if people == 1 else ANYBODY)
    if isinstance(model, (ReadyMade, Predictor)):
        return model
    return Predictor(pretrained() if isinstance(model, str) and model == SHIPPED else model)


def untouched(store):
    """The image files of a `LabelStore` in which no person has labelled a joint, as a list of names."""
    touched = {store.file(key) for key, labels in store.labelled.items() if labels.touched}
    return [file for file in dict.fromkeys(map(store.file, store.keys)) if file not in touched]


def predict_people(predictor, store, files):
    """{key: `Prediction`} of the people in image files: of those that the `LabelStore` has there, each in its own box,
    or, without any, of one person in the whole image. Warns of files that cannot be read, and leaves them out.
    """
    people = defaultdict(list)
    for key in store.keys:
        people[store.file(key)].append(store.labels(key).landmarks)

    def find(file):
        path, boxes = str(store.path(file)), _boxes(people[file])
        return predictor.predict([path] * len(boxes), boxes) if boxes else predictor.predict([path])

    return _find_in(find, files)


def _boxes(people):
    """The boxes (4,) px around landmarks (K, 2), for each of a list, as a list; none where there are too few."""
    ends = [(np.fmin.reduce(landmarks), np.fmax.reduce(landmarks)) for landmarks in people]
    return [np.hstack([low, high]) for low, high in ends if (high > low).all()]


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
