"""A clip as an array of features, `(T, F)`, in a .npy file."""

import zipfile
from pathlib import Path

import numpy as np


def load_features(path: str | Path) -> np.ndarray:
    """Read a feature array.

    Parameters
    ----------
    path : str or Path
        A `.npy` file of float or integer numbers, shape `(T, F)`. Never unpickled.

    Returns
    -------
    ndarray of float32, shape (T, F)
        One row a frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such an array, is empty, or holds NaN or infinity.
    """
    try:
        with open(path, "rb") as file:  # np.load leaves it open where it fails
            array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such feature array") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a plain .npy array, or cut off ({error})") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: is an archive of arrays, not one .npy array")
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.size == 0:
        raise ValueError(
            f"{path}: must hold numbers of shape (T, F), got {array.dtype} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinity, refused below
        features = array.astype(np.float32)
    if not np.isfinite(features).all():
        frame, feature = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(
            f"{path}: holds {features[frame, feature]} at frame {frame}, feature {feature}"
        )
    return features
