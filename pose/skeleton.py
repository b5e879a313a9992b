"""`Skeleton`: the joints of a body, their left and right counterparts, and the limbs between them."""

import json
from dataclasses import dataclass
from functools import cached_property

from pose.runtime.errors import DataError, MissingError
from pose.runtime.files import read_bytes


@dataclass(frozen=True)
class Skeleton:
    """Joint names in file order, and the limbs between them.

    names: one name per joint; a joint of one side is called `left_…` or `right_…` (the person's own left and right, not
        the image's).
    limbs: pairs of names that drawings connect by a line, inner joint first, and limbs closer to the hips before those
        attached to them.
    torso: the two joints whose distance is the unit of PCK.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    torso: tuple[str, str] = ("left_shoulder", "right_hip")

    def __post_init__(self):
        """Raises DataError if a name occurs twice, or a limb's end is not a joint."""
        if len(set(self.names)) < len(self.names):
            raise DataError(f"joint names must differ from each other: {', '.join(self.names)}")
        for name in (name for limb in self.limbs for name in limb):
            self.index(name)
        if len(self.torso) != 2:
            raise DataError(f"torso must be two joints, not {self.torso!r}")

    def __len__(self):
        return len(self.names)

    def index(self, name):
        """The index of joint `name`. Raises DataError if there is no such joint."""
        if name not in self.names:
            raise DataError(f"no joint is called {name!r}; the joints are: {', '.join(self.names)}")
        return self.names.index(name)

    def settings(self):
        """The skeleton as a dictionary for JSON, which `Skeleton.of` reads back."""
        return {"names": list(self.names), "limbs": [list(limb) for limb in self.limbs], "torso": list(self.torso)}

    @classmethod
    def of(cls, settings):
        """The skeleton of a dictionary from `settings`. Raises DataError if it is damaged."""
        names, limbs, torso = settings["names"], settings["limbs"], settings["torso"]
        if not all(isinstance(name, str) for name in [*names, *torso]):
            raise DataError("the joint names are damaged")
        return cls(tuple(names), tuple((inner, outer) for inner, outer in limbs), tuple(torso))

    def check_same(self, other, whose, others):
        """Raises DataError if another skeleton has other joints, or the same ones in another order.

        whose, others: how the message names the two ("the model", "the data").
        """
        if self.names != other.names:
            raise DataError(
                f"{whose} has the joints {', '.join(self.names)}; {others} have {', '.join(other.names)}: they must be "
                "the same, in the same order. Pass skeleton= to read_annotations, and use a model trained on such data"
            )

    @cached_property
    def mirrored(self):
        """For each joint the index of its counterpart in a mirrored image, as a list."""
        return [self.index(_other_side(name)) for name in self.names]

    @property
    def is_two_sided(self):
        """Whether each joint has a counterpart in a mirrored image."""
        return all(_other_side(name) in self.names for name in self.names)

    @cached_property
    def limb_indices(self):
        """`limbs` as pairs of indices, as a list."""
        return [(self.index(a), self.index(b)) for a, b in self.limbs]

    @cached_property
    def limb_ends(self):
        """The inner joints and the outer joints of the limbs, as two lists of indices."""
        return [inner for inner, _ in self.limb_indices], [outer for _, outer in self.limb_indices]

    @cached_property
    def torso_indices(self):
        """`torso` as a pair of indices. Raises DataError if they are not among the joints."""
        if not set(self.torso) <= set(self.names):
            raise DataError(
                f"{' and '.join(self.torso)}, whose distance is the unit of PCK, are not among the joints: name two "
                f"that are, far apart on the body, such as Skeleton(…, torso={self.names[0], self.names[-1]})"
            )
        return self.index(self.torso[0]), self.index(self.torso[1])


def _other_side(name):
    side, _, joint = name.partition("_")
    return {"left": f"right_{joint}", "right": f"left_{joint}"}.get(side, name)


KINECT20 = Skeleton(
    names=(
        "hip_center", "spine", "shoulder_center", "head",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hand", "right_hand",
        "left_hip", "right_hip", "left_knee", "right_knee",
        "left_ankle", "right_ankle", "left_foot", "right_foot",
    ),
    limbs=(
        ("hip_center", "spine"), ("spine", "shoulder_center"), ("shoulder_center", "head"),
        ("shoulder_center", "left_shoulder"), ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"), ("left_wrist", "left_hand"),
        ("shoulder_center", "right_shoulder"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("right_wrist", "right_hand"),
        ("hip_center", "left_hip"), ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"), ("left_ankle", "left_foot"),
        ("hip_center", "right_hip"), ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"), ("right_ankle", "right_foot"),
    ),
)  # fmt: skip


def skeleton_of(count, skeleton=None):
    """The skeleton of `count` joints: the one given, else KINECT20 for 20 joints, else unnamed joints without limbs.

    Raises DataError if the given skeleton has another number of joints.
    """
    if skeleton is None:
        return KINECT20 if count == len(KINECT20) else Skeleton(tuple(f"joint_{k + 1}" for k in range(count)), limbs=())
    if len(skeleton) != count:
        raise DataError(
            f"expected the {len(skeleton)} joints of the skeleton, got {count}; pass the right one as skeleton="
        )
    return skeleton


# Penn Action's 13 joints in the order of its files. Its own list calls the first of each pair left; it is the person's
# right (data/README.md).
PENN13 = Skeleton(
    names=(
        "head", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow", "right_wrist", "left_wrist",
        "right_hip", "left_hip", "right_knee", "left_knee", "right_ankle", "left_ankle",
    ),
    limbs=(
        ("left_hip", "right_hip"), ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
        ("left_shoulder", "right_shoulder"), ("left_shoulder", "head"), ("right_shoulder", "head"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
)  # fmt: skip

# COCO's 17 joints in its order.
COCO17 = Skeleton(
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    limbs=(
        ("left_hip", "right_hip"), ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
        ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_ear"), ("right_shoulder", "right_ear"),
        ("left_ear", "left_eye"), ("right_ear", "right_eye"), ("left_eye", "nose"), ("right_eye", "nose"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
)  # fmt: skip

# MPII's 16 joints in MPII order, with the Kinect's names for the joints that both have.
MPII16 = Skeleton(
    names=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "hip_center", "shoulder_center", "upper_neck", "head",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    ),
    limbs=(
        ("hip_center", "shoulder_center"), ("shoulder_center", "upper_neck"), ("upper_neck", "head"),
        ("shoulder_center", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("shoulder_center", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("hip_center", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("hip_center", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
)  # fmt: skip

# The 14 joints of Leeds Sports Pose in its order, with the Kinect's names for its "neck" and "head top"
# (data/README.md).
LSP14 = Skeleton(
    names=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
        "shoulder_center", "head",
    ),
    limbs=(
        ("left_hip", "right_hip"), ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
        ("shoulder_center", "head"), ("shoulder_center", "left_shoulder"), ("shoulder_center", "right_shoulder"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
)  # fmt: skip

# OpenPose's BODY_25 in its order, with the Kinect's names for its "Neck" and "MidHip".
BODY25 = Skeleton(
    names=(
        "nose", "shoulder_center", "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist", "hip_center", "right_hip", "right_knee", "right_ankle",
        "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
        "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    ),
    limbs=(
        ("hip_center", "shoulder_center"), ("shoulder_center", "nose"),
        ("nose", "left_eye"), ("left_eye", "left_ear"), ("nose", "right_eye"), ("right_eye", "right_ear"),
        ("shoulder_center", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("shoulder_center", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("hip_center", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("left_ankle", "left_heel"), ("left_ankle", "left_big_toe"), ("left_big_toe", "left_small_toe"),
        ("hip_center", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("right_ankle", "right_heel"), ("right_ankle", "right_big_toe"), ("right_big_toe", "right_small_toe"),
    ),
)  # fmt: skip

SKELETON_HELP = "KINECT20 (default), COCO17, MPII16, LSP14, BODY25, PENN13, or a JSON file of names, limbs and torso"


def skeleton_named(name):
    """The skeleton called that here, such as "COCO17", or that of a JSON file with `names`, `limbs` and `torso`.

    Raises DataError for a damaged file, MissingError if there is neither.
    """
    known = {key: value for key, value in globals().items() if isinstance(value, Skeleton)}
    if name in known:
        return known[name]
    if not name.endswith(".json"):
        raise MissingError(f"no skeleton is called {name!r}; known are {', '.join(known)}, and any JSON file")
    content = read_bytes(name, "skeleton")
    try:
        return Skeleton.of(json.loads(content))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{name}: is not a skeleton ({error}); write {{"names": [...], "limbs": [[..., ...]], "torso": [..., ...]}}'
        ) from None
