"""A small file of each label tool, as that tool writes it: the middle of the second pixel of the third row (x 1, y 2)
is the left wrist of the first person; the second person's head is at x 10, y 20.
"""

import json
from pathlib import Path

import numpy as np

LEFT_WRIST, HEAD = (1, 2), (10, 20)

COCO = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["left_wrist", "head", "nose"], "skeleton": [[1, 2]]}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "keypoints": [1, 2, 2, 0, 0, 0, 5, 6, 2]},
        {"id": 2, "image_id": 7, "category_id": 1, "keypoints": [0, 0, 0, 10, 20, 1, 0, 0, 0]},
    ],
}
CVAT = """<?xml version="1.0"?>
<annotations><version>1.1</version>
 <meta><task><labels>
  <label><name>person</name><type>skeleton</type>
   <svg>&lt;line data-node-from="1"
    data-node-to="2"&gt;&lt;/line&gt;&lt;circle data-node-id="1"
    data-label-name="head"&gt;&lt;/circle&gt;&lt;circle data-node-id="2"
    data-label-name="left wrist"&gt;&lt;/circle&gt;</svg>
  </label></labels></task></meta>
 <image id="0" name="a.jpg" width="64" height="48">
  <skeleton label="person">
   <points label="left wrist" outside="0" occluded="1" points="1.50,2.50"/>
   <points label="head" outside="1" occluded="0" points="30.00,30.00"/>
  </skeleton>
  <points label="head" occluded="0" points="10.50,20.50" group_id="4"/>
  <box label="person" xtl="0" ytl="0" xbr="9" ybr="9"/>
 </image>
</annotations>"""
LABELME = {
    "imagePath": "a.jpg",
    "shapes": [
        {"label": "left wrist", "points": [[1.5, 2.5]], "group_id": 1, "shape_type": "point"},
        {"label": "head", "points": [[10.5, 20.5]], "group_id": 2, "shape_type": "point"},
        {"label": "person", "points": [[0, 0], [9, 9]], "group_id": 1, "shape_type": "rectangle"},
    ],
}
LABEL_STUDIO = [
    {
        "data": {"img": "/data/upload/3/1a2b3c4d-a.jpg"},
        "annotations": [
            {
                "result": [
                    {"id": name, "type": "keypointlabels", "to_name": "img", "original_width": 200,
                     "original_height": 50, "value": {"x": x, "y": y, "width": 1, "keypointlabels": [name]}}
                    for name, x, y in (("lwrist", 0.75, 5), ("Head", 5.25, 41))
                ]
                + [{"type": "rectanglelabels", "id": "box", "value": {}},
                   {"type": "relation", "from_id": "box", "to_id": "lwrist"}]
            }
        ],
    }
]  # fmt: skip
DEEPLABCUT = """scorer,,,me,me,me,me,me,me,me,me
individuals,,,one,one,one,one,two,two,two,two
bodyparts,,,LeftWrist,LeftWrist,head,head,LeftWrist,LeftWrist,head,head
coords,,,x,y,x,y,x,y,x,y
labeled-data,film,a.jpg,1,2,,,,,10,20
"""
OPENPOSE = {"people": [{"pose_keypoints_2d": [0] * 21 + [1, 2, 0.9] + [0] * 51},  # BODY_25 has the left wrist eighth
                       {"pose_keypoints_2d": [0] * 3 + [8, 9, 0.4] + [0] * 69}]}  # fmt: skip
MPII = [
    {"image": "a.jpg", "joints_vis": [0] * 15 + [1], "joints": [[-1, -1]] * 15 + [[2, 3]]},
    {"image": "a.jpg", "joints_vis": [0] * 9 + [1] + [0] * 6, "joints": [[-1, -1]] * 9 + [[11, 21]] + [[-1, -1]] * 6},
]
JSON = {"coco": COCO, "labelme": LABELME, "label_studio": LABEL_STUDIO, "openpose": OPENPOSE, "mpii_json": MPII}


def write_sample(folder, tool):
    """Writes the tool's file; returns its path. Openpose's second person has a shoulder center instead of a head."""
    if tool in JSON:
        path = Path(folder) / "a_keypoints.json"
        path.write_text(json.dumps(JSON[tool]), encoding="utf-8")
    else:
        path, content = {"cvat": (Path(folder) / "annotations.xml", CVAT),
                         "deeplabcut": (Path(folder) / "CollectedData_me.csv", DEEPLABCUT)}[tool]  # fmt: skip
        path.write_text(content, encoding="utf-8")
    return path


def write_slp(path, version=1.3, tracks=(0, 1), kinds=(0, 0)):
    """A .slp file of one frame with two instances; kinds: 0 by a person, 1 predicted."""
    import h5py

    edge = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}
    links = [{"source": 1, "target": 0, "type": edge}, {"source": 0, "target": 2, "type": {"py/id": 1}}]
    skeleton = {"nodes": [{"id": 1}, {"id": 0}, {"id": 2}], "links": links}
    content = {"nodes": [{"name": name} for name in ("head", "left_wrist", "nose")], "skeletons": [skeleton]}
    point = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
    points = [(1, 2, True, True), (np.nan, np.nan, False, False), (50, 60, False, False), (np.nan, np.nan, True, True),
              (10, 20, True, True), (np.nan, np.nan, False, False)]  # fmt: skip
    instance = [(name, "i8") for name in ("instance_type", "skeleton", "track", "point_id_start", "point_id_end")]
    starts = [3 * kinds[:k].count(kind) for k, kind in enumerate(kinds)]
    own = {kind: [p for k, of in enumerate(kinds) if of == kind for p in points[3 * k : 3 * k + 3]] for kind in (0, 1)}
    rows = [(kinds[k], 0, tracks[k], starts[k], starts[k] + 3) for k in (0, 1)]
    frame = [(name, "i8") for name in ("video", "frame_idx", "instance_id_start", "instance_id_end")]
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        group.attrs["json"], group.attrs["format_id"] = json.dumps(content).encode(), version
        file["videos_json"] = [json.dumps({"backend": {"filename": "C:\\films\\walk.mp4"}}).encode()]
        file["frames"] = np.array([(0, 12, 0, 2)], frame)
        file["instances"] = np.array(rows, instance)
        file["points"], file["pred_points"] = np.array(own[0], point), np.array(own[1], point)
    return path
