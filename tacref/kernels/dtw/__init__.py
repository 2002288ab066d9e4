"""DTW (equation 2): a pair tile by tile (`sweep`), each tile forward and back (`tile`)."""
