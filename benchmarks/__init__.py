"""What is measured, and the programs that measure it; docs/benchmarks.md has what came out.

python -m benchmarks.losses       losses and DTW beside other libraries: time, memory, gradients
python -m benchmarks.objectives   training with each objective, scored on held-out clips
python -m benchmarks.encoder      the paper's encoder beside the straightforward module
python -m benchmarks.export       onnxruntime beside torch
python -m benchmarks.data         some frames of a long video, many clips
python -m benchmarks.online       alignment where the true warp is known; the online aligner's cost
python -m benchmarks.edits        slope-limited steps on clips with a pause or a cut
python -m benchmarks.step_patterns  steps and bands beside other libraries: the same paths
python -m benchmarks.report       the report of two long videos
python -m benchmarks.sigma_apart  LAV's loss where float32 misjudges frames exactly sigma apart
python benchmarks/training.py     Kendall's tau before and after training
python benchmarks/peers/cards.py  report cards of other libraries
"""
