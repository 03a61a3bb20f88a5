#!/bin/sh
# Runs the tools that people use beside facodec on its outputs, and facodec on theirs:
# torch, safetensors, huggingface_hub and TensorBoard, at the versions below. Not part
# of CI: it needs Python 3.11 or later and a gigabyte of packages.
#
#   scripts/interop/interop.sh             check
#   scripts/interop/interop.sh fixtures    also write internal/weights/testdata/interop
#
# PYTHON may name an interpreter that has the packages.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ -z "${PYTHON:-}" ]; then
	python3 -m venv "$dir/venv"
	PYTHON=$dir/venv/bin/python
	"$PYTHON" -m pip install --quiet --disable-pip-version-check 'setuptools<81' \
		torch==2.15.0 safetensors==0.8.0 huggingface_hub==2.4.0 tensorboard==2.21.0 numpy==2.4.6
fi
go build -o "$dir/facodec" ./cmd/facodec
mkdir "$dir/work"
"$PYTHON" -W ignore scripts/interop/check.py "$dir/facodec" . "$dir/work"

echo "their files in our tests"
fixtures=$dir/fixtures
[ "${1:-}" = fixtures ] && fixtures=internal/weights/testdata/interop
"$PYTHON" -W ignore scripts/interop/fixtures.py "$fixtures" 2>/dev/null
FACODEC_INTEROP=$(realpath "$fixtures") go test -count=1 -run Interop ./internal/weights

echo "our event files in TensorBoard"
go run ./scripts/interop/eventrun "$dir/run"
"$PYTHON" scripts/interop/tensorboard.py "$dir/run" 2>/dev/null
