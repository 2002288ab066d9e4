"""Kendall's tau on held-out clips during training, shared by the processes."""

from pathlib import Path
from typing import Any

from tacref.data import Clip, check_phases
from tacref.data.feature_cache import ViewFeatures
from tacref.encoder import Encoder
from tacref.encoder.embedding import embed_clip, embed_shares
from tacref.evaluation import kendall_tau
from tacref.evaluation.labeled import ALL_CLIPS
from tacref.training.distributed import Ranks
from tacref.training.log import say


class HeldOut:
    """The held-out clips of a run.

    Parameters
    ----------
    clips : dict of str to list of Clip
        By activity. Each process embeds its share of them, and compares its share of the
        activities.
    ranks : Ranks
        The processes.
    skip : bool
        Leave out clips that cannot be read, and activities with fewer than two clips left; by
        default such a clip is an error.
    progress : bool
        Show a progress bar (on a terminal only).
    features : ViewFeatures, optional
        Of a frozen backbone: clips that it holds are not read.

    Attributes
    ----------
    clips : dict of str to list of Clip
        Those that have not been left out.
    bad : dict of Path to str
        What is wrong with each clip that was left out.
    """

    def __init__(
        self,
        clips: dict[str, list[Clip]],
        ranks: Ranks,
        *,
        skip: bool = False,
        progress: bool = False,
        features: ViewFeatures | None = None,
    ) -> None:
        self.clips, self.ranks = dict(clips), ranks
        self.skip, self.progress = skip, progress
        self.features = features
        self.bad: dict[Path, str] = {}

    def taus(self, encoder: Encoder) -> dict[str, float]:
        """Return tau by activity, in every process; the encoder is left in evaluation mode.

        Parameters
        ----------
        encoder : Encoder
            The same in every process, except for batch statistics, which become the first one's.

        Raises
        ------
        ValueError
            If a clip is damaged and not left out, or its phase labels are wrong.
        """
        encoder.eval()
        self.ranks.share_buffers(encoder)

        def embed(path: Path) -> Any:
            try:
                if self.features is not None and path in self.features.files:
                    return encoder.embed_features(self.features.load(path, 0))
                return embed_clip(encoder, path)[0]
            except (ValueError, OSError) as error:
                if not self.skip:
                    raise
                return str(error)

        embeddings: dict[Path, Any] = embed_shares(
            embed,
            [clip.path for members in self.clips.values() for clip in members],
            self.ranks.rank,
            self.ranks.world,
            self.ranks.gather_results,
            progress=self.progress,
        )
        failed = {path: reason for path, reason in embeddings.items() if isinstance(reason, str)}
        self._leave_out(failed)
        paths = [clip.path for members in self.clips.values() for clip in members]
        check_phases({path: len(embeddings[path]) for path in paths}, skip=self.skip)
        compared = {
            activity: kendall_tau([embeddings[clip.path] for clip in members])
            for activity, members in list(self.clips.items())[self.ranks.rank :: self.ranks.world]
        }
        shares = self.ranks.gather(compared)
        taus = {activity: tau for share in shares for activity, tau in share.items()}
        return {activity or ALL_CLIPS: taus[activity] for activity in self.clips}

    def _leave_out(self, bad: dict[Path, str]) -> None:
        self.bad |= bad
        for activity, members in list(self.clips.items()):
            left = [clip for clip in members if clip.path not in bad]
            if len(left) == len(members):
                continue
            self.clips[activity] = left
            if len(left) < 2:
                del self.clips[activity]
            if not self.ranks.first:
                continue
            for clip in members:
                if clip.path in bad:
                    say(f"left out: {bad[clip.path]}")
            if len(left) < 2:
                of = f" of {activity}" if activity else ""
                say(f"fewer than two held-out clips{of} are left: Kendall's tau is not measured")
