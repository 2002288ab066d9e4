"""`python -m tacref.verify`."""

import sys

from tacref.commands import main

sys.exit(main(["verify", *sys.argv[1:]]))
