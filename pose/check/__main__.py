"""The command line of the data check: `python -m pose.check --help`."""

import argparse
import sys
import traceback
from pathlib import Path

from pose.check import check_annotations
from pose.runtime.errors import PoseError
from pose.skeleton import SKELETON_HELP, skeleton_named


def main(argv=None):
    """Prints the report; returns 0 if the data have no errors, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m pose.check",
        description="Report what is wrong with a data set. The exit status is 0 without errors, 1 with errors, "
        "2 if the check cannot run.",
    )
    parser.add_argument("--joints", type=Path, required=True, help="the joints file")
    parser.add_argument("--images", type=Path, help="the folder of its images; without it they are not checked")
    parser.add_argument("--valid-joints", type=Path, help="the joints file of the validation set")
    parser.add_argument(
        "--clips", type=Path, help="the clips file (by default clips.csv next to --joints, if it exists)"
    )
    parser.add_argument("--skeleton", default="KINECT20", help=SKELETON_HELP)
    parser.add_argument("--out", type=Path, help="write findings.json, summary.png and worst.png into this folder")
    args = parser.parse_args(argv)

    skeleton = skeleton_named(args.skeleton)
    report = check_annotations(args.joints, args.images, args.valid_joints, args.clips, skeleton)
    if sys.stdout:
        sys.stdout.reconfigure(errors="replace")  # whatever the terminal's encoding
    print(report)
    if args.out:
        _write(report, args.out)
    return 0 if report.ok else 1


def _write(report, out):
    import matplotlib

    matplotlib.use("Agg")  # there may be no display
    report.write_json(out / "findings.json")  # creates the folder
    report.plot_summary().savefig(out / "summary.png", dpi=100)
    report.plot_worst().savefig(out / "worst.png", dpi=100)
    print(f"written: findings.json, summary.png and worst.png in {out}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PoseError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except Exception:  # a bug in the check must not look like an error in the data
        traceback.print_exc()
        sys.exit(2)
