"""Ctrl-C in an export: one line, status 130 and no file, whatever libraries make of it."""

import os
import signal
import sys
import threading

import pytest

import tacref_export.graph
from tacref.commands.export import main
from tacref.interrupts import lasting_interrupts


def wrapped(encoder, precision):
    """As torch's exporter does."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise RuntimeError("Failed to export the model\nwith torch.export") from error


def forgotten(encoder, precision):
    """As a finalizer does; what was computed is then right."""

    class Finalized:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    Finalized()
    return to_graph(encoder, precision)


to_graph = tacref_export.graph.to_graph


@pytest.mark.parametrize("library", [wrapped, forgotten])
def test_one_line_and_no_file(exported, tmp_path, monkeypatch, capfd, library):
    monkeypatch.setattr(tacref_export.graph, "to_graph", library)
    path = tmp_path / "encoder.onnx"
    assert main([str(exported["features"].run), "-o", str(path)]) == 130
    assert capfd.readouterr() == ("", "tacref export: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class EndedError(KeyboardInterrupt):
    pass


def test_the_first_interruption_is_the_one_that_lasts():
    def end(number, frame):
        raise EndedError

    previous = signal.signal(signal.SIGTERM, end)

    def interrupted_import():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("partially initialized module") from None

    try:
        with pytest.raises(EndedError), lasting_interrupts():
            interrupted_import()
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_errors_stay_what_they_are():
    hook = sys.unraisablehook
    with pytest.raises(ValueError, match="mine"), lasting_interrupts():
        raise ValueError("mine")
    assert sys.unraisablehook is hook
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_threads_have_no_signals():
    seen = []

    def work():
        with lasting_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
