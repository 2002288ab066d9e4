"""What MkDocs does besides: pages from outside docs/, notebooks, links into the source."""

from pathlib import Path
from typing import Any

import griffe._internal.docstrings.numpy as numpy_style
from links import OUTSIDE, ROOT, page_of, turn
from mkdocs.structure.files import File, Files
from notebooks import as_markdown

# Types stay as they are written: "Tensor, shape (B, n)" is not Python.
numpy_style.parse_docstring_annotation = lambda text, *_, **__: text


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/ and those that notebooks become."""
    for uri, origin in OUTSIDE.items():
        text = (ROOT / origin).read_text("utf-8")
        files.append(File.generated(config, uri, content=text))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        text, pictures = as_markdown(Path(file.abs_src_path))
        files.append(File.generated(config, page_of(file.src_uri), content=text))
        for name, content in pictures.items():
            uri = (Path(file.src_uri).parent / name).as_posix()
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn what is written for a reader in a clone."""
    return turn(markdown, page.file.src_uri)
