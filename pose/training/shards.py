"""Shards: a data set too large for single files, stored in tar files that are read sequentially.

Opening a million small files costs a disk or a network more than reading them. A shard is a tar file of a few hundred
images in random order, each with its landmarks; it is read in sequence, from a disk or a network share. The format is
that of the webdataset package, which reads it (Aizman, Maltby and Breuel, "High Performance I/O For Large Scale Deep
Learning", 2019).
"""

import json
import random
import tarfile
from functools import cache
from itertools import chain, count, islice
from pathlib import Path

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from pose.annotations import as_annotations, fingerprint
from pose.dataset import Samples
from pose.geometry import center_and_scale
from pose.images import ImageError, decode_picture
from pose.people import image_file
from pose.runtime import distributed
from pose.runtime.errors import DataError, ExistsError, FileError, MissingError, PoseError, optional_package
from pose.runtime.files import not_written, write_atomically
from pose.skeleton import KINECT20, Skeleton

INDEX = "shards.json"
MAX_IMAGES = 10**7  # per shard
SHUFFLE_BUFFER = 200  # images in memory, from which the next is drawn


def write_shards(annotations, out_dir, images_per_shard=500, seed=0):
    """Writes images and landmarks as shards, in an order determined by `seed`; the image files are stored unchanged.

    Returns the paths of the tar files. Raises DataError if there is no image, ExistsError if `out_dir` already contains
    shards, PackageError if the package webdataset is not installed.
    """
    webdataset, out_dir, annotations = _webdataset(), Path(out_dir), as_annotations(annotations)
    if (out_dir / INDEX).exists():
        raise ExistsError(f"{out_dir} already contains shards; choose another folder")
    if any(out_dir.glob("*.tar")):
        raise ExistsError(f"{out_dir} contains shards that were only partly written; delete it")
    if not len(annotations) or images_per_shard < 1:
        raise DataError("there is nothing to write: pass annotations with an image, and images_per_shard of 1 or more")
    missing = next((path for path in annotations.paths if not Path(image_file(path)).is_file()), None)
    if missing:
        raise MissingError(f"{missing}: there is no such image; check the data (python -m pose.check)")
    try:
        counts = _write(webdataset, annotations, out_dir, images_per_shard, seed)
    except OSError as error:
        raise not_written(out_dir, error) from None
    labelled = np.isfinite(annotations.landmarks).any(axis=(0, 2))
    metadata = {
        "images": counts,
        "labelled": labelled.tolist(),
        "fingerprint": fingerprint(annotations),
        "skeleton": annotations.skeleton.settings(),
    }
    write_atomically(out_dir / INDEX, json.dumps(metadata))  # last: without it the shards are incomplete
    return [out_dir / name for name in counts]


def _write(webdataset, annotations, out_dir, images_per_shard, seed):
    """Writes the tar files; returns {name: number of images}."""
    out_dir.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(seed).permutation(len(annotations))
    counts = {}
    for start in range(0, len(order), images_per_shard):
        rows, name = order[start : start + images_per_shard], f"{start // images_per_shard:06d}.tar"
        with open(out_dir / name, "wb") as file, webdataset.TarWriter(file) as writer:
            for row in rows:
                path = Path(image_file(annotations.paths[row]))
                record = {"index": int(row), "name": path.name, "landmarks": annotations.landmarks[row].tolist()}
                writer.write({"__key__": f"{row:09d}", "image": path.read_bytes(), "json": record})
        counts[name] = len(rows)
    return counts


class ShardedGeneric(Samples, IterableDataset):
    """The samples of `Generic`, read from the shards in a folder; for training, in `fit`.

    Each worker of each process reads its own shards, in an order determined by seed and epoch, and draws from a few
    images in memory. An epoch has as many images as the data set; if the shards cannot be dealt out evenly some images
    occur twice and others in another epoch. The order depends on the number of processes and workers.

    folder: from `write_shards`, at least as many shards as processes times workers. The rest is as for `Generic`;
    `TrainConfig.build_sharded` creates it.
    Raises MissingError if the folder has no complete shards, DataError if they are damaged, and in the loader if there
    are fewer than processes times workers.
    """

    def __init__(self, folder, is_train=True, inp_res=256, out_res=None, sigma=1.0, augmentation=None, seed=0,
                 on_bad_image="raise"):  # fmt: skip
        self.folder = Path(folder)
        if not (self.folder / INDEX).exists():
            raise MissingError(f"{self.folder}: contains no complete shards; create them with write_shards")
        try:
            metadata = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
            self.names, self.images = list(metadata["images"]), sum(metadata["images"].values())
            self.labelled, self.fingerprint = np.array(metadata["labelled"], bool), metadata["fingerprint"]
            skeleton = Skeleton.of(metadata["skeleton"]) if "skeleton" in metadata else KINECT20  # version 0.1
            if any(Path(name).name != name for name in self.names):
                raise DataError("a name leads out of the folder")
            if not all(isinstance(count, int) and 0 < count < MAX_IMAGES for count in metadata["images"].values()):
                raise DataError("a shard has an impossible number of images")
            if len(self.labelled) != len(skeleton):
                raise DataError(f"{len(self.labelled)} joints, of which {len(skeleton)} have a name")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(f"{self.folder / INDEX}: is damaged ({error}); write the shards again") from None
        super().__init__(self.images, skeleton, is_train, inp_res, out_res, sigma, augmentation, seed, on_bad_image)

    def __len__(self):
        """Images per epoch, over all processes together."""
        return self.images

    def name(self, row):
        """The image of this row as messages name it."""
        return f"image {row} of {self.folder}"

    def __iter__(self):
        """The samples of an epoch, in this process and worker."""
        webdataset, worker = _webdataset(), get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        stream, streams = distributed.rank() * workers + number, distributed.size() * workers
        if len(self.names) < streams:
            raise DataError(
                f"{len(self.names)} shards cannot be read by {streams} processes; write smaller ones, or use fewer"
            )
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.names)
        shards = [self.folder / name for name in order[stream::streams]]
        shuffle = webdataset.shuffle(SHUFFLE_BUFFER, rng=random.Random(f"{self.seed} {self.epoch} {stream}"))
        passes = (shuffle(_samples(webdataset, shards)) for _ in count())
        return islice(chain.from_iterable(map(self._one_pass, passes)), len(self) // streams)

    def _one_pass(self, samples):
        """The samples of one pass over the shards. Raises ImageError if there is none, since later passes would be
        empty, too.
        """
        found = False
        for sample in samples:
            try:
                made = self._sample(sample)
            except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError) as error:
                if isinstance(error, PoseError):
                    raise
                raise DataError(f"{sample['__url__']}: is damaged ({error}); write the shards again") from None
            if made:
                found = True
                yield made
        if not found:
            raise ImageError(f"{self.folder}: not a single image can be read")

    def _sample(self, sample):
        """The sample of an image of a shard; None if it is skipped."""
        record = json.loads(sample["json"])
        landmarks = np.array(record["landmarks"], np.float64).reshape(len(self.skeleton), 2)
        center, scale = center_and_scale(landmarks)
        try:
            picture = decode_picture(np.frombuffer(sample["image"], np.uint8), record["name"], self.shrink(scale))
        except ImageError as error:
            return self.bad_images.add(record["index"], sample["__url__"], error)
        return self.sample(record["index"], record["name"], picture, landmarks, center, scale)


def _samples(webdataset, shards):
    """Reads these tar files with webdataset, image by image."""
    read = webdataset.tariterators
    for path in shards:
        try:
            _refuse_bombs(path)
            yield from read.group_by_keys(read.tar_file_expander(_opened([path])))
        except (tarfile.TarError, EOFError) as error:
            raise DataError(f"{path}: is damaged ({error.args[0]}); write the shards again") from None


@cache  # once per process, not per epoch
def _refuse_bombs(path):
    """Raises TarError for a tar file that is compressed, or whose members are larger than it is."""
    size = path.stat().st_size if path.exists() else 0
    with tarfile.open(path, "r:") as tar:
        if any(member.issparse() or member.size > size for member in tar):
            raise tarfile.TarError("a member is larger than the file")


def _opened(shards):
    """The shards in webdataset's form; opened here, since webdataset would treat a path as a URL."""
    for path in shards:
        try:
            with open(path, "rb") as stream:
                yield {"url": str(path), "stream": stream}
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror}); write the shards again") from None


def _webdataset():
    return optional_package("webdataset", "reading or writing shards", "webdataset")
