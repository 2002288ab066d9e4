"""Soft-DTW (equation 4): from a batch (`batch`) down to a strip of 64 rows or so (`strip`)."""
