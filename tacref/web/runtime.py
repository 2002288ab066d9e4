"""The files of onnxruntime-web that the page loads, from where npm put them."""

import re
from pathlib import Path

from tacref.text_files import read_json

# Its build for WebAssembly alone, and what that loads.
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
OLDEST = (1, 22)  # with the type and shape of inputs, which encoder.js reads
_PLACES = (".", "dist", "onnxruntime-web/dist", "node_modules/onnxruntime-web/dist")
HINT = "npm install onnxruntime-web; then --ort node_modules/onnxruntime-web"


def runtime_files(folder: str | Path | None) -> list[Path]:
    """Find the files of onnxruntime-web.

    Parameters
    ----------
    folder : str or Path or None
        Where `npm install onnxruntime-web` was run, its `node_modules`, the package, or its `dist`.

    Returns
    -------
    list of Path
        The files to copy.

    Raises
    ------
    FileNotFoundError
        If they are not there; says what to install.
    ValueError
        If no folder is given, or its onnxruntime-web is too old; says what to install.
    """
    if folder is None:
        raise ValueError(f"a page needs the files of onnxruntime-web: {HINT}")
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {HINT}")
    for place in _PLACES:
        files = [Path(folder) / place / name for name in FILES]
        if all(file.is_file() for file in files):
            _check_version(files[0].parent.parent / "package.json")
            return files
    raise FileNotFoundError(f"{folder}: has no {FILES[0]} of onnxruntime-web; {HINT}")


def _check_version(package: Path) -> None:
    """Refuse a package that is too old; files without one are taken as they are."""
    about = read_json(package) if package.is_file() else None
    if not isinstance(about, dict) or about.get("name") != "onnxruntime-web":
        return
    version = re.match(r"(\d+)\.(\d+)", str(about.get("version")))
    if version is not None and tuple(map(int, version.groups())) < OLDEST:
        raise ValueError(
            f"{package.parent}: onnxruntime-web {about['version']} is too old, the page needs "
            f"{'.'.join(map(str, OLDEST))} or newer; {HINT}"
        )
