#!/usr/bin/env bash
# onnxruntime 1.31.1 on Linux: importing it writes a device's id and a database of events into the user's cache
# folder, and disable_telemetry_events(), called right after the import, comes too late. Only the environment
# variable ORT_DISABLE_TELEMETRY=1, set before the import, keeps it from doing so; set after it, it does nothing.
# Seen: "import: deviceid onnxruntime.db; disable_telemetry_events(): deviceid onnxruntime.db;
#        variable after the import: deviceid onnxruntime.db; variable before it: none".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 onnxruntime==1.31.1
written() { # the names of the files that a program leaves in an empty home
  local home
  home=$(mktemp -d -p "$work")
  env -u XDG_CACHE_HOME -u ORT_DISABLE_TELEMETRY HOME="$home" "$work/venv/bin/python" -c "$1" >/dev/null
  find "$home" -type f -printf '%f\n' | sort | xargs
}
import=$(written "import onnxruntime")
call=$(written "import onnxruntime; onnxruntime.disable_telemetry_events()")
late=$(written "import os, onnxruntime; os.environ['ORT_DISABLE_TELEMETRY'] = '1'")
early=$(written "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'; import onnxruntime")
echo "import: $import; disable_telemetry_events(): $call;"
echo "variable after the import: $late; variable before it: ${early:-none}"
[ "$import" = "deviceid onnxruntime.db" ] && [ "$call" = "$import" ] && [ "$late" = "$import" ] && [ -z "$early" ]
