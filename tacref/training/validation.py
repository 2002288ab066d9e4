"""Kendall's tau on held-out clips in the course of training, shared by the processes."""

from tacref.data import Clip, check_phases
from tacref.embed import embed_clip, embed_shares
from tacref.encoder import Encoder
from tacref.evaluation import kendall_tau
from tacref.evaluation.labeled import ALL
from tacref.training.distributed import Ranks


def held_out_taus(
    encoder: Encoder, clips: dict[str, list[Clip]], ranks: Ranks, *, progress: bool = False
) -> dict[str, float]:
    """Return tau by activity, in every process; the encoder is left in evaluation mode.

    Parameters
    ----------
    encoder : Encoder
        The same in every process but for batch statistics, which become the first one's.
    clips : dict of str to list of Clip
        Held-out clips. Each process embeds its share of them, and compares its share of the
        activities.
    ranks : Ranks
        The processes.
    progress : bool
        Show a progress bar (on a terminal only).

    Raises
    ------
    ValueError
        If a clip is damaged, or phase labels beside it are wrong.
    """
    encoder.eval()
    ranks.share_buffers(encoder)
    paths = [clip.path for members in clips.values() for clip in members]
    embeddings = embed_shares(
        lambda path: embed_clip(encoder, path)[0],
        paths,
        ranks.rank,
        ranks.world,
        ranks.gather_results,
        progress=progress,
    )
    check_phases({path: len(rows) for path, rows in embeddings.items()})
    compared = {
        activity: kendall_tau([embeddings[clip.path] for clip in members])
        for activity, members in list(clips.items())[ranks.rank :: ranks.world]
    }
    taus = {activity: tau for share in ranks.gather(compared) for activity, tau in share.items()}
    return {activity or ALL: taus[activity] for activity in clips}
