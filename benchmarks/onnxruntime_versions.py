"""`python -m benchmarks.onnxruntime_versions`: the exported file in many versions of onnxruntime.

Small encoders are exported here, in each precision. Each version is installed in an environment in
a temporary folder, loads the files and embeds the same frames, at once and in chunks, and through
`EncoderSession`; onnxruntime-web does so in Node, at once. The embeddings are compared with those
of the onnxruntime here, which the export proves equal to torch's.

The packages are downloaded from their indices: about 20 MB for each version.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PROBE = ROOT / "benchmarks" / "onnxruntime_probe.py"
PAGE = ROOT / "docs" / "onnxruntime-versions.md"
# The last of each minor version, and the first of those that pyproject.toml allows.
VERSIONS = (
    "1.13.1", "1.14.1", "1.15.1", "1.16.3", "1.17.3", "1.18.1", "1.19.2", "1.20.1", "1.21.1",
    "1.22.1", "1.23.2", "1.24.1", "1.24.4", "1.25.1", "1.26.0", "1.27.0", "1.28.0", "1.29.0",
    "1.30.0", "1.31.1", "1.32.0",
)  # fmt: skip
WEB_VERSIONS = (
    "1.14.0", "1.15.1", "1.16.3", "1.17.3", "1.18.0", "1.19.2", "1.20.1", "1.21.1", "1.22.0",
    "1.23.2", "1.24.3", "1.25.1", "1.27.0", "1.29.0", "1.30.0",
)  # fmt: skip
FIRST_FOR_NUMPY_2 = (1, 19)
FIRST_FOR_PYTHON_3_11 = (1, 15)
OFFSETS = (-4, 0, 9)  # the last as in the probe
FRAMES = 30
# How far each form may be off. float16 is computed in float32 by CPUs and rounded between layers,
# int8 rounds to steps of about 1/100, and an optimizer may move either rounding.
LIMITS = {"float32": 1e-5, "float16": 1e-2, "int8": 1e-1}


def minor(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    first, second = version.split(".")[:2]
    return int(first), int(second)


def make_forms(folder: Path) -> None:
    """Export each encoder and precision, with frames and the embeddings that are expected."""
    from tacref.data.synthetic import make_dataset
    from tacref.encoder import EncoderConfig, build_encoder, save_encoder
    from tacref_export import EncoderSession, export_encoder

    with tempfile.TemporaryDirectory() as work:
        clips = sorted((make_dataset(Path(work) / "data", train=2, val=2) / "val").glob("*.mp4"))
        encoders = {
            "small": EncoderConfig.default("small", size=64, dim=32, offsets=OFFSETS),
            "resnet50": EncoderConfig.default("resnet50", size=32, dim=8, offsets=OFFSETS),
            "features": EncoderConfig.default("features", channels=6, dim=8, offsets=OFFSETS),
        }
        for name, config in encoders.items():
            save_encoder(build_encoder(config, seed=1), Path(work) / name)
            frames = frames_for(config)
            for precision in ("float32", "float16", "int8") if name == "small" else ("float32",):
                form = f"{name} {precision}"
                path = folder / f"{form}.onnx"
                calibration = clips if precision == "int8" else []
                export_encoder(Path(work) / name, path, precision=precision, clips=calibration)
                session = EncoderSession(path)
                rows = session.embed(frames)
                streaming = path.read_bytes() + base64.b64decode(session.metadata["streaming"])
                (folder / f"{form}.stream.onnx").write_bytes(streaming)
                np.save(folder / f"{form}.frames.npy", frames)
                np.save(folder / f"{form}.rows.npy", rows)
                described = {
                    "type": str(frames.dtype), "shape": frames.shape,
                    "frames": frames.ravel().tolist(), "rows": rows.ravel().tolist(),
                }  # fmt: skip
                (folder / f"{form}.json").write_text(json.dumps(described))


def frames_for(config: Any) -> np.ndarray:
    """Return frames that an encoder takes, drawn at random."""
    rng = np.random.default_rng(0)
    if config.takes_pictures:
        return rng.integers(0, 256, (FRAMES, 45, 60, 3), dtype=np.uint8)
    return rng.normal(size=(FRAMES, config.channels)).astype(np.float32)


def run(*command: object, cwd: Path | None = None, paths: str = "") -> str:
    """Run a command and return what it prints; raise with its last line if it fails."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(lines[-1])
    return done.stdout


Found = dict[str, dict[str, float | str]]  # form to way to difference, or what went wrong


def probe(version: str, python: str, folder: Path, work: Path) -> Found:
    """Return what a version finds, in an environment that only differs in it from the others."""
    numpy = "numpy" if minor(version) >= FIRST_FOR_NUMPY_2 else "numpy<2"
    place = work / f"{Path(python).resolve().parents[1].name}-{numpy}"
    inside = place / "bin" / "python"
    install = (inside, "-m", "pip", "install", "-q", "--no-compile", "--only-binary", ":all:")
    if not place.exists():
        run(python, "-m", "venv", place)
        run(*install, numpy, "numba")  # Numba resizes the pictures of an EncoderSession
    run(*install, numpy, f"onnxruntime=={version}")
    installed = run(inside, "-c", "import onnxruntime; print(onnxruntime.__version__)").strip()
    check_version(installed, version)
    return probe_forms([inside, PROBE, folder], folder, f"{ROOT}:{ROOT / 'export'}")


def probe_web(version: str, folder: Path) -> Found:
    """Return what a version of onnxruntime-web finds in Node."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "package.json").write_text('{"private": true, "type": "module"}')
        package = f"onnxruntime-web@{version}"
        run("npm", "install", "--ignore-scripts", "--silent", package, cwd=Path(place))
        description = Path(place) / "node_modules" / "onnxruntime-web" / "package.json"
        check_version(json.loads(description.read_text("utf-8"))["version"], version)
        program = shutil.copy(PROBE.with_suffix(".mjs"), place)
        return probe_forms(["node", program, folder], folder)


def check_version(installed: str, wanted: str) -> None:
    """Refuse an environment that has another version."""
    if installed != wanted:
        raise RuntimeError(f"{installed} was installed, not {wanted}")


def probe_forms(command: list[object], folder: Path, paths: str = "") -> Found:
    """Return what a command prints of each form, each in a process of its own, which may crash."""
    found: Found = {}
    for file in sorted(folder.glob("*.rows.npy")):
        form = file.name.removesuffix(".rows.npy")
        try:
            found[form] = json.loads(run(*command, form, paths=paths))["ways"]
        except RuntimeError as error:
            found[form] = {way: f"crashes: {error}" for way, _ in COLUMNS.values()}
    return found


def cell(found: Found, way: str, precision: str) -> str:
    """Return the largest difference of the forms of a precision, or what went wrong."""
    values = [ways[way] for form, ways in found.items() if form.endswith(precision)]
    errors = [value for value in values if isinstance(value, str)]
    if errors:
        return "crashes" if errors[0].startswith("crashes") else "error"
    worst = max(value for value in values if not isinstance(value, str))
    shown = f"{worst:.0e}" if worst else "0"
    return shown if worst <= LIMITS[precision] else f"**wrong by {shown}**"


COLUMNS = {
    "float32": ("whole", "float32"),
    "in chunks": ("stream", "float32"),
    "float16": ("whole", "float16"),
    "int8": ("whole", "int8"),
    "`EncoderSession`": ("EncoderSession", "float32"),
}


def main() -> None:
    """Probe each version and write the page's tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--versions", nargs="*", default=VERSIONS, metavar="V")
    parser.add_argument("--web", nargs="*", default=WEB_VERSIONS, metavar="V")
    parser.add_argument("--older-python", metavar="PATH", help="for versions before 1.15")
    parser.add_argument("--forms", type=Path, help="keep the exported files in this folder")
    parser.add_argument("--write", action="store_true", help=f"the tables into {PAGE.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        forms = options.forms or Path(work)
        if not any(forms.glob("*.onnx")):
            forms.mkdir(exist_ok=True)
            make_forms(forms)
        python = [
            row(version, forms, Path(work), options.older_python) for version in options.versions
        ]
        web = [web_row(version, forms) for version in options.web]
    tables = {
        "python": ["| onnxruntime | " + " | ".join(COLUMNS) + " |", "|---" * 6 + "|", *python],
        "web": ["| onnxruntime-web | float32 | float16 | int8 |", "|---" * 4 + "|", *web],
    }
    if options.write:
        page = PAGE.read_text("utf-8")
        for name, lines in tables.items():
            page = replaced(page, name, lines)
        PAGE.write_text(page, "utf-8")


def row(version: str, forms: Path, work: Path, older_python: str | None) -> str:
    """Return and print a line of the first table."""
    older = minor(version) < FIRST_FOR_PYTHON_3_11
    python = (older_python or "") if older else sys.executable
    try:
        found = probe(version, python, forms, work) if python else None
    except RuntimeError as error:
        print(f"{version}: {error}", file=sys.stderr)
        found = None
    if found is None:
        line = f"| {version} |" + " not tried |" * len(COLUMNS)
    else:
        report_errors(version, found)
        cells = [cell(found, *how) for how in COLUMNS.values()]
        if older:
            cells[-1] = ""  # tacref needs Python 3.11
        line = f"| {version} | " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def web_row(version: str, forms: Path) -> str:
    """Return and print a line of the second table."""
    try:
        found = probe_web(version, forms)
    except RuntimeError as error:
        print(f"web {version}: {error}", file=sys.stderr)
        line = f"| {version} |" + " not tried |" * 3
    else:
        report_errors(f"web {version}", found)
        line = f"| {version} | " + " | ".join(cell(found, "whole", each) for each in LIMITS) + " |"
    print(line, flush=True)
    return line


def report_errors(version: str, found: Found) -> None:
    """Print what went wrong in a version."""
    for form, ways in found.items():
        for way, value in ways.items():
            if isinstance(value, str):
                print(f"{version}: {form}, {way}: {value}", file=sys.stderr)


def replaced(page: str, name: str, lines: list[str]) -> str:
    """Return a page with other lines between the marks of a table."""
    before, start, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not (start and end):
        raise ValueError(f"{PAGE}: no marks of the table {name}")
    return f"{before}{start}\n{chr(10).join(lines)}\n\n{end}{after}"


if __name__ == "__main__":
    main()
