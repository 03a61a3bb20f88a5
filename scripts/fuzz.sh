#!/bin/sh
# Runs every fuzz target of the module for the time given, one after the other.
# A crasher is written to the package's testdata/fuzz: commit it with its cure.
set -eu
time=${1:-10s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # target package
	"${GO:-go}" test -run '^$' -fuzz "^$1\$" -fuzztime "$time" -fuzzminimizetime 10x "$2" >"$log" 2>&1 && status=0 || status=$?
	cat "$log"
	[ "$status" -eq 0 ] && return 0
	# Before Go 1.27 the end of the time may be taken for a failure of the target
	# (go.dev/issue/75804): the only fault named is the deadline, and no input is
	# written. Anything else is a failure.
	faults=$(grep -vE '^(fuzz: |--- FAIL: |FAIL|exit status |[[:space:]]*$)' "$log" | sed 's/^ *//')
	if [ "$faults" = "context deadline exceeded" ]; then
		echo "$2 $1: the time was up (go.dev/issue/75804), no failing input"
		return 0
	fi
	return "$status"
}

for file in $(grep -rlE '^func Fuzz' --include='*_test.go' . | sort); do
	package=$(dirname "$file")
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
		echo "$package $target"
		fuzz "$target" "$package"
	done
done
