#!/usr/bin/env bash
# Check the other libraries in the pinned versions, and write docs/peers.md.
#   benchmarks/peers/cards.sh [NAME ...]      by default all; of some, the page goes to the terminal
# In an environment of its own, which is removed again: Python 3.12 if there is one, which torchdtw and
# librosa 1.0 need, else 3.11. What cannot be installed is named on the page, and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for python in "${PYTHON:-}" python3.12 python3.13 python3.11; do
  [[ -n $python ]] && "$python" -c "" 2>/dev/null && break
done
"$python" -m venv "$work/venv"
install() { "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2; }
install -c constraints.txt -e '.[train,eval]'
# --no-deps, since some declare older versions of what they run with: all are compiled by the same Numba.
install --no-deps -r benchmarks/requirements.txt -r benchmarks/peers/requirements.txt
install -c constraints.txt ott-jax==0.6.0
# It has no package.
install --no-deps "sdtw_div @ git+https://github.com/google-research/soft-dtw-divergences@dcf1ae8653cb4dcfcea903470f8a58319027e9cb" ||
  echo "soft-dtw-divergences could not be installed" >&2
RUST_BACKTRACE=0 "$work/venv/bin/python" -m benchmarks.peers.cards "$@" >"$work/peers.md"
if [[ $# -eq 0 ]]; then mv "$work/peers.md" docs/peers.md; else cat "$work/peers.md"; fi
