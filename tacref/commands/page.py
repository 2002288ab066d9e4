"""`tacref export --web`: a page that follows a performer in the browser."""

import argparse
import json
import shutil
from pathlib import Path

from tacref.files import check_new_folder, new_folder
from tacref.web import COSTS
from tacref_export.convert import export_encoder
from tacref_export.writing import Precision

_ONLY_FOR_PAGES = ("reference", "phases", "ort", "cost")


def add_page(parser: argparse.ArgumentParser) -> None:
    """Add the options of a page."""
    group = parser.add_argument_group("with --web")
    group.add_argument("--reference", metavar="A", help="find positions in this video")
    group.add_argument(
        "--phases",
        metavar="FILE",
        help="show the reference's phases, read from this label file, as tacref follow does",
    )
    group.add_argument(
        "--ort",
        metavar="DIR",
        help="copy onnxruntime-web from here: where npm install onnxruntime-web was run, or the "
        "package",
    )
    group.add_argument(
        "--cost",
        metavar="COST",
        help=f"take this distance between embeddings as cost: {' or '.join(COSTS)} (default: "
        f"{COSTS[0]})",
    )


def check_page_options(options: argparse.Namespace) -> None:
    """Refuse options of a page without one, and the other way around.

    Raises
    ------
    ValueError
        If options do not fit each other.
    """
    if options.web is None:
        for name in _ONLY_FOR_PAGES:
            if getattr(options, name) is not None:
                raise ValueError(f"--{name} needs --web")
        return
    if options.force:
        raise ValueError("--force replaces the file of --out; --web needs a new folder")
    if options.reference is None:
        raise ValueError("--web needs --reference, the video to find positions in")
    if Path(options.run).is_file() and (options.fp16 or options.int8 or options.clips):
        raise ValueError(f"{options.run}: exported already; --fp16, --int8 and --clips need a run")


def write_page(options: argparse.Namespace, precision: Precision) -> int:
    """Write the page; return the status.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or does not fit.
    ParityError
        If the exported encoder would differ from torch.
    """
    from tacref.web.page import MODEL, Page, check_encoder  # imports Numba, PyAV and others

    page = Page(
        Path(options.reference),
        None if options.ort is None else Path(options.ort),
        options.phases,
        options.cost or COSTS[0],
    )
    out = check_new_folder(options.web)
    page.check()
    run = Path(options.run)
    check_encoder(run)
    with new_folder(out) as folder:
        model = folder / MODEL
        if run.is_file():
            shutil.copyfile(run, model)
        else:
            export_encoder(run, model, precision=precision, clips=options.clips, progress=True)
        page.write(folder, progress=not options.json)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if options.json:
        print(json.dumps({"page": str(out / "index.html"), "bytes": size}))
    else:
        print(
            f"{out}: a page of {size / 1e6:.1f} MB; python -m http.server --directory {out}, and "
            "open http://localhost:8000/"
        )
    return 0
