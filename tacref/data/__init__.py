"""Where frames come from: videos, folders of pictures, arrays of features; pairs of them."""

from tacref.data.batch import PairBatch
from tacref.data.cache import ClipCache, ClipIndex
from tacref.data.clips import Clip, LoadedClip, find_clips, iter_frames, load_clip
from tacref.data.dataset import PairDataset
from tacref.data.loader import iter_batches
from tacref.data.phases import Phase, check_phases, phase_labels, read_phases
from tacref.data.pose import pose_features
from tacref.data.sampling import context_windows, segment_uniform
from tacref.data.writing import write_video

__all__ = [
    "Clip",
    "ClipCache",
    "ClipIndex",
    "LoadedClip",
    "PairBatch",
    "PairDataset",
    "Phase",
    "check_phases",
    "context_windows",
    "find_clips",
    "iter_batches",
    "iter_frames",
    "load_clip",
    "phase_labels",
    "pose_features",
    "read_phases",
    "segment_uniform",
    "write_video",
]
