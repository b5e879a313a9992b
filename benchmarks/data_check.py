"""Evaluates the data check: its false alarms on good data sets, and the share of damaged lines it finds.

python benchmarks/data_check.py data/sample data/utd_mhad data/utkinect data/lsp

The first table has the share of lines with an error, and with a warning, in each unmodified set. For the second a few
random lines are damaged, drawn again for each kind of damage: "found" is the share of them with a new error, and with a
new error or warning. Images are read if the folder has any.
"""

import argparse
import copy
from collections import Counter
from pathlib import Path

import numpy as np

from pose.check import check_landmarks
from pose.check.body import Body
from pose.check.clips import by_row, check_clips
from pose.check.images import check_images
from pose.check.systematic import ORDERS
from pose.joints_file import read_table
from pose.skeleton import KINECT20

RUN = 6  # lines of a frozen stretch
ERROR, ANY = ("error",), ("error", "warning")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="folders with joints.txt, and images/ and clips.csv if any")
    parser.add_argument("--lines", type=int, default=100, help="how many lines of a set to damage, at most 2 %%")
    parser.add_argument("--rounds", type=int, default=3, help="how many times to average over")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    clean, found = {}, {}
    for folder in args.data:
        table, clip_of = read(folder)
        before = check_landmarks(copy.deepcopy(table), clip_of)
        clean[folder.name] = (table, before)
        for name, damage in {**LINE_DAMAGE, **FILE_DAMAGE}.items():
            rng = np.random.default_rng(args.seed)
            rounds = args.rounds if name in LINE_DAMAGE else 1
            shares = [share_found(table, clip_of, before, name, damage, args.lines, rng) for _ in range(rounds)]
            found[folder.name, name] = np.mean(shares, axis=0)
    print_clean(clean)
    print_found(found, list(clean))


def read(folder):
    """The table of a folder's joints file, with image sizes if there are images, and the clip of each row."""
    table, _ = read_table(folder / "joints.txt", KINECT20)
    if (folder / "images").is_dir():
        check_images([table], folder / "images")
    clips = check_clips(folder / "clips.csv", [table])[0][0] if (folder / "clips.csv").is_file() else {}
    return table, by_row(clips, table)


def share_found(table, clip_of, before, name, damage, lines, rng):
    """The share of damaged lines (or 1 or 0 for a file) with a new error, and with a new error or warning."""
    table = copy.deepcopy(table)
    number = max(1, min(lines, len(table) // 50))
    if name in FILE_DAMAGE:
        table.landmarks = damage(table, rng)
        after = check_landmarks(table, clip_of)
        known, new = ({(one.level, one.kind) for one in some if one.line is None} for some in (before, after))
        return [any(level in levels for level, _ in new - known) for levels in (ERROR, ANY)]
    rows = np.arange(0, len(table) - 2 * RUN, RUN) + rng.integers(RUN)
    if "frozen" in name:
        rows = rows[clip_of[rows] == clip_of[np.minimum(rows + RUN, len(table)) - 1]]
    rows = rng.choice(rows, min(number, len(rows)), replace=False)
    for row in rows:
        damage(table, row, rng)
    old = {(one.level, one.kind, one.line) for one in before}
    new = [one for one in check_landmarks(table, clip_of) if (one.level, one.kind, one.line) not in old]
    lines = [{one.line for one in new if one.level in levels} for levels in (ERROR, ANY)]
    return [np.mean([table.lines[row] in found for row in rows]) for found in lines]


def moved(torsos):
    def damage(table, row, rng):
        joint, angle = rng.choice(labelled(table, row)), rng.uniform(0, 2 * np.pi)
        unit = 0.28 * Body(table.landmarks[[row]], table.skeleton).extent[0]  # roughly a torso
        table.landmarks[row, joint] += torsos * unit * np.array([np.cos(angle), np.sin(angle)])

    return damage


def labelled(table, row):
    return np.flatnonzero(np.isfinite(table.landmarks[row]).all(axis=1))


def ten_times(table, row, rng):
    joint, axis = rng.choice(labelled(table, row)), rng.integers(2)
    table.landmarks[row, joint, axis] *= 10


def two_joints(table, row, rng):
    pair = rng.choice(labelled(table, row), 2, replace=False)
    table.landmarks[row, pair] = table.landmarks[row, pair[::-1]]


def sides(table, row, rng):
    table.landmarks[row] = table.landmarks[row, table.skeleton.mirrored]


def axes(table, row, rng):
    table.landmarks[row] = table.landmarks[row, :, ::-1]


def other_line(table, row, rng):
    table.landmarks[row] = table.landmarks[rng.integers(len(table))] + rng.normal(0, 0.5, (1, 2))  # not identical


def one_place(table, row, rng):
    table.landmarks[row, labelled(table, row)] = np.nanmean(table.landmarks[row], axis=0)


def frozen(whole):
    def damage(table, row, rng):
        joints = labelled(table, row) if whole else rng.choice(labelled(table, row), 1)
        table.landmarks[row : row + RUN, joints] = table.landmarks[row, joints]

    return damage


def in_order(order):
    def damage(table, rng):
        names = rng.permutation(KINECT20.names) if order is None else order
        return table.landmarks[:, [KINECT20.index(name) for name in names]]

    return damage


def as_shares(table, rng):
    sizes = table.sizes if table.known.all() else np.array([[640.0, 480.0]])
    return table.landmarks / sizes[:, None]


def upwards(table, rng):
    height = table.sizes[:, 1] if table.known.all() else np.full(len(table), 480.0)
    return np.stack([table.landmarks[..., 0], height[:, None] - 1 - table.landmarks[..., 1]], axis=-1)


def cut(table, rng):
    return table.landmarks - np.nan_to_num(table.sizes, nan=480)[:, None] / 3


LINE_DAMAGE = {
    **{f"a joint {torsos} torsos off": moved(torsos) for torsos in (0.5, 1, 2, 4)},
    "a coordinate ten times": ten_times,
    "two joints swapped": two_joints,
    "left and right swapped": sides,
    "x and y swapped": axes,
    "another line's labels": other_line,
    "all joints in one place": one_place,
    f"a joint frozen, {RUN} lines": frozen(whole=False),
    f"the pose frozen, {RUN} lines": frozen(whole=True),
}
FILE_DAMAGE = {
    **{f"file: order of {name.split(' (')[0]}": in_order(order) for name, order in ORDERS.items()},
    "file: a random order": in_order(None),
    "file: x and y swapped": lambda table, rng: table.landmarks[..., ::-1],
    "file: y upwards": upwards,
    "file: from 0 to 1": as_shares,
    "file: of images twice as large": lambda table, rng: table.landmarks * 2,
    "file: of images half as large": lambda table, rng: table.landmarks / 2,
    "file: of images a third more at the left and top": cut,
}


def print_clean(clean):
    print("\n| set | lines | with an error | with a warning | kinds |\n|---|---|---|---|---|")
    for name, (table, findings) in clean.items():
        shares = [len({one.line for one in findings if one.level == level and one.line}) / len(table) for level in ANY]
        kinds = Counter(f"{one.level} {one.kind}" for one in findings if one.level in ANY)
        counts = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
        print(f"| {name} | {len(table):,} | {shares[0]:.2%} | {shares[1]:.2%} | {counts} |")


def print_found(found, sets):
    print(f"\nfound: as an error, as an error or a warning\n\n| damage | {' | '.join(sets)} |")
    print("|---" * (len(sets) + 1) + "|")
    for damage in dict.fromkeys(damage for _, damage in found):
        cells = [", ".join(f"{share:.0%}" for share in found[name, damage]) for name in sets]
        print(f"| {damage} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
