"""`python -m benchmarks.export`: an encoder in torch and as an ONNX session, frames a second.

Each contestant embeds one video of T frames, in a process of its own, whose largest memory is
reported too (Linux). All have the same weights; the largest difference from torch is printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LENGTHS = (1, 8, 64, 512)
WHO = (
    "each context frame, Conv3d",
    "each frame once, Conv3d",
    "torch eager",
    "torch.compile",
    "session float32",
    "session float16",
    "session int8",
)
GRAPHS = ("session float32, CUDA graph", "session float16, CUDA graph")  # on a GPU, too
ON_A_GPU = (*(who for who in WHO if who != "session int8"), *GRAPHS)
CHUNK = 64  # frames that a CUDA graph is captured for
FILES = {"float32": "encoder.onnx", "float16": "half.onnx", "int8": "int8.onnx"}
LIMIT = 900.0  # seconds a process may take
FEWEST, MOST = 2, 30  # calls


def video(T: int, side: int) -> np.ndarray:
    """Return T frames of noise, uint8 `(T, side, side, 3)`."""
    return np.random.default_rng(0).integers(0, 256, (T, side, side, 3), dtype=np.uint8)


def precision_of(who: str) -> str | None:
    """Return the precision of a session's file; None for another contestant."""
    return who.split()[1].strip(",") if who.startswith("session ") else None


def prepare(name: str, folder: Path, precisions: Collection[str | None]) -> None:
    """Make a run and its files of some precisions."""
    from tacref.data.synthetic import make_dataset
    from tacref.encoder import EncoderConfig, build_encoder, save_encoder
    from tacref_export import export_encoder

    save_encoder(build_encoder(EncoderConfig.default(name)), folder)
    clips = sorted((make_dataset(folder / "data", train=2, val=2) / "val").glob("*.mp4"))
    for precision, file in FILES.items():
        if precision not in precisions:
            continue
        calibration = clips if precision == "int8" else []
        made = export_encoder(folder, folder / file, precision=precision, clips=calibration)
        worst = max(made.parity, key=lambda each: each.max_abs)
        print(f"{name} {precision}: {worst.max_abs:.1e} from torch; {made.tau or ''}", flush=True)


def contestant(who: str, folder: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what maps frames to embeddings."""
    if who.startswith("session"):
        from tacref_export import EncoderSession

        options = {"chunk": CHUNK, "cuda_graph": True} if who in GRAPHS else {}
        file = folder / FILES[str(precision_of(who))]
        return EncoderSession(file, providers=(device,), **options).embed
    import torch

    from tacref.encoder import load_encoder

    encoder = load_encoder(folder, device=device)
    if who == "torch eager":
        return encoder.embed
    if who == "torch.compile":
        model = torch.compile(encoder, dynamic=True)
    else:
        from benchmarks.encoder import Straightforward

        model = Straightforward(encoder, once=who.startswith("each frame once"))

    @torch.inference_mode()
    def embed(frames: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(frames).to(device)).cpu().numpy()

    return embed


def measure(
    who: str, folder: Path, T: int, side: int, device: str, seconds: float
) -> dict[str, float]:
    """Return frames a second and megabytes, measured in this process."""
    embed, frames = contestant(who, folder, device), video(T, side)
    embed(frames)  # compiles, searches, allocates
    times: list[float] = []
    while len(times) < FEWEST or (len(times) < MOST and sum(times) < seconds):
        start = time.perf_counter()
        embed(frames)
        times.append(time.perf_counter() - start)
    status = Path("/proc/self/status").read_text("utf-8")
    most = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"fps": T / statistics.median(times), "mb": int(most) / 1024}


def main() -> None:
    """Print one table for each encoder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", nargs="+", default=["small", "resnet50"])
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, metavar="T")
    parser.add_argument("--side", type=int, default=224, help="of the frames in pixels")
    parser.add_argument("--who", nargs="+", choices=WHO + GRAPHS, metavar="NAME")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seconds", type=float, default=6.0, help="of calls, of each (default: 6)")
    parser.add_argument("--probe", nargs=3, metavar=("WHO", "DIR", "T"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        who, folder, T = options.probe
        found = measure(who, Path(folder), int(T), options.side, options.device, options.seconds)
        print(json.dumps(found))
        return
    from benchmarks.measure import machine  # loads torch, whose memory is not the session's

    print(machine(options.device))
    for name in options.encoders:
        with tempfile.TemporaryDirectory() as folder:
            wanted = options.who or (WHO if options.device == "cpu" else ON_A_GPU)
            prepare(name, Path(folder), {precision_of(who) for who in wanted})
            lengths = options.lengths
            print(f"\n| {name}: frames/s (MB) | " + " | ".join(f"T = {T}" for T in lengths) + " |")
            print("|---|" + "---:|" * len(lengths))
            for who in wanted:
                # The plain ones are written for the convolutional head.
                if who.endswith("Conv3d") and name != "resnet50":
                    continue
                cells = [cell(who, folder, T, options) for T in lengths]
                print(f"| {who} | " + " | ".join(cells) + " |", flush=True)


def cell(who: str, folder: str, T: int, options: argparse.Namespace) -> str:
    """Measure in a fresh process; a failure is a cell that says so."""
    command = [sys.executable, "-m", "benchmarks.export", "--probe", who, folder, str(T)]
    command += ["--side", str(options.side), "--device", options.device]
    command += ["--seconds", str(options.seconds)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"over {LIMIT:.0f} s"
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["?"])[-1][:60].replace("|", "/")
    measured = json.loads(done.stdout.splitlines()[-1])
    return f"{measured['fps']:.1f} ({measured['mb']:.0f})"


if __name__ == "__main__":
    main()
