"""`python -m tacref.train`, and `torchrun ... -m tacref.train`: the command `tacref train`."""

import sys

from tacref.commands import main

if __name__ == "__main__":  # and not in a process that the loader spawns
    sys.exit(main(["train", *sys.argv[1:]]))
