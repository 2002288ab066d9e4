"""`python -m tacref.evaluate`: Kendall's tau of an encoder on a split of a data set."""

import json
import sys
from collections.abc import Sequence

import numpy as np

from tacref.commands import Parser, command, positive_int
from tacref.data import Clip, check_phases, find_clips
from tacref.embed import Embedder, embed_clip, open_encoder
from tacref.evaluation import kendall_tau

# What a data set without activity folders is called.
ALL = "all"


def activity_taus(
    encoder: Embedder,
    clips: dict[str, list[Clip]],
    *,
    stride: int = 1,
    progress: bool = False,
) -> dict[str, float]:
    """Kendall's tau over all ordered pairs of clips, activity by activity.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    clips : dict of str to list of Clip
        From `find_clips`.
    stride : int
        Every how many frames of each clip are compared, >= 1.
    progress : bool
        Show a progress bar (on a terminal only).

    Returns
    -------
    dict of str to float
        Activity to tau; "all" where there are no activity folders.

    Raises
    ------
    ValueError
        If a clip is damaged or not what the encoder takes, or phase labels beside them are wrong.
    """
    from tqdm import tqdm

    taus = {}
    total = sum(map(len, clips.values()))
    with tqdm(total=total, desc="embed", unit=" clips", disable=None if progress else True) as bar:
        for activity, members in clips.items():
            embeddings = {}
            for clip in members:
                embeddings[clip.path] = embed_clip(encoder, clip.path)[0]
                bar.update()
            check_phases({path: len(rows) for path, rows in embeddings.items()})
            taus[activity or ALL] = kendall_tau(list(embeddings.values()), stride=stride)
    return taus


def mean_tau(taus: dict[str, float]) -> float:
    """Mean over activities, each counting alike."""
    return float(np.mean(list(taus.values())))


@command("evaluate")
def main(argv: Sequence[str] | None = None) -> int:
    """Print tau for each activity and the mean."""
    parser = Parser(
        prog="tacref evaluate",
        description="Kendall's tau over all ordered pairs of clips of each activity.",
    )
    parser.add_argument("encoder", metavar="RUN_OR_ONNX", help="a run's folder, or an ONNX file")
    parser.add_argument("--data", required=True, metavar="DIR", help="data set")
    parser.add_argument("--split", default="val", help="its folder in DIR (default: val)")
    parser.add_argument(
        "--stride",
        type=positive_int,
        default=1,
        metavar="N",
        help="compare every N-th frame (default: 1)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)

    clips = find_clips(options.data, options.split)
    encoder = open_encoder(options.encoder, device=options.device)
    taus = activity_taus(encoder, clips, stride=options.stride, progress=True)
    if options.json:
        print(
            json.dumps(
                {
                    "encoder": options.encoder,
                    "data": options.data,
                    "split": options.split,
                    "stride": options.stride,
                    "tau": taus,
                    "mean_tau": mean_tau(taus),
                }
            )
        )
        return 0
    print(f"Kendall's tau, all ordered pairs, stride {options.stride}, split {options.split}")
    width = max(len("mean"), *map(len, taus))
    for (activity, tau), members in zip(taus.items(), clips.values(), strict=True):
        print(f"  {activity:<{width}}  {tau:6.3f}  ({len(members)} clips)")
    print(f"  {'mean':<{width}}  {mean_tau(taus):6.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
