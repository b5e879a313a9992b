"""Fuzzing: whatever bytes a file contains, only the project's own errors may be raised.

    pip install atheris                             # not a dependency of the project
    python tests/tools/fuzz.py joints --minutes 10        # or clips, images, checkpoints

Inputs are mutated from small valid files, and those that reach new lines of the project are mutated further (libFuzzer,
through atheris). Native code (OpenCV, safetensors, PyTorch's reader) is run but not instrumented: inputs are not guided
through its branches. Memory is bounded by the process's address space, since libFuzzer cannot watch allocations without
a sanitizer; an input may take 20 seconds. Any other error is a finding: it is printed once per location, and its input
is kept. Exits 1 if there are findings.
"""

import argparse
import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SECONDS = 20  # for one input
MORE_MB = 2048  # of address space, beyond what the process has after its imports
RSS_MB = 3000
SHRINKS = (1, 2.5, 9, 40)

WORDS = {  # that mutations insert
    "joints": ["nan", "inf", "-", "0 0 ", "1e999", "#", "../", "\\", "C:", "\ufeff", "\0", "\u2028", "\x85", "1_0",
               "a.png "],
    "clips": ["clip", "subject", "action", "first_image", "last_image", '"', '""', ",", "\r", "\n", "\0", "a/0.png",
              "b/4.png"],
    "images": ["IHDR", "IDAT", "acTL", "PNG", "II*\0", "MM\0*", "RIFF", "WEBPVP8X", "Exif\0\0", "BM", "P6\n", "PF\n",
               "GIF89a"],
    "checkpoints": ['"kind"', '"hourglass"', '"activity head"', '"hourglass with LSTM"', '"settings"', '"num_stacks"',
                    '"num_joints"', '"channels"', '"loss"', '"mse"', '"sigma"', '"hidden"', '"layers"', '"pooling"',
                    '"last"', '"frames"', '"skeleton"', '"names"', '"limbs"', '"torso"', '"actions"', '"joints"',
                    "null", "NaN", "-1", "1e9", "true", "[]", "{}", '"__metadata__"', '"about"', '"data_offsets"',
                    '"shape"', '"dtype"', '"F32"', "[" * 3000],
}  # fmt: skip
LONGEST = {"joints": 3000, "clips": 1000, "images": 4000, "checkpoints": 9000}  # bytes of an input


def joints(folder):
    """joints.txt, with images and without; what is read is written and read again."""
    import numpy as np

    from pose import Annotations, Skeleton, read_annotations, write_annotations

    skeleton = Skeleton(("head", "left_hand", "right_hand"), limbs=())
    images = folder / "images"
    images.mkdir()
    for name in ("a.png", "b c.png"):
        (images / name).touch()
    (folder / "outside.png").touch()
    (images / "link.png").symlink_to(folder / "outside.png")
    inside = os.path.realpath(images) + os.sep

    def run(content):
        (folder / "joints.txt").write_bytes(content)
        errors = []
        for image_dir in (images, None):
            try:
                annotations = read_annotations(folder / "joints.txt", image_dir, skeleton)
            except Exception as error:
                errors.append(error)
                continue
            if image_dir:
                assert all(os.path.realpath(path).startswith(inside) for path in annotations), "outside of the folder"
            write_annotations(folder / "again.txt", annotations, image_dir, overwrite=True)
            again = read_annotations(folder / "again.txt", image_dir, skeleton)
            names = [list(map(os.path.normpath, read.paths)) for read in (annotations, again)]  # ./a.png is a.png
            assert names[0] == names[1], "other names after writing"
            written = np.where(np.abs(annotations.landmarks) < 5e-4, 0, annotations.landmarks)  # three decimals
            expected = Annotations(annotations.paths, written).landmarks  # 0 0 is no label
            np.testing.assert_allclose(again.landmarks, expected, rtol=1e-15, atol=1e-3)
        return errors

    numbers = b"1.5 2.5 -3 40.25 600 7.125"
    seeds = [b"a.png " + numbers, b"# made by hand\n\na.png " + numbers + b"\nb c.png\tnan nan 0 0 1e2 5\r\n",
             b"\xef\xbb\xbfa.png " + numbers, b"a.png " + numbers + b"\n./a.png " + numbers,
             b"../outside.png " + numbers, b"link.png " + numbers, b"a.png 1 2 3"]  # fmt: skip
    return run, seeds


def clips(folder):
    """clips.csv, of annotations in two folders, with the image folder and without."""
    import numpy as np

    from har import read_clips
    from pose import Annotations
    from pose.split import subjects_of

    names = [f"{where}/{i}.png" for where in "ab" for i in range(5)]
    clips_csv = folder / "clips.csv"
    bare, placed = (Annotations([prefix + name for name in names], np.ones((10, 3, 2))) for prefix in ("", "images/"))

    def run(content):
        clips_csv.write_bytes(content)
        errors = []
        for annotations, image_dir in ((bare, None), (placed, "images")):
            try:
                read_clips(clips_csv, annotations, image_dir)
                assert len(subjects_of(annotations, clips_csv, image_dir)) == len(annotations)
            except Exception as error:
                errors.append(error)
        return errors

    header = b"clip,subject,action,first_image,last_image\n"
    good = b"x,Ann,wave,a/0.png,a/1.png\ny,Bob,wave,b/2.png,b/3.png\n"
    seeds = [header + good, header, header + b'"x, 1",Ann,"wa""ve",a/0.png,a/1.png\r\n' + good[27:],
             b"\xef\xbb\xbf" + header + good, header + good + good,
             header + b'x,"Ann,wave,a/0.png,a/1.png\n' + good[27:],
             b"last_image,first_image,action,subject,clip,more\na/1.png,a/0.png,jump,Ann,z,1,2\n"]  # fmt: skip
    return run, seeds


def images(folder):
    """The content of an image file, at several resolutions."""
    import cv2
    import numpy as np
    from PIL import Image

    from pose.images import decode_picture

    def run(content):
        encoded, errors = np.frombuffer(content, np.uint8), []
        for shrink in SHRINKS:
            try:
                picture = decode_picture(encoded, "an image", shrink)
            except Exception as error:
                errors.append(error)
                continue
            height, width = picture.pixels.shape[:2]
            assert (picture.pixels.dtype, picture.pixels.shape[2:]) == (np.uint8, (3,)), "not RGB of 8 bits"
            assert (width, height) == (-(-picture.width // picture.step), -(-picture.height // picture.step)), "size"
        return errors

    colour = np.arange(16 * 24 * 3, dtype=np.uint8).reshape(16, 24, 3)
    depth, real = colour[..., 0].astype(np.uint16) * 99, colour.astype(np.float32) / 7
    kinds = [(".png", colour), (".png", depth), (".jpg", colour), (".bmp", colour), (".webp", colour), (".tif", colour),
             (".tif", depth), (".tif", real), (".ppm", colour), (".pfm", real), (".hdr", real), (".gif", colour),
             (".avif", colour), (".ras", colour)]  # fmt: skip
    seeds = [cv2.imencode(suffix, image)[1].tobytes() for suffix, image in kinds if cv2.haveImageWriter("x" + suffix)]
    turned, wavelets, exif = io.BytesIO(), io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colour).save(turned, "JPEG", exif=exif)
    Image.fromarray(colour).save(wavelets, "JPEG2000", num_resolutions=2)
    return run, [*seeds, turned.getvalue(), wavelets.getvalue()]


def checkpoints(folder):
    """A checkpoint's file as it is (first byte 0), or its metadata, around the weights of a valid one."""
    import atheris
    import numpy as np
    import torch
    from safetensors.torch import load_file, save
    from torch import _weights_only_unpickler

    import har
    import pose

    atheris.instrument_func(_weights_only_unpickler.Unpickler.load)
    hourglass = pose.StackedHourglass(channels=2, num_joints=3)
    skeleton = pose.Skeleton(("head", "left_shoulder", "right_hip"), (("head", "left_shoulder"),))
    head = har.ActivityHead(2, 3, hidden=2, frames=4, skeleton=skeleton)
    pose.save_model(folder / "pose", hourglass, skeleton)
    har.save_model(folder / "head", head, ["sit", "wave"], window=5)
    har.save_model(folder / "whole", har.HourglassLSTM(hourglass, head), ["sit", "wave"], inp_res=64)
    kinds = [None, "pose", "head", "whole"]
    weights = [kind and load_file(folder / kind) for kind in kinds]
    abouts = [json.dumps(pose.checkpoints.load_tensors(folder / kind)[1]).encode() for kind in kinds[1:]]
    file = folder / "file"

    def mpii(path):
        for num_joints in (16, 20):
            pose.load_mpii_checkpoint(path, num_joints)

    def run(content):
        kind = content[0] % 4 if content else 0
        if kind:
            about = content[1:].decode("utf-8", "replace")
            file.write_bytes(save(weights[kind], metadata={"about": about}))
        else:
            file.write_bytes(content[1:])
        errors = []
        for load in (pose.load_model, har.load_model) if kind else (pose.load_model, har.load_model, mpii):
            try:
                load(file)
            except Exception as error:
                errors.append(error)
        return errors

    files = [(folder / "head").read_bytes(), save({}, metadata={"about": abouts[0].decode()})]
    scores = {"state_dict": {"module.score.0.weight": torch.zeros(16, 2, 1, 1)}, "best": np.float64(0.5), "epoch": 3}
    for content in (scores, scores["state_dict"], [1, "a", None], {"b": torch.ones(2).half()}):
        for zipped in (True, False):
            torch.save(content, folder / "seed", _use_new_zipfile_serialization=zipped)
            files.append((folder / "seed").read_bytes())
    return run, [b"\0" + content for content in files] + [bytes([i]) + a for i, a in enumerate(abouts, start=1)]


TARGETS = {"joints": joints, "clips": clips, "images": images, "checkpoints": checkpoints}


def fuzz(target, findings, seconds):
    """Runs libFuzzer in this process, which it terminates."""
    import atheris

    sys.path.insert(0, str(PROJECT))
    with atheris.instrument_imports(include=["pose", "har", "PIL"]):
        import har  # noqa: F401
        from pose.runtime.errors import PoseError
    import torch

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
    (folder / "corpus").mkdir()
    (folder / "work").mkdir()
    run, seeds = TARGETS[target](folder / "work")
    for i, seed in enumerate(seeds):
        (folder / "corpus" / f"seed_{i:02}").write_bytes(seed)
    words = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS[target])
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    _bound_memory()
    seen = set()

    def one(content):
        try:
            errors = run(content)
        except Exception as error:  # an assertion above, or an error when writing back
            errors = [error]
        for error in errors:
            if not isinstance(error, PoseError):
                _report(error, content, findings, seen)

    flags = [f"-max_total_time={seconds}", f"-max_len={LONGEST[target]}", f"-dict={folder / 'words'}", "-seed=1",
             f"-timeout={SECONDS}", f"-rss_limit_mb={RSS_MB}", f"-artifact_prefix={findings}{os.sep}",
             "-print_final_stats=1", "-close_fd_mask=2", "-len_control=0"]  # fmt: skip
    atheris.Setup([sys.argv[0], str(folder / "corpus"), *flags], one)
    atheris.Fuzz()


def _bound_memory():
    """Limits this process to `MORE_MB` more address space; allocations beyond it fail."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_MB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _report(error, content, findings, seen):
    """Keeps the first input for each kind of error and each location."""
    frames = traceback.extract_tb(error.__traceback__)
    place = (type(error).__name__, *((frame.filename, frame.lineno) for frame in frames[1:]))
    if place not in seen:
        seen.add(place)
        kept = findings / hashlib.sha256(content).hexdigest()[:16]
        kept.write_bytes(content)
        print(f"FINDING {kept}\n{''.join(traceback.format_exception(error))}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--findings", type=Path, help="folder for inputs that are findings (default: a temporary one)")
    parser.add_argument("--here", action="store_true", help="in this process, with libFuzzer's own output only")
    args = parser.parse_args()
    try:
        import atheris  # noqa: F401
    except ImportError:
        sys.exit("fuzzing needs another package: pip install atheris")
    findings = args.findings or Path(tempfile.mkdtemp(prefix="findings_"))
    findings.mkdir(parents=True, exist_ok=True)
    if args.here:
        fuzz(args.target, findings.resolve(), round(60 * args.minutes))
    else:
        sys.exit(_watch(args.target, findings, args.minutes))


def _watch(target, findings, minutes):
    """Runs the fuzzer in a separate process, which a native crash may end, and prints its statistics."""
    command = [sys.executable, __file__, target, "--minutes", str(minutes), "--findings", str(findings), "--here"]
    quiet = {"OPENCV_LOG_LEVEL": "SILENT", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | quiet)
    found, about, log = 0, {}, []
    for line in (line.decode("utf-8", "replace").rstrip() for line in process.stdout):
        found += line.startswith("FINDING")
        about |= dict(re.findall(r"(?:stat::)?(\w+): +(\d+)", line)) if re.match(r"#\d+\s|stat::", line) else {}
        if re.match(r"#\d+\s+INITED", line):
            about["rss_at_start"] = about["rss"]
        log.append(line)
        if not re.match(r"INFO: Instr|#\d+\s+(NEW|REDUCE|RELOAD)|ReducE|stat::", line):
            print(line, flush=True)
    ended = process.wait()
    broke = "SUMMARY: libFuzzer" in "\n".join(log[-40:]) or ended != 0
    print(
        f"{target}: {about.get('number_of_executed_units')} executions, {about.get('average_exec_per_sec')} a second; "
        f"coverage {about.get('cov')}, features {about.get('ft')}; {about.get('rss_at_start')} MB with all imports, "
        f"{about.get('peak_rss_mb')} at most; findings in {findings}: {found + broke}"
    )
    return bool(found or broke)


if __name__ == "__main__":
    main()
