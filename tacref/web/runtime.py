"""The files of onnxruntime-web that the page loads, from where npm put them."""

from pathlib import Path

# Its build for WebAssembly alone, and what that loads.
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
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
        If no folder is given; says what to install.
    """
    if folder is None:
        raise ValueError(f"a page needs the files of onnxruntime-web: {HINT}")
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {HINT}")
    for place in _PLACES:
        files = [Path(folder) / place / name for name in FILES]
        if all(file.is_file() for file in files):
            return files
    raise FileNotFoundError(f"{folder}: has no {FILES[0]} of onnxruntime-web; {HINT}")
