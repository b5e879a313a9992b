"""Activity recognition in image clips: a stacked hourglass, then batch normalisation, an LSTM and a linear layer."""

import pose.runtime.openmp  # noqa: F401 (before torch)
from har.augmentation import MotionAugmentation
from har.checkpoints import load_model, save_model
from har.clip_labeller import ClipLabeller
from har.config import HarConfig
from har.datasets import ClipDataset, SequenceDataset, collate_clips
from har.evaluation import ActivityScores, evaluate
from har.head import ActivityHead
from har.hourglass_lstm import HourglassLSTM, read_out
from har.joints_3d import Joints3D, read_joints_3d, write_joints_3d
from har.plotting import (
    animate_clip,
    plot_activity_history,
    plot_balance,
    plot_confusion,
    plot_probabilities,
    plot_strips,
)
from har.prediction import Moment, SlidingWindow, predict_annotations
from har.protocols import (
    Fold,
    ProtocolScores,
    fixed_subjects,
    halves_of_subjects,
    leave_one_sequence_out,
    leave_one_subject_out,
    parts_of_subjects,
    run_protocol,
)
from har.split import ClipSplit, split_clips
from har.training import fit
from pose.clips import Clip, ClipError, actions_of, divide_clips, find_clips, read_clips

__all__ = [
    "ActivityHead",
    "ActivityScores",
    "Clip",
    "ClipDataset",
    "ClipError",
    "ClipLabeller",
    "ClipSplit",
    "Fold",
    "HarConfig",
    "HourglassLSTM",
    "Joints3D",
    "Moment",
    "MotionAugmentation",
    "ProtocolScores",
    "SequenceDataset",
    "SlidingWindow",
    "actions_of",
    "animate_clip",
    "collate_clips",
    "divide_clips",
    "evaluate",
    "find_clips",
    "fit",
    "fixed_subjects",
    "halves_of_subjects",
    "leave_one_sequence_out",
    "leave_one_subject_out",
    "load_model",
    "parts_of_subjects",
    "plot_activity_history",
    "plot_balance",
    "plot_confusion",
    "plot_probabilities",
    "plot_strips",
    "predict_annotations",
    "read_clips",
    "read_joints_3d",
    "read_out",
    "run_protocol",
    "save_model",
    "split_clips",
    "write_joints_3d",
]
