"""Untrusted files run nothing, reach nothing outside their folder, and take little memory.

That `load_mpii_checkpoint` refuses a file that asks to run code, and does not run it, is in test_mpii.py.
"""

import ast
import gzip
import io
import pickle
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

import har
import pose
from pose.check import check_annotations
from pose.images import decode_picture
from pose.runtime.errors import PoseError

PROJECT = Path(__file__).parents[1]
SOURCES = [path for folder in ("pose", "har", "data") for path in sorted((PROJECT / folder).rglob("*.py"))]
NUMBERS = " ".join(f"{value}.5" for value in range(1, 41))


# Running code from a file.

FORBIDDEN_IMPORTS = {"yaml", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "torch.jit.load",
    "torch.hub.load",
}


def dangers(source):
    """What in a module's source could run code from a file: (line, what)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            yield from ((node.lineno, name) for name in modules if name and name.split(".")[0] in FORBIDDEN_IMPORTS)
            if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "os", "subprocess"):
                yield from ((node.lineno, alias.name) for alias in node.names if alias.name != "PathLike")
        if isinstance(node, ast.Call):
            called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in FORBIDDEN_NAMES | FORBIDDEN_CALLS:
                yield node.lineno, called
            if called == "Image.open" and given.get("formats") != "KINDS":  # Pillow starts an interpreter of PostScript
                yield node.lineno, "Image.open of any format"
            if called == "torch.load" and given.get("weights_only") != "True":
                yield node.lineno, "torch.load without weights_only=True"
            if given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
                yield node.lineno, f"{called} with allow_pickle or shell"


def test_no_source_reads_what_could_run_code():
    found = {path.relative_to(PROJECT): list(dangers(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert len(found) > 50
    assert not {path: what for path, what in found.items() if what}


@pytest.mark.parametrize(
    "source",
    ["pickle.load(file)", "from pickle import loads", "torch.load(path)", "torch.load(path, weights_only=False)",
     "import yaml", "Image.open(path)",
     "np.load(path, allow_pickle=True)", "eval(text)", "exec(text)", "os.system(text)",
     "subprocess.run(text, shell=True)"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    assert list(dangers(source))


class Touch:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.mkdir, (self.path,))


@pytest.mark.parametrize("load", [pose.load_model, har.load_model], ids=["hourglass", "recogniser"])
@pytest.mark.parametrize(
    "wrap", [bytes, lambda content: struct.pack("<Q", len(content)) + content], ids=["bare", "framed"]
)
def test_a_pickle_under_another_name_is_refused_and_does_not_run(tmp_path, load, wrap):
    trap = tmp_path / "it ran"
    (tmp_path / "best.safetensors").write_bytes(wrap(pickle.dumps(Touch(trap))))
    with pytest.raises(PoseError, match=r"best\.safetensors: is not a checkpoint"):
        load(tmp_path / "best.safetensors")
    assert not trap.exists()
    pickle.loads(pickle.dumps(Touch(trap)))  # it would have
    assert trap.exists()


# Reaching outside the folder.


@pytest.fixture
def folder(tmp_path):
    """images/ with a.png, and links that lead out of it; secret.png next to it."""
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").touch()
    (tmp_path / "secret.png").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.png").touch()
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    (images / "relative.png").symlink_to("../secret.png")
    (images / "chain.png").symlink_to("link.png")
    (images / "linked").symlink_to(tmp_path / "elsewhere")
    (images / "inner.png").symlink_to("a.png")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "linked/../../secret.png", "./../secret.png", "..", "/etc/passwd", "//server/share/a.png",
     "\\\\server\\share\\a.png", "..\\secret.png", "C:\\a.png", "c:a.png", "link.png", "relative.png", "chain.png",
     "linked/secret.png", "a.png\0", "\0", "\0/../../secret.png"],
)  # fmt: skip
def test_no_name_leads_out_of_the_image_folder(folder, name):
    (folder / "joints.txt").write_bytes(f"{name} {NUMBERS}".encode())
    with pytest.raises(
        pose.AnnotationError, match=r"line 1: .*(leaves|leads out of) the image folder|there is no image"
    ):
        pose.read_annotations(folder / "joints.txt", folder / "images")


def test_a_link_within_the_folder_and_a_linked_folder_are_followed(folder):
    (folder / "joints.txt").write_text(f"inner.png {NUMBERS}")
    assert len(pose.read_annotations(folder / "joints.txt", folder / "images")) == 1
    (folder / "other").symlink_to(folder / "images")  # the person's own choice
    assert len(pose.read_annotations(folder / "joints.txt", folder / "other")) == 1


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "a/../../secret.tar"])
def test_an_index_of_shards_names_no_file_elsewhere(tmp_path, tiny_annotations, name):
    pytest.importorskip("webdataset")
    pose.write_shards(tiny_annotations, tmp_path / "shards")
    index = tmp_path / "shards" / "shards.json"
    (tmp_path / "secret.tar").write_bytes((tmp_path / "shards" / "000000.tar").read_bytes())
    index.write_text(index.read_text().replace("000000.tar", name))
    (tmp_path / "shards" / "a").mkdir()
    with pytest.raises(PoseError, match="leads out of the folder"):
        next(iter(pose.ShardedGeneric(tmp_path / "shards", inp_res=64)))


# Exhausting the memory.

SIDE = 60_000


def png(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


def jpeg(width, height):
    content = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]


def tiff(width, height):
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 122), (277, 3, 1),
            (278, 4, height), (279, 4, 192)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(192)


def webp(width, height):
    content = cv2.imencode(".webp", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    place = content.index(b"VP8L") + 9
    sides = min(width, 16384) - 1 | min(height, 16384) - 1 << 14  # what the format can say
    return content[:place] + struct.pack("<I", sides) + content[place + 4 :]


def bmp(width, height):
    return (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(192)
    )


def pnm(width, height):
    return f"P6\n{width} {height}\n255\n".encode() + bytes(192)


GIANTS = {"png": png, "jpeg": jpeg, "tiff": tiff, "webp": webp, "bmp": bmp, "pnm": pnm}
LONG_CHUNK = png(24, 16)[:33] + struct.pack(">I", 0x40000000) + b"IDAT" + bytes(9)  # claims to be 1 GB


@pytest.mark.parametrize("make", GIANTS.values(), ids=GIANTS.keys())
@pytest.mark.parametrize("shrink", [1, 40])
def test_an_image_that_claims_to_be_giant_is_refused_immediately(make, shrink):
    encoded = np.frombuffer(make(SIDE, SIDE), np.uint8)
    started = time.perf_counter()
    with pytest.raises(pose.ImageError, match=r"giant\.png: has more than \d+ million pixels; make it smaller"):
        decode_picture(encoded, "giant.png", shrink)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("make", GIANTS.values(), ids=GIANTS.keys())
def test_the_headers_above_are_those_of_real_images_except_for_their_size(make):
    encoded = np.frombuffer(make(8, 8), np.uint8)
    assert decode_picture(encoded, "small", 1).pixels.shape == (8, 8, 3)


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from pose.images import ImageError, decode_picture

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
for path in sys.argv[1:]:
    for shrink in (1, 40):
        try:
            decode_picture(np.fromfile(path, np.uint8), path, shrink)
        except ImageError:
            continue
        sys.exit(f"{path} was read")
print((peak() - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another unit of memory, or none")
def test_refusing_giant_images_takes_no_memory(tmp_path):
    files = {name: make(SIDE, SIDE) for name, make in GIANTS.items()} | {"long_chunk": LONG_CHUNK}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in files]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100  # MB


# Reaching the network.

OFFLINE = """
import sys
import tarfile
from pathlib import Path
from importlib.util import find_spec

asked = []

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        asked.append((event, args))
        raise ConnectionError(f"{event} {args}")

sys.addaudithook(refuse)
import matplotlib
matplotlib.use("Agg")
import torch
torch.set_num_threads(1)
import har
import pose

out = Path(sys.argv[1])
prepared = pose.split_dataset(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images", out / "prepared")
config = pose.TrainConfig(channels=2, inp_res=64, epochs=1, batch_size=4)
train, valid = prepared.train.select(range(8)), prepared.valid.select(range(4))
data = config.build_dataset(train, True), config.build_dataset(valid, False)
pose.fit(config.build_model(), *data, config, out / "pose")
pose.check_annotations(prepared.joints_txt, prepared.image_dir)
if find_spec("webdataset"):
    pose.write_shards(train, out / "shards")
    assert len(list(config.build_sharded(out / "shards"))) == 8
predictor = pose.Predictor(out / "pose" / "best.safetensors", flip_test=True)

annotations = pose.read_annotations(prepared.joints_txt, prepared.image_dir)
clips = har.find_clips(prepared.joints_txt, annotations, prepared.image_dir)[:4]
config = har.HarConfig(hidden=2, epochs=1, batch_size=2)
head = config.build_head(len(har.actions_of(clips)))
har.fit(head, config.build_dataset(annotations, clips, is_train=True), None, config, out / "actions")
stream = har.SlidingWindow(out / "actions" / "best.safetensors", pose=predictor)
frames = [pose.read_image(path) for path in clips[0].images(annotations)][:2]
moments = list(stream.run(frames))
heatmaps = torch.rand(2, 20, 16, 16).numpy()
assert har.animate_clip(frames, moments, heatmaps, stream.actions).data
try:
    __import__("urllib.request").request.urlopen("http://127.0.0.1:9")
except OSError:
    pass
assert len(asked) == 1, asked  # by the lines above, so the hook works
print("offline")
"""


def test_nothing_asks_for_the_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("offline\n")


# Escaping from a page or a figure.

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$\\frac$", "$x^$ $", "a\nb", "\udcff\udcfe",
           "%s {0}", "\x1b[31m\x07", "_", "'; DROP TABLE clips; --"]  # fmt: skip
DRAWN = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', r"\$\frac\$", r"\$x^\$ \$", "a\nb",
         r"\udcff\udcfe", "%s {0}", r"\x1b[31m\x07", "_", "'; DROP TABLE clips; --"]  # fmt: skip


@pytest.fixture
def hostile(tiny_annotations, tmp_path):
    """Annotations whose images, and clips whose names, are hostile; and moments of a clip."""
    names = ["$\\frac$.png", "<b>&amp;.png", "'\"><img src=x>.png", "a$b$c.png"]
    paths = []
    for path, name in zip(tiny_annotations.paths, names, strict=True):
        paths.append(str(Path(path).rename(Path(path).with_name(name))))
    annotations = pose.Annotations(paths, tiny_annotations.landmarks)
    clips = [har.Clip(text, text, text, text, 0, 3, paths[0], paths[3]) for text in HOSTILE]
    probabilities = np.full(len(HOSTILE), 1 / len(HOSTILE), np.float32)
    moments = [har.Moment(text, 0.5, probabilities, annotations.landmarks[0]) for text in HOSTILE]
    return annotations, clips, moments


def drawn(figure):
    """All texts of a figure that could be drawn."""
    figure.canvas.draw()
    plt.close("all")
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.parametrize("plot", ["strips", "balance", "confusion", "probabilities"])
def test_hostile_names_of_clips_are_drawn_as_they_are(hostile, plot):
    annotations, clips, moments = hostile
    scores = har.ActivityScores(clips, HOSTILE, np.eye(len(HOSTILE)))
    figures = {
        "strips": lambda: har.plot_strips(annotations, clips, moments=2),
        "balance": lambda: har.plot_balance(clips),
        "confusion": lambda: har.plot_confusion(scores),
        "probabilities": lambda: har.plot_probabilities(moments, HOSTILE, at_most=len(HOSTILE)).figure,
    }
    shown = {
        "strips": {f"{text}, {text}" for text in DRAWN},
        "probabilities": {*DRAWN} - {"_"},  # legends leave out what starts with an underscore
    }
    assert shown.get(plot, {*DRAWN}) <= drawn(figures[plot]())
    assert str(scores)


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_hostile_names_of_images_are_drawn_as_they_are(hostile):
    annotations = hostile[0]
    figure = pose.plot_predictions(annotations, annotations.landmarks, range(4), np.zeros(4))
    names = [r"\$\frac\$.png", "<b>&amp;.png", "'\"><img src=x>.png", r"a\$b\$c.png"]
    assert {f"{name}\nmean error 0.00 torsos" for name in names} <= drawn(figure)


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_hostile_names_of_joints_are_drawn_as_they_are(hostile):
    annotations = hostile[0]
    joints = [f"{text}{n}" for n in range(5) for text in HOSTILE[:4]]
    skeleton = pose.Skeleton(joints, limbs=(), torso=joints[:2])
    names = {f"{text}{n}" for n in range(5) for text in DRAWN[:4]}
    scores = pose.score(annotations.landmarks, annotations.landmarks, skeleton)
    assert names <= drawn(pose.plot_pck(scores))
    assert names <= drawn(pose.plot_heatmaps(np.zeros((3, 64, 64)), np.zeros((20, 16, 16)), skeleton))
    named = pose.Annotations(annotations.paths, annotations.landmarks, skeleton=skeleton)
    sample = drawn(pose.plot_sample(pose.Generic(named, False, 64), 0))
    assert len(sample & {f"heatmap of {name}, 16 px" for name in names}) == 1


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_an_animated_clip_is_an_image_and_nothing_else(hostile):
    annotations, _, moments = hostile
    frames = [pose.read_image(annotations.paths[0])] * len(moments)
    shown = har.animate_clip(frames, moments, np.zeros((len(moments), 20, 16, 16)), HOSTILE)
    assert list(shown._repr_mimebundle_()[0]) == ["image/gif"]
    assert not [text for text in HOSTILE if len(text) > 6 and text.encode("utf-8", "surrogateescape") in shown.data]


def test_the_table_of_a_check_escapes_what_files_say(tmp_path):
    lines = [f"{text} {NUMBERS}" for text in HOSTILE if "\n" not in text]
    (tmp_path / "joints.txt").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    (tmp_path / "clips.csv").write_bytes("\n".join(HOSTILE).encode("utf-8", "surrogateescape"))
    (tmp_path / "images").mkdir()
    page = check_annotations(tmp_path / "joints.txt", tmp_path / "images")._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page


@pytest.mark.parametrize("kind", ["compressed", "sparse"])
def test_a_shard_takes_no_more_memory_than_it_has_bytes(tmp_path, tiny_annotations, kind):
    pytest.importorskip("webdataset")
    (shard,) = pose.write_shards(tiny_annotations, tmp_path / "shards")
    if kind == "compressed":
        shard.write_bytes(gzip.compress(shard.read_bytes()))
    else:
        with tarfile.open(shard, "w") as tar:
            member = tarfile.TarInfo("0.image")
            member.size = 10
            tar.addfile(member, io.BytesIO(b"0123456789"))
        content = bytearray(shard.read_bytes())
        content[124:136] = b"77777777777\0"  # 8 GB
        content[148:156] = b" " * 8
        content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
        shard.write_bytes(content)
    with pytest.raises(PoseError, match="is damaged"):
        next(iter(pose.ShardedGeneric(tmp_path / "shards", inp_res=64)))


def test_a_compressed_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\0" * 10**7)
    with pytest.raises(PoseError, match="is compressed, which no checkpoint is"):
        pose.load_mpii_checkpoint(tmp_path / "bomb.pth")
