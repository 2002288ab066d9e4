"""Write the page: a folder that any web server serves, and that loads nothing from elsewhere."""

import json
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from tacref.alignment.labels import reference_labels
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind, iter_frames
from tacref.encoder.embedding import embed_clip
from tacref.report.footage import write_footage
from tacref.report.progress import frames_bar
from tacref.report.series import elapsed
from tacref.web import COSTS
from tacref.web.runtime import runtime_files
from tacref_export.exported import read_exported
from tacref_export.session import EncoderSession

MODEL = "encoder.onnx"
_SCRIPTS = ("app.js", "encoder.js", "load.js", "model.js", "online.js", "pictures.js",
            "sources.js", "view.js", "worker.js")  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A page that follows a performer through a reference.

    Parameters
    ----------
    reference : Path
        A clip with pictures.
    ort : Path or None
        Where onnxruntime-web is, as `runtime_files` takes it.
    phases : str, optional
        A label file with the reference's phases.
    cost : {"sqeuclidean", "cosine"}
        Cost of a pair of frames.
    """

    reference: Path
    ort: Path | None
    phases: str | None = None
    cost: str = "sqeuclidean"

    def check(self) -> None:
        """Refuse what could not be done, before any work.

        Raises
        ------
        FileNotFoundError
            If the reference, a label file or onnxruntime-web is missing.
        ValueError
            If the reference has no pictures, the labels are not its own, or the cost is not one
            that the page computes.
        """
        if self.cost not in COSTS:
            raise ValueError(
                f"the cost of a page must be {' or '.join(COSTS)}, got {self.cost!r}; tacref "
                "follow has the others"
            )
        if not self.reference.exists():
            raise FileNotFoundError(f"{self.reference}: no such file or folder")
        if clip_kind(self.reference) == "features":
            raise ValueError(f"{self.reference}: has no pictures, which a page shows and embeds")
        runtime_files(self.ort)
        if self.phases is not None:
            reference_labels(self.phases, self.reference, clip_length(self.reference))

    def write(self, folder: Path, *, progress: bool = False) -> None:
        """Write all files of the page but the encoder.

        Parameters
        ----------
        folder : Path
            An existing folder with the encoder, `encoder.onnx`.
        progress : bool
            Show progress bars (on a terminal only).

        Raises
        ------
        FileNotFoundError, ValueError
            As `check`; or if the reference is damaged or the encoder does not take pictures.
        """
        check_encoder(folder / MODEL)
        with EncoderSession(folder / MODEL) as session:
            embeddings, times = embed_clip(session, self.reference, progress=progress)
        phases = None
        if self.phases is not None:
            phases = reference_labels(self.phases, self.reference, len(times), times)
        with frames_bar(progress, "copy", len(times)) as advance:
            write_footage(folder / "reference.mp4", iter_frames(self.reference), advance=advance)
        embeddings.astype("<f4").tofile(folder / "reference.f32")
        ends = elapsed(times)
        about = {
            "name": self.reference.resolve().name.encode("utf-8", "replace").decode("utf-8"),
            "fps": 1 / float(np.median(np.diff(ends))),
            "ends": [round(float(end), 6) for end in ends],
            "phases": phases,
            "dim": embeddings.shape[1],
            "cost": self.cost,
        }
        (folder / "reference.json").write_text(json.dumps(about), encoding="utf-8")
        self._copy_parts(folder)

    def _copy_parts(self, folder: Path) -> None:
        own = resources.files("tacref.web")
        for name in ("index.html", "package.json", *_SCRIPTS):
            (folder / name).write_bytes((own / name).read_bytes())
        styles = (resources.files("tacref.report") / "report.css", own / "page.css")
        style = "\n".join(each.read_text("utf-8") for each in styles)
        (folder / "style.css").write_text(style, encoding="utf-8")
        (folder / "ort").mkdir()
        for file in runtime_files(self.ort):
            shutil.copyfile(file, folder / "ort" / file.name)


def check_encoder(path: Path) -> None:
    """Refuse an encoder that a page cannot run.

    Parameters
    ----------
    path : Path
        A run's folder or an exported file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is neither, takes no pictures, or has its weights in a second file.
    """
    if path.is_file():
        exported = read_exported(path)
        config = exported.config
        if exported.weights is not None:
            raise ValueError(f"{path}: beyond 2 GiB, which is too large for a browser")
    else:
        from tacref.encoder.storage import read_encoder_config  # imports torch

        config = read_encoder_config(path)
    if not config.takes_pictures:
        raise ValueError(f"{path}: takes rows of features, but a page gives it pictures")
