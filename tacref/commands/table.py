"""The commands by name, and the one that runs them."""

import difflib
import importlib
import sys
from collections.abc import Sequence

import tacref
from tacref.commands.guard import command
from tacref.interrupts import raise_waiting_signal

# Each is a module of this package, which is loaded when its command is run.
COMMANDS = {
    "train": "train an encoder on a folder of clips, or on the built-in activity",
    "evaluate": "score an encoder on held-out clips, next to baselines",
    "embed": "write the frame embeddings of videos",
    "align": "align videos; write alignment.json and report.html",
    "follow": "show where in a reference a performer is, while the video or camera runs",
    "demo": "go the whole road on the built-in activity: train, evaluate, export, align",
    "verify": "check a loss: value, gradients, padding, extremes",
    "export": "write a run's encoder as one ONNX file, proven equal to torch",
    "doctor": "list versions, providers, GPUs and folders, for a report of a fault",
    "inspect-backbone": "say what an ONNX model takes and gives, as a backbone for training",
}


@command("")
def main(argv: Sequence[str] | None = None) -> int:
    """Run `tacref NAME …` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: tacref COMMAND [options]   (tacref COMMAND --help says more)\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()))
        return 0
    if arguments[0] == "--version":
        print(tacref.__version__)
        return 0
    if arguments[0] not in COMMANDS:
        near = difflib.get_close_matches(arguments[0], COMMANDS)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(COMMANDS)}"
        raise ValueError(f"unknown command {arguments[0]!r}; {hint}")
    return _run(arguments[0], arguments[1:])


def _run(name: str, arguments: Sequence[str]) -> int:
    @command(name)
    def load_and_run() -> int:  # loading may fail for want of a package, too
        module = importlib.import_module(f"tacref.commands.{name.replace('-', '_')}")
        raise_waiting_signal()  # before anything is made
        status: int = module.main(arguments)
        return status

    return load_and_run()
