"""Joints by name: which joint of another tool is which of ours."""

import re

from pose.runtime.errors import DataError

# Names of one joint in the field's skeletons. MPII's thorax and the neck of LSP and OpenPose lie between the shoulders;
# a head without further words is taken for the top of the head, as in data/lsp. A nose is not a head, a toe not a foot.
SAME_JOINT = (
    ("hip_center", "pelvis", "mid_hip", "spine_base"),
    ("shoulder_center", "thorax", "spine_shoulder", "neck"),
    ("spine", "spine_mid"),
    ("head", "head_top", "top_head"),
)
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_PAIRED = "shoulder|elbow|wrist|hand|hip|knee|ankle|foot|eye|heel"  # no ear: "rear" is a word
_GLUED = re.compile(rf"(left|right|l|r)({_PAIRED})|({_PAIRED})(left|right|l|r)")


def spelled(name):
    """A joint's name as this project spells it: LShoulder, shoulder_l and "left shoulder" are left_shoulder."""
    words = [word for word in _BETWEEN_WORDS.sub(" ", name).lower().split(" ") if word]
    words = [part for word in words for part in _unglued(word)]
    sides = [word for word in words if word in _SIDES]
    if len(sides) == 1 and len(words) > 1:
        words.remove(sides[0])
        words.insert(0, _SIDES[sides[0]])
    return "_".join(words) or name


def _unglued(word):
    glued = _GLUED.fullmatch(word)
    return [part for part in glued.groups() if part] if glued else [word]


def counterparts(theirs, skeleton, mapping):
    """Which of our joints each of theirs is, as {their name: our name}; without those that have no counterpart.

    theirs: the names in the file. mapping: {their name: our name, or None for no counterpart}; what it says wins.
    Raises DataError as `checked_mapping` does, and for a joint that is not in the skeleton.
    """
    given = checked_mapping(theirs, mapping)
    found = {name: ours for name, ours in given.items() if ours is not None}
    for ours in found.values():
        skeleton.index(ours)
    free = {_key(spelled(name)): name for name in reversed(theirs) if name not in given}
    for others in (lambda ours: (ours,), _also_called):  # the same name first
        for ours in skeleton.names:
            key = next((key for key in map(_key, others(ours)) if key in free), None)
            if key is not None and ours not in found.values():
                found[free.pop(key)] = ours
    return found


def checked_mapping(theirs, mapping):
    """The mapping, empty for None. Raises DataError for a joint that is not in the file, or one of ours named twice."""
    mapping = mapping or {}
    for name in mapping:
        if name not in theirs:
            raise DataError(f"mapping: the file has no joint {name!r}; its joints are: {', '.join(theirs)}")
    ours = [name for name in mapping.values() if name is not None]
    if len(set(ours)) < len(ours):
        raise DataError("mapping: two joints of the file are given the same name; give None for one of them")
    return mapping


def _also_called(ours):
    return next((names for names in SAME_JOINT if ours in names), ())


def _key(name):
    return name.replace("_", "")
