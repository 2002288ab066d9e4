"""A clip as an array of features, `(T, F)`, in a .npy file."""

import zipfile
from pathlib import Path

import numpy as np


def load_features(path: str | Path, rows: np.ndarray | None = None) -> np.ndarray:
    """Read a feature array.

    Parameters
    ----------
    path : str or Path
        A `.npy` file of float or integer numbers, shape `(T, F)`. Never unpickled.
    rows : ndarray of int64, shape (N,), optional
        Frames of interest; of a file larger than the memory these alone are read.

    Returns
    -------
    ndarray of float32, shape (T, F) or (N, F)
        One row a frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such an array, is empty, or holds NaN or infinity.
    """
    try:
        if rows is None:
            with open(path, "rb") as file:  # np.load leaves it open where it fails
                array = np.load(file, allow_pickle=False)
        else:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such feature array") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        # NumPy's own message is about pickles, whatever the file is.
        raise ValueError(f"{path}: not a plain .npy array, or cut off") from None
    except OSError as error:
        raise ValueError(f"{path}: not a plain .npy array ({error.strerror})") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: is an archive of arrays, not one .npy array")
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.size == 0:
        raise ValueError(
            f"{path}: must hold numbers of shape (T, F), got {array.dtype} of shape {array.shape}"
        )
    if rows is not None:
        array = array[rows]
    with np.errstate(over="ignore"):  # beyond float32 is infinity, refused below
        features = array.astype(np.float32, order="C")  # rows in memory, whatever the file
    if not np.isfinite(features).all():
        frame, feature = np.argwhere(~np.isfinite(features))[0]
        at = frame if rows is None else rows[frame]
        raise ValueError(
            f"{path}: holds {features[frame, feature]} at frame {at}, feature {feature}"
        )
    return features
