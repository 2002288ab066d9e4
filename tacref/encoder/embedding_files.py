"""Embeddings of a clip as a file: `embeddings` (T, d) and `timestamps` (T,) in an `.npz`."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from tacref.files import new_file, replacing


def save_embeddings(
    file: Path, embeddings: np.ndarray, timestamps: np.ndarray, *, replace: bool = False
) -> None:
    """Write a file, whole or not at all.

    Parameters
    ----------
    file : Path
        `*.npz`.
    embeddings, timestamps : ndarray
        As `tacref.encoder.embedding.embed_clip` returns them.
    replace : bool
        Replace the file; by default one that is there is an error.

    Raises
    ------
    FileExistsError
        If it is there, and not to be replaced.
    """
    with (replacing if replace else new_file)(file) as path:
        np.savez(path, embeddings=embeddings, timestamps=timestamps)


def is_whole(file: Path, dim: int) -> bool:
    """Return whether a file holds the embeddings of a clip, and is not damaged.

    Parameters
    ----------
    file : Path
        What `save_embeddings` wrote.
    dim : int
        Length of the encoder's embeddings.

    Raises
    ------
    ValueError
        If they are of another encoder, as far as can be told.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as saved:
            embeddings, timestamps = saved["embeddings"], saved["timestamps"]
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        return False
    if embeddings.ndim != 2 or len(embeddings) != len(timestamps) or not len(embeddings):
        return False
    if embeddings.shape[1] != dim:
        raise ValueError(
            f"{file}: holds {embeddings.shape[1]} dimensions, the encoder gives "
            f"{dim}; name another folder or remove it"
        )
    return True
