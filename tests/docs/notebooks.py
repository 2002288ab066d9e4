"""Run the notebooks of docs/ cell by cell, without Jupyter.

`python -m tests.docs.notebooks` runs them and compares what each cell shows with what is kept in
the file: as much text and as many pictures. Numbers may differ, as they do from machine to machine;
what must hold is asserted in the cells. `--write` keeps what they show now.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
import types
from pathlib import Path
from unittest import mock

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NOTEBOOKS = tuple(sorted(FOLDER.glob("*.ipynb")))
DPI = 64


def run_cells(cells):
    """Run the code of a notebook in the current folder; return what each cell shows."""
    module = types.ModuleType("__main__")  # where Jupyter runs it, and others look names up
    with mock.patch.dict(sys.modules, {"__main__": module}):
        return _run_cells(cells, module.__dict__)


def _run_cells(cells, names):
    shown = []
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        *body, last = ast.parse("".join(cell["source"])).body
        if not isinstance(last, ast.Expr):
            body, last = [*body, last], None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            name = f"<cell {number}>"
            exec(compile(ast.Module(body, []), name, "exec"), names)
            value = last and eval(compile(ast.Expression(last.value), name, "eval"), names)
        shown.append([*_stream(printed.getvalue()), *_result(value)])
    return shown


def _stream(text):
    if text:
        yield {"name": "stdout", "output_type": "stream", "text": text.splitlines(True)}


def _result(value):
    """Yield what Jupyter shows of the last value of a cell: a figure as a picture."""
    if value is None:
        return
    data = {"text/plain": repr(value).splitlines(True)}
    if hasattr(value, "savefig"):
        picture = io.BytesIO()
        value.savefig(picture, dpi=DPI)
        data["image/png"] = base64.b64encode(picture.getvalue()).decode()
        data["text/plain"] = ["the figure"]
    yield {"data": data, "metadata": {}, "output_type": "display_data"}


def _kinds(shown):
    return [[sorted(output.get("data", ["stream"])) for output in outputs] for outputs in shown]


def main(arguments):
    """Run all notebooks, or those named; exit with 1 if one shows something else than it keeps."""
    write = "--write" in arguments
    status = 0
    for path in [Path(each).resolve() for each in arguments if each != "--write"] or NOTEBOOKS:
        notebook = json.loads(path.read_text("utf-8"))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            shown = run_cells(notebook["cells"])
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        if write:
            for cell, outputs in zip(code, shown, strict=True):
                cell["outputs"] = outputs
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
        elif _kinds(shown) != _kinds([cell["outputs"] for cell in code]):
            print(f"{path.name}: shows something else; python -m tests.docs.notebooks --write")
            status = 1
    return status


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main(sys.argv[1:]))
