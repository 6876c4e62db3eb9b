#!/bin/sh
# Runs each fuzz test of the module for the given time. One at a time: `go test -fuzz`
# takes one. Little time goes into making a finding small, or a short run does nothing else.
set -eu
time=$1
found=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		found=$((found + 1))
		echo "fuzz: $(dirname "$file") $name for $time"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 5x "$(dirname "$file")"
	done
done
echo "fuzz: $found tests ran for $time each"
test "$found" -gt 0
