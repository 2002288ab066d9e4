"""The trainer; a rank is killed once, at step 8, and a clip is cut; for test_several_processes."""

import os
import signal
import sys

from tacref.commands import main
from tacref.data import PairDataset
from tests.training.training_data import with_a_cut_clip

draw = PairDataset.batch


def batch(self, step, **share):
    if step == 8 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(self, step, **share)


PairDataset.batch = batch
PairDataset._read_side = with_a_cut_clip(PairDataset._read_side)
sys.exit(main(sys.argv[1:]))
