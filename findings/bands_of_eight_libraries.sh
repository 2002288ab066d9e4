#!/usr/bin/env bash
# tslearn 0.10.0, dtaidistance 2.5.1, aeon 1.6.0, dtw-python 1.9.0, pysdtw 0.0.5, pytorch-softdtw-cuda (in dtw-loss-
# functions 1.0.5), librosa 0.11.0: "a Sakoe-Chiba band of 2" of 4 x 8 costs is six sets of cells, from none to 30 of
# 32. The width is a radius, counts the diagonal, or is a share of one of the lengths; around it, it is widened by the
# difference of the lengths, slanted, stretched, or leaves no path, which only dtw-python says.
# Seen: "tslearn 30, dtaidistance 26, librosa 26, aeon 20, pysdtw 17, dtw-python slanted 14, dtw-python no path,
#       pytorch-softdtw-cuda 0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 scipy==1.17.1 numba==0.63.1 torch==2.13.0 tslearn==0.10.0 dtaidistance==2.5.1 \
  aeon==1.6.0 dtw-python==1.9.0 pysdtw==0.0.5 dtw-loss-functions==1.0.5 librosa==0.11.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import pysdtw
import torch
from aeon.distances import create_bounding_matrix
from dtaidistance import dtw as dtaidistance
from dtw import dtw
from dtw_loss_functions.soft_dtw import soft_dtw
from librosa.sequence import dtw as librosa
from tslearn.metrics import sakoe_chiba_mask

n, m, band = 4, 8, 2
x, y, zeros = np.zeros(n), np.zeros(m), np.zeros((n, m))


def used(make):
    """Return the cells with a gradient, where all costs are equal."""
    D = torch.zeros(1, n, m, requires_grad=True)
    make(lambda x, y: D)(torch.zeros(1, n, 1), torch.zeros(1, m, 1)).sum().backward()
    return D.grad[0].numpy() > 0


def dtw_python(kind):
    options = {"window_type": kind, "window_args": {"window_size": band}, "keep_internals": True}
    return np.isfinite(dtw(zeros, step_pattern="symmetric1", **options).costMatrix)


def maghoumi(dist_func):
    config = {"gamma": 1.0, "bandwidth": band, "dist_func": dist_func}
    return soft_dtw(implementation="mag", sdtw_config=config)


cells = {
    "tslearn": sakoe_chiba_mask(n, m, radius=band),
    "dtaidistance": np.isfinite(dtaidistance.warping_paths(x, y, window=band, psi_neg=False)[1][1:, 1:]),
    "librosa": np.isfinite(librosa(C=zeros, global_constraints=True, band_rad=band / n, backtrack=False)),
    "aeon": create_bounding_matrix(n, m, band / m),
    "pysdtw": used(lambda f: pysdtw.SoftDTW(1.0, dist_func=f, use_cuda=False, bandwidth=band)),
    "dtw-python slanted": dtw_python("slantedband"),
}
try:
    dtw_python("sakoechiba")
except ValueError as error:
    assert "No warping path" in str(error)
counts = {name: int(inside.sum()) for name, inside in cells.items()}
nothing = int(used(maghoumi).sum())
print(
    ", ".join(f"{name} {count}" for name, count in counts.items())
    + f", dtw-python no path, pytorch-softdtw-cuda {nothing}"
)
assert list(counts.values()) == [30, 26, 26, 20, 17, 14] and nothing == 0
assert np.array_equal(cells["dtaidistance"], cells["librosa"])
# Of one length, 2 means |i - j| <= 2 to three of them.
inside = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) <= 2
n = m = 5
assert np.array_equal(sakoe_chiba_mask(5, 5, radius=2), inside)
assert np.array_equal(used(lambda f: pysdtw.SoftDTW(1.0, dist_func=f, use_cuda=False, bandwidth=2)), inside)
assert np.array_equal(used(maghoumi), inside)
PY
