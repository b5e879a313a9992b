"""The folders of trainings: pose_001, pose_002, … A new training never touches an old one's folder."""

from pathlib import Path

from pose.runtime.files import not_written


def new_run(parent, kind="pose"):
    """Makes the next free folder `kind_NNN` in `parent`; returns its path. Raises FileError."""
    runs = _runs(parent, kind)
    run = Path(parent) / f"{kind}_{_number(runs[-1]) + 1 if runs else 1:03d}"
    try:
        run.mkdir(parents=True)
    except OSError as error:
        raise not_written(run, error) from None
    return run


def latest_run(parent, kind="pose"):
    """The newest training in `parent` that has a best.safetensors, or None."""
    finished = [path for path in _runs(parent, kind) if (path / "best.safetensors").exists()]
    return finished[-1] if finished else None


def _runs(parent, kind):
    runs = Path(parent).glob(f"{kind}_*")
    return sorted((run for run in runs if run.name.removeprefix(f"{kind}_").isdigit()), key=_number)


def _number(run):
    return int(run.name.rpartition("_")[2])
