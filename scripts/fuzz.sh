#!/bin/sh
# Runs every fuzz target of the module for the time given, one after the other.
# A crasher is written to the package's testdata/fuzz: commit it with its cure.
set -eu
time=${1:-10s}
for file in $(grep -rlE '^func Fuzz' --include='*_test.go' . | sort); do
	package=$(dirname "$file")
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
		echo "$package $target"
		"${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package"
	done
done
