import numpy as np
import pytest

from tacref.data import write_video
from tacref.data.synthetic import draw_timeline, render
from tests.traces import traced_once


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data set of a few short, small videos."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            rng = np.random.default_rng([split == "val", number])
            frames = render(draw_timeline(rng), rng, 48)
            some = [frame for frame, _ in zip(frames, range(24 + number), strict=False)]
            (folder / split).mkdir(exist_ok=True)
            write_video(folder / split / f"{number}.mp4", iter(some))
    return folder


@pytest.fixture(scope="package", autouse=True)
def one_trace(tmp_path_factory):
    """Trace equal encoders once."""
    with traced_once(tmp_path_factory):
        yield
