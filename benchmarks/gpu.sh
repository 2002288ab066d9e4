#!/usr/bin/env bash
# All measurements of the losses on a GPU, in less than 8 minutes, on a machine that has torch with
# CUDA, Triton, NumPy and Numba, and for the tests pytest and mpmath.
#
#   benchmarks/gpu.sh [--small] [DIRECTORY]
#
# Prints what was measured beside its aims, and with DIRECTORY keeps tables and numbers there.
# Status: 0, 1 if a step failed, or 2 if there is no GPU. With --small, each step runs on the CPU
# on tiny inputs, which tests the steps and measures nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
small=()
if [ "${1-}" = --small ]; then
    small=(--small)
    shift
fi
out=${1-$(mktemp -d)}
mkdir -p "$out" || exit 1
export PYTHONPATH="$PWD:$PWD/export${PYTHONPATH:+:$PYTHONPATH}"

if [ ${#small[@]} -eq 0 ] &&
    ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "gpu.sh: $python has no torch that finds a CUDA device: nothing was measured" >&2
    exit 2
fi

failed=0
# step SECONDS NAME COMMAND...: runs a command, at most so long, and goes on whatever comes of it.
step() {
    local limit=$1 name=$2 status
    shift 2
    [ ${#small[@]} -eq 0 ] || limit=900 # on a busy CPU nothing is known of the time
    echo
    echo "== $name (at most $limit s)"
    SECONDS=0
    timeout "$limit" "$@" 2>&1 | tee "$out/$name.txt"
    status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        failed=1
        echo "== $name failed: status $status after $SECONDS s"
    else
        echo "== $name done after $SECONDS s"
    fi
}

if [ ${#small[@]} -gt 0 ]; then
    device=cpu
    tests=(tests/losses/test_losses_on_a_gpu.py)
else
    device=cuda
    tests=(tests/losses/test_losses_on_a_gpu.py tests/losses/test_triton.py)
fi
# The aims first, in case the time runs out; then whether all is right, then whole tables.
step 120 aims "$python" -m benchmarks.graphs "${small[@]}" --json "$out/aims.json"
step 30 counts "$python" -m benchmarks.counts --json "$out/counts.json"
step 190 tests "$python" -m pytest -q -p no:cacheprovider "${tests[@]}"
step 120 losses "$python" -m benchmarks.losses --device "$device" "${small[@]}" \
    --only gradient lav --inputs videos --budget 0.5 --limit 5 --no-first-calls \
    --json "$out/losses.json"
echo
echo "kept in $out"
exit "$failed"
