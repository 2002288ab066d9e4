"""A progress bar over the frames written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tacref.terminal import bar_options


@contextmanager
def frames_bar(show: bool, title: str, frames: int) -> Iterator[Callable[[int], object] | None]:
    """Yield a function that counts frames on a progress bar (on a terminal only), or None."""
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=frames, desc=title, **bar_options("frames")) as bar:
        yield bar.update
