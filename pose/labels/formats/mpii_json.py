"""MPII's annotations as JSON, the form in which current code passes them on: a list of people.

Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis", CVPR 2014. Coordinates count
from 1, as in MATLAB.
"""

from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import malformed, read_json, with_slashes
from pose.skeleton import KINECT20, MPII16

FIRST_PIXEL = 1


def read_mpii_json(path, image_dir=None, skeleton=KINECT20, mapping=None):
    """The labels of an MPII JSON file: people `{"image", "joints", "joints_vis"}`, where 0 in joints_vis is no label.

    Its joints are called as in `MPII16`. Arguments, result and errors are those of `read_coco`.
    """
    content, labels = read_json(path, "MPII file"), LabelFile(path)
    labels.add_joints(MPII16.names)
    labels.limbs = list(MPII16.limbs)
    with malformed(path, "its top level", "MPII"):
        people = list(enumerate(content, start=1))
    for number, one in people:
        with malformed(path, f"person {number}", "MPII"):
            joints = zip(MPII16.names, one["joints"], one["joints_vis"], strict=True)
            place = {name: (x - FIRST_PIXEL, y - FIRST_PIXEL) for name, (x, y), there in joints if there}
            labels.add(with_slashes(one["image"]), place)
    return to_annotations(labels, image_dir, skeleton, mapping)
