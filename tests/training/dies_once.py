"""The trainer; a rank is killed once, at step 8, and a clip is cut; for test_several_processes."""

import os
import signal
import sys

from tacref.commands import main
from tacref.data import PairDataset
from tacref.data.sides import SideReader
from tests.training.training_data import with_a_cut_clip

draw = PairDataset.batch


def batch(self, step, **share):
    if step == 8 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(self, step, **share)


PairDataset.batch = batch
SideReader.read = with_a_cut_clip(SideReader.read)
sys.exit(main(sys.argv[1:]))
