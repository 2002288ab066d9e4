"""The label files of an alignment: `phases.csv` of all videos, and one file each for subtitles."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tacref.alignment.label_files import CLIP_FORMATS, write_clip_labels, write_labels
from tacref.data.labeled_clips import name_in_folder, path_from
from tacref.report.results import EmbeddedVideo

MAX_NAME_BYTES = 255  # that file systems take


def write_all_labels(
    folder: Path,
    final_folder: Path,
    videos: Sequence[EmbeddedVideo],
    labels: Mapping[str, Sequence[str | None]],
    formats: Sequence[str],
) -> None:
    """Write the labels of all videos.

    Parameters
    ----------
    folder : Path
        Where to write `phases.csv`, and in `phases/` a file of each video in each other format,
        called like the video.
    final_folder : Path
        What the folder will be called: of videos with the same name, `phases.csv` has the paths
        from there.
    videos : sequence of EmbeddedVideo
        With their clips' paths.
    labels : mapping of str to sequence of str or None
        Phase of every frame of each video, by name.
    formats : sequence of str
        Keys of `CLIP_FORMATS`.
    """
    paths = [video.path for video in videos if video.path is not None]
    names = Counter(path.resolve().name for path in paths)
    write_labels(
        folder / "phases.csv",
        {
            path.resolve().name
            if names[path.resolve().name] == 1
            else path_from(final_folder, path): labels[video.name]
            for video, path in zip(videos, paths, strict=True)
        },
    )
    stems = Counter(path.resolve().stem for path in paths)
    folders = Counter(name_in_folder(path.resolve()) for path in paths)
    for format in dict.fromkeys(formats):
        suffix, _ = CLIP_FORMATS[format]
        for number, (video, path) in enumerate(zip(videos, paths, strict=True), 1):
            stem = path.resolve().stem
            in_folder = name_in_folder(path.resolve())
            name = stem if stems[stem] == 1 else in_folder
            if (name == in_folder and folders[name] > 1) or len(
                os.fsencode(name + suffix)
            ) > MAX_NAME_BYTES:
                name = str(number)
            write_clip_labels(
                folder / "phases" / f"{name}{suffix}",
                labels[video.name],
                video.times,
                format=format,
            )
