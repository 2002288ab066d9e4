"""`python -m tacref.verify`."""

import sys

from tacref.verify.command import main

sys.exit(main())
