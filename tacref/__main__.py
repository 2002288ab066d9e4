"""`python -m tacref COMMAND`, as the console script `tacref`."""

import sys

from tacref.commands import main

sys.exit(main())
