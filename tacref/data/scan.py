"""A look at every clip before training: how many frames it has, or what is wrong with it."""

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
        Which.
    keep_errors : bool
        Return what is wrong with a clip in the place of its index, instead of raising it.
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
        # Only videos on threads, as ffmpeg works without the GIL. NumPy's reading of headers may
        # fail on several, as CPython 3.11 counts the depth of all threads' syntax trees together.
        if clip.kind != "video":
            return None
        try:
            return pool.submit(index, clip)
        except RuntimeError:  # the system lets no further thread start
            return None

    found = []
    with (
        ThreadPoolExecutor(8) as pool,
        tqdm(
            desc="scan", total=len(clips), unit=" clips", disable=None if progress else True
        ) as bar,
    ):
        for clip, future in zip(clips, [submit(clip) for clip in clips], strict=True):
            found.append(index(clip) if future is None else future.result())
            bar.update()
    return found
