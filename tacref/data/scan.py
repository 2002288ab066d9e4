"""A scan of all clips before training: their numbers of frames, or what is wrong with them."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm import tqdm

from tacref.data.cache import ClipIndex
from tacref.data.clips import Clip


def index_clips(
    clips: Sequence[Clip], *, keep_errors: bool = False, progress: bool = False
) -> list[ClipIndex | str]:
    """Index clips, without decoding their videos.

    Parameters
    ----------
    clips : sequence of Clip
        The clips to index.
    keep_errors : bool
        Whether to return an error message in place of the index of a bad clip instead of raising.
    progress : bool
        Show a progress bar (on a terminal only).

    Raises
    ------
    FileNotFoundError, ValueError
        If a clip is missing or damaged and errors are not kept.
    """

    def index(clip: Clip) -> ClipIndex | str:
        try:
            return ClipIndex(clip)
        except (ValueError, OSError) as error:
            if not keep_errors:
                raise
            return str(error)

    def submit(clip: Clip) -> Future[ClipIndex | str] | None:
        # Threads only for videos, as ffmpeg releases the GIL. NumPy may fail to read headers on
        # several threads: CPython 3.11 counts the depth of syntax trees of all threads together.
        if clip.kind != "video":
            return None
        try:
            return pool.submit(index, clip)
        except RuntimeError:  # the system starts no more threads
            return None

    results = []
    with (
        ThreadPoolExecutor(8) as pool,
        tqdm(
            desc="scan", total=len(clips), unit=" clips", disable=None if progress else True
        ) as bar,
    ):
        for clip, future in zip(clips, [submit(clip) for clip in clips], strict=True):
            results.append(index(clip) if future is None else future.result())
            bar.update()
    return results
