"""COCO keypoints: one JSON file of images, people and categories.

Format: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the page "Data format" of
cocodataset.org. Coordinates are pixels whose centre is an integer, as here.
"""

import json
from pathlib import Path

import numpy as np

from pose.annotations import as_annotations, relative_name
from pose.images import read_picture
from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import malformed, read_json, with_slashes
from pose.people import image_file
from pose.runtime.errors import ExistsError
from pose.runtime.files import write_atomically
from pose.skeleton import KINECT20

NOT_LABELLED, VISIBLE = 0, 2


def read_coco(path, image_dir=None, skeleton=KINECT20, mapping=None):
    """The labels of a COCO keypoints file; joints with v = 0 are not labelled, those with v = 1 (hidden) are.

    path: the JSON file.
    image_dir: the folder that the image names are relative to; people in images that are not there are left out and
        counted. Without it no image is looked for, and the names serve as paths.
    skeleton: the joints of the result. Those of the file are found by name; others stay NaN. None keeps the file's own.
    mapping: {their name: our name, or None to leave the joint out}, for joints that are not found by name.
    Returns `Annotations`, in image px with a pixel's centre at an integer; the second person of an image has the key
    `name#2`. Prints which joint became which, with the number of labels, and counts what was left out.
    Raises MissingError, FileError, and DataError if the file is damaged or has no keypoints.
    """
    content, labels = read_json(path, "COCO file"), LabelFile(path)
    with malformed(path, "categories and images", "COCO"):
        categories = {category["id"]: category for category in content["categories"]}
        images = {image["id"]: with_slashes(image["file_name"]) for image in content["images"]}
        for category in categories.values():
            labels.add_joints(category.get("keypoints", ()))
            labels.limbs += _limbs(category)
        people = list(content["annotations"])
    for number, one in enumerate(people, start=1):
        with malformed(path, f"annotation {number}", "COCO"):
            if not one.get("keypoints"):
                labels.left_out["annotations without keypoints"] += 1
            else:
                labels.add(images[one["image_id"]], _joints(one, categories[one["category_id"]]))
    return to_annotations(labels, image_dir, skeleton, mapping)


def _limbs(category):
    """Pairs of names. COCO counts joints from 1, some of its imitators from 0."""
    names, pairs = category.get("keypoints", ()), category.get("skeleton", ())
    first = min((end for pair in pairs for end in pair), default=1) and 1
    return [(names[a - first], names[b - first]) for a, b in pairs if max(a, b) - first < len(names)]


def _joints(annotation, category):
    """The labelled joints of one person, {name: (x, y)}. Joints of a category that names none are called 1, 2, …"""
    triples = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
    names = category.get("keypoints") or [str(k + 1) for k in range(len(triples))]
    return {name: (x, y) for name, (x, y, v) in zip(names, triples.tolist(), strict=True) if v != NOT_LABELLED}


def write_coco(path, annotations, image_dir=None, overwrite=False):
    """Writes labels as a COCO keypoints file, with one image entry for all people of an image.

    annotations: {image_path: landmarks (K, 2) in image px}; labelled joints get v = 2, others 0, 0, 0.
    image_dir: the folder that names are written relative to; without it they are written as they are. Sizes are read
        from the images.
    A person's box, from which the area follows, is that of the labelled joints' pixels.
    Raises ExistsError if the file exists and `overwrite` is false, ImageError if an image cannot be read, DataError if
    one lies outside `image_dir`.
    """
    path, annotations = Path(path), as_annotations(annotations)
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} already exists; choose another name or pass overwrite=True")
    files = [image_file(key) for key in annotations.paths]
    ids = {file: number for number, file in enumerate(dict.fromkeys(files), start=1)}
    people = [
        {"id": row + 1, "image_id": ids[file], "category_id": 1, "iscrowd": 0, **_person(landmarks)}
        for row, (file, landmarks) in enumerate(zip(files, annotations.landmarks, strict=True))
    ]
    images = [_image(file, number, image_dir) for file, number in ids.items()]
    content = {"images": images, "annotations": people, "categories": [_category(annotations.skeleton)]}
    write_atomically(path, json.dumps(content, ensure_ascii=False))


def _image(file, number, image_dir):
    name = relative_name(file, image_dir) if image_dir else file
    picture = read_picture(file, shrink=8)  # fast for JPEG; its width and height are those of the full image
    return {"id": number, "file_name": name, "width": picture.width, "height": picture.height}


def _category(skeleton):
    limbs = [[inner + 1, outer + 1] for inner, outer in skeleton.limb_indices]
    return {"id": 1, "name": "person", "supercategory": "person", "keypoints": skeleton.names, "skeleton": limbs}


def _person(landmarks):
    """The keypoints of landmarks (K, 2), and the box [left, top, width, height] of their pixels."""
    there = np.isfinite(landmarks).all(axis=1)
    triples = [[round(x, 3), round(y, 3), VISIBLE] if ok else [0, 0, NOT_LABELLED]
               for (x, y), ok in zip(landmarks.tolist(), there, strict=True)]  # fmt: skip
    low, high = np.zeros(2), -np.ones(2)  # no pixel
    if there.any():
        low, high = landmarks[there].min(axis=0), landmarks[there].max(axis=0)
    width, height = (high - low + 1).round(3).tolist()
    return {
        "keypoints": [value for triple in triples for value in triple],
        "num_keypoints": int(there.sum()),
        "bbox": [*(low - 0.5).round(3).tolist(), width, height],
        "area": round(width * height, 3),
    }
