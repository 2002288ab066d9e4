"""`python -m tacref_export RUN -o encoder.onnx`, and `inspect encoder.onnx`."""

import sys

from tacref.commands import main

sys.exit(main(["export", *sys.argv[1:]]))
