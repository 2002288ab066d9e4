"""Pictures of embeddings and of training, as PNG files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tacref.colors import GRID, INK, LINES
from tacref.evaluation.checks import Embeddings, check_videos
from tacref.figures import new_figure, ramp_colormap, style, style_matrix
from tacref.text_files import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More than this could not be distinguished in one picture.
MAX_PAIRS, MAX_VIDEOS = 4, 12
DPI = 120
MAX_LETTERS = 50  # of an activity in a file name, up to 4 bytes each


def plot_similarity(embeddings: Embeddings) -> "Figure":
    """Draw distances between all frames of the first pairs of videos.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        At least two videos, by name; the first one is compared with up to four others.

    Returns
    -------
    Figure
        Dark where two frames are near. Frames of the first video run downward, as in the report,
        those of the other to the right: a good encoder gives one dark line, from the top left to
        the bottom right.
    """
    videos = check_videos(embeddings, "embeddings", min_videos=2)
    (first, x), *others = videos.items()
    others = others[:MAX_PAIRS]
    figure = new_figure(3.2 * len(others) + 0.6, 3.4)
    axes = figure.subplots(1, len(others), squeeze=False)[0]
    for axis, (name, y) in zip(axes, others, strict=True):
        near_x, near_y = x - x.mean(0), y - x.mean(0)  # an offset would cost digits
        squares = (near_x**2).sum(1)[:, None] + (near_y**2).sum(1) - 2 * near_x @ near_y.T
        image = axis.imshow(
            np.sqrt(np.maximum(squares, 0)), origin="upper", aspect="auto", cmap=ramp_colormap()
        )
        axis.set(xlabel=f"frame of {_plain(name)}", ylabel=f"frame of {_plain(first)}")
        style_matrix(axis)
    bar = figure.colorbar(image, ax=axes.tolist(), label="distance")
    bar.outline.set_visible(False)
    style([bar.ax])
    return figure


def plot_trajectories(embeddings: Embeddings) -> "Figure":
    """Draw embeddings over time in the plane of their two principal components.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        Videos by name; up to twelve are drawn, the components are computed from all.

    Returns
    -------
    Figure
        One line per video, from dark (its first frame) to light (its last), and next to it the
        first component over time, where each video has its own color and dashes.
    """
    videos = check_videos(embeddings, "embeddings")
    rows = np.concatenate(list(videos.values()))
    mean = rows.mean(0)
    # The right singular vectors are the principal components, the largest first.
    _, _, components = np.linalg.svd(rows - mean, full_matrices=False)
    components = np.vstack([components[:2], np.zeros((max(0, 2 - len(components)), rows.shape[1]))])
    figure = new_figure(11, 4)
    plane, over_time = figure.subplots(1, 2)
    drawn = list(videos.items())[:MAX_VIDEOS]
    for (name, video), (color, dashes) in zip(drawn, LINES, strict=False):
        points = (video - mean) @ components.T
        times = np.arange(len(video)) / max(1, len(video) - 1)
        plane.plot(*points.T, color=GRID, linewidth=0.8, zorder=1)
        dots = plane.scatter(
            *points.T, c=times, s=9, cmap=ramp_colormap(), vmin=0, vmax=1, zorder=2
        )
        over_time.plot(
            times, points[:, 0], color=color, linestyle=dashes, linewidth=1.5, label=_plain(name)
        )
    bar = figure.colorbar(dots, ax=plane, label="time / length of the video")
    bar.outline.set_visible(False)
    plane.set(xlabel="first principal component", ylabel="second principal component")
    over_time.set(xlabel="time / length of the video", ylabel="first principal component")
    style([plane, over_time, bar.ax])
    # Next to the lines, not on top of them.
    over_time.legend(
        fontsize="small", frameon=False, handlelength=3, loc="upper left", bbox_to_anchor=(1, 1)
    )
    return figure


def plot_learning(metrics: str | Path) -> "Figure":
    """Draw a run's loss and Kendall's tau over its steps.

    Parameters
    ----------
    metrics : str or Path
        The run's `metrics.jsonl`.

    Returns
    -------
    Figure
        Loss above, tau on held-out clips below (if it was measured).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds neither.
    """
    curves: dict[str, list[tuple[float, float]]] = {"loss": [], "mean_tau": []}
    for line in read_metrics(metrics):
        for name, points in curves.items():
            if {"step", name} <= line.keys():
                points.append((float(line["step"]), float(line[name])))
    drawn = {name: points for name, points in curves.items() if points}
    if not drawn:
        raise ValueError(f"{metrics}: holds no metrics of a run")
    figure = new_figure(6, 2.6 * len(drawn))
    titles = {"loss": "loss", "mean_tau": "Kendall's tau, held out"}
    for axis, (name, points) in zip(
        figure.subplots(len(drawn), 1, squeeze=False)[:, 0], drawn.items(), strict=True
    ):
        marker = "o" if len(points) < 20 else None
        axis.plot(*np.array(points).reshape(-1, 2).T, color=INK, linewidth=1.5, marker=marker)
        axis.set(xlabel="step", ylabel=titles[name])
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        style([axis])
    return figure


def save_plots(
    folder: Path, embeddings: Mapping[str, Embeddings], metrics: Path | None = None
) -> list[str]:
    """Write all pictures into a folder.

    Parameters
    ----------
    folder : Path
        An empty folder.
    embeddings : mapping of str to mapping of str to array_like
        Activity to its videos' embeddings.
    metrics : Path, optional
        A run's `metrics.jsonl`.

    Returns
    -------
    list of str
        Names of the files.
    """
    written: list[str] = []
    for number, (activity, videos) in enumerate(embeddings.items()):
        name = re.sub(r"\W+", "_", activity)[:MAX_LETTERS] or str(number)
        if f"similarity_{name}.png" in written:  # "a-b" after "a b", or both too long
            name += f"_{number}"
        for kind, plot in (("similarity", plot_similarity), ("trajectories", plot_trajectories)):
            written.append(f"{kind}_{name}.png")
            plot(videos).savefig(folder / written[-1], dpi=DPI)
    if metrics is not None:
        written.append("learning.png")
        plot_learning(metrics).savefig(folder / written[-1], dpi=DPI)
    return written


def _plain(name: str) -> str:
    """Return a name without bytes that are not text, and without mathematics for Matplotlib."""
    return name.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")
