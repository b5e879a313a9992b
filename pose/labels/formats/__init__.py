"""Labels of other tools: each file here reads, or writes, those of one."""

from pose.labels.formats.coco import read_coco, write_coco
from pose.labels.formats.cvat import read_cvat
from pose.labels.formats.deeplabcut import read_deeplabcut
from pose.labels.formats.label_studio import read_label_studio
from pose.labels.formats.labelme import read_labelme
from pose.labels.formats.mpii_json import read_mpii_json
from pose.labels.formats.openpose import read_openpose
from pose.labels.formats.sleap import read_sleap
from pose.labels.formats.tidy_csv import read_csv, write_csv

__all__ = [
    "read_coco",
    "read_csv",
    "read_cvat",
    "read_deeplabcut",
    "read_label_studio",
    "read_labelme",
    "read_mpii_json",
    "read_openpose",
    "read_sleap",
    "write_coco",
    "write_csv",
]
