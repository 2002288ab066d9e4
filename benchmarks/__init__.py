"""What is measured, and the programs that measure it: losses and DTW, and training.

python -m benchmarks.losses       time, memory and gradient error, beside other libraries
python benchmarks/training.py     Kendall's tau before and after training
python benchmarks/peers/cards.py  report cards of other libraries
"""
