"""`python -m tacref_export RUN -o encoder.onnx`, and `inspect encoder.onnx`."""

import sys

from tacref_export.convert import main

sys.exit(main())
