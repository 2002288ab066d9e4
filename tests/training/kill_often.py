"""Train once without a stop, then in children that are killed; run by test_kill.

python -m tests.training.kill_often DATA OUT KILLS
"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from tqdm import tqdm

from tacref.commands import main
from tests.training.training_data import OPTIONS

data, out, wanted = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
arguments = ["train", "--data", data, *OPTIONS, "--steps", "200", "--save-every", "3"]
torch.set_num_threads(1)  # forking is safe with one thread alone
# Its default lock is shared with forked processes: one that is killed while it holds it would leave
# it taken for all that come after.
tqdm.set_lock(threading.RLock())

assert main([*arguments, "--out", str(out / "warm"), "--steps", "2"]) == 0  # loads all code
start = time.perf_counter()
assert main([*arguments, "--out", str(out / "whole")]) == 0
whole = time.perf_counter() - start

chance = random.Random(0)
kills, runs = 0, 0
while kills < wanted:
    run = out / f"killed_{runs}"
    finished = False
    while not finished:
        if not (run / "config.json").exists():  # killed before there was anything to lose
            ways = [*arguments, "--out", str(run)]
        else:
            ways = ["train", "--resume", str(run)]
        child = os.fork()
        if child == 0:
            os._exit(main(ways))
        if kills < wanted:
            time.sleep(chance.uniform(0, whole / 5))
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), status
        kills += status == -signal.SIGKILL
        finished = status == 0
    runs += 1
print(f"kills {kills} runs {runs}")
