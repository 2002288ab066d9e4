#!/usr/bin/env bash
# Trains the encoder of `tacref demo --quick`, and writes it into the package.
#   benchmarks/quick_encoder.sh [FILE]     by default tacref/commands/quick_encoder.onnx
# Run in an environment with tacref[all]; it takes a few minutes on two cores. The clips are not those of the demo,
# whose seed is another.
set -euo pipefail
file=$(realpath "${1:-$(dirname "$0")/../tacref/commands/quick_encoder.onnx}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python -c 'from tacref.data.synthetic import make_dataset; make_dataset("data", train=48, seed=3)'
tacref train --data data --out run --size 32 --dim 32 --offsets=-12,12 --steps 400
tacref export run -o quick.onnx --int8 --clips data/train/clip_00*.mp4
tacref evaluate quick.onnx --data data --no-baselines
mv quick.onnx "$file"
ls -l "$file"
