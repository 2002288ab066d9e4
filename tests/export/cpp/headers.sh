#!/usr/bin/env bash
# headers.sh FOLDER: prints where onnxruntime's C++ headers are, for TACREF_ONNXRUNTIME_INCLUDE.
# They are in Debian's libonnxruntime-dev, from Debian 13 on; on Debian 12, that package is unpacked
# in FOLDER and not installed: its headers fit newer libraries, such as that of the Python package.
set -euo pipefail
folder=$(realpath "$1")

if ! pkg-config --exists libonnxruntime 2>/dev/null; then
  apt-get install -y -qq --no-install-recommends libonnxruntime-dev >/dev/null 2>&1 || true
fi
if found=$(pkg-config --variable=includedir libonnxruntime 2>/dev/null); then
  echo "$found"
  exit
fi

mkdir -p "$folder"/{lists,cache}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" | grep -v security | head -1)
echo "deb [signed-by=$keyring] $mirror trixie main" >"$folder/sources.list"
options=(
  -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$folder/sources.list"
  -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache"
)
cd "$folder"
apt-get "${options[@]}" update >/dev/null
apt-get "${options[@]}" download libonnxruntime-dev >/dev/null
dpkg-deb -x libonnxruntime-dev_*.deb unpacked
echo "$folder/unpacked/usr/include/onnxruntime"
