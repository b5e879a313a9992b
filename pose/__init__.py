"""Human pose estimation with a stacked hourglass: from images and a joints file to predicted landmarks."""

import pose.runtime.openmp  # noqa: F401 (before torch)
from pose.annotations import AnnotationError, Annotations, read_annotations, write_annotations
from pose.augmentation import Augmentation
from pose.check import Finding, Report, check_annotations
from pose.checkpoints import load_model, save_model
from pose.dataset import Generic
from pose.evaluation import (
    ARMS,
    PoseScores,
    auc,
    error_per_image,
    evaluate,
    mean_pose,
    normalised_distances,
    pck,
    predict_dataset,
    predict_heatmaps,
    score,
    worst_rows,
)
from pose.export import export_onnx
from pose.films import read_frames
from pose.geometry import BOX_MARGIN, center_and_scale, crop_matrix, heatmap_to_image, transform_landmarks
from pose.heatmaps import heatmaps_to_landmarks, landmarks_to_heatmaps
from pose.hourglass import StackedHourglass, hg1, hg2, hg8
from pose.images import ImageError, read_image
from pose.labels.formats import (
    read_coco,
    read_csv,
    read_cvat,
    read_deeplabcut,
    read_label_studio,
    read_labelme,
    read_mpii_json,
    read_openpose,
    read_sleap,
    write_coco,
    write_csv,
)
from pose.labels.frames import extract_frames
from pose.labels.labeller import Labeller
from pose.labels.next_to_label import next_to_label
from pose.labels.prelabel import prelabel
from pose.loss import heatmap_loss
from pose.mpii import load_mpii_checkpoint
from pose.people import image_file, person_number
from pose.plotting import (
    LiveCurves,
    draw_landmarks,
    file_name,
    plot_annotations,
    plot_augmented,
    plot_confidence,
    plot_heatmaps,
    plot_history,
    plot_landmarks,
    plot_pck,
    plot_predictions,
    plot_sample,
)
from pose.prediction import Prediction, Predictor, draw_predictions, write_predictions
from pose.pretrained import pretrained
from pose.runtime.errors import PoseError
from pose.skeleton import BODY25, COCO17, KINECT20, LSP14, MPII16, PENN13, Skeleton
from pose.split import SAMPLE, Split, load_split, split_annotations, split_dataset
from pose.training import TrainConfig, fit
from pose.training.run_folders import compare_runs, latest_run, new_run
from pose.training.shards import ShardedGeneric, write_shards

__all__ = [
    "ARMS",
    "BODY25",
    "BOX_MARGIN",
    "COCO17",
    "KINECT20",
    "LSP14",
    "MPII16",
    "PENN13",
    "SAMPLE",
    "AnnotationError",
    "Annotations",
    "Augmentation",
    "Finding",
    "Generic",
    "ImageError",
    "Labeller",
    "LiveCurves",
    "PoseError",
    "PoseScores",
    "Prediction",
    "Predictor",
    "Report",
    "ShardedGeneric",
    "Skeleton",
    "Split",
    "StackedHourglass",
    "TrainConfig",
    "auc",
    "center_and_scale",
    "check_annotations",
    "compare_runs",
    "crop_matrix",
    "draw_landmarks",
    "draw_predictions",
    "error_per_image",
    "evaluate",
    "export_onnx",
    "extract_frames",
    "file_name",
    "fit",
    "heatmap_loss",
    "heatmap_to_image",
    "heatmaps_to_landmarks",
    "hg1",
    "hg2",
    "hg8",
    "image_file",
    "landmarks_to_heatmaps",
    "latest_run",
    "load_model",
    "load_mpii_checkpoint",
    "load_split",
    "mean_pose",
    "new_run",
    "next_to_label",
    "normalised_distances",
    "pck",
    "person_number",
    "plot_annotations",
    "plot_augmented",
    "plot_confidence",
    "plot_heatmaps",
    "plot_history",
    "plot_landmarks",
    "plot_pck",
    "plot_predictions",
    "plot_sample",
    "predict_dataset",
    "predict_heatmaps",
    "prelabel",
    "pretrained",
    "read_annotations",
    "read_coco",
    "read_csv",
    "read_cvat",
    "read_deeplabcut",
    "read_frames",
    "read_image",
    "read_label_studio",
    "read_labelme",
    "read_mpii_json",
    "read_openpose",
    "read_sleap",
    "save_model",
    "score",
    "split_annotations",
    "split_dataset",
    "transform_landmarks",
    "worst_rows",
    "write_annotations",
    "write_coco",
    "write_csv",
    "write_predictions",
    "write_shards",
]
