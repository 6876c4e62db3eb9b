#!/bin/sh
# Runs each fuzz test of the module for the given time. One at a time: `go test -fuzz`
# takes one.
set -eu
time=$1
found=0
for package in $(go list ./...); do
	for name in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		found=$((found + 1))
		echo "fuzz: $package $name for $time"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package"
	done
done
echo "fuzz: $found tests ran for $time each"
test "$found" -gt 0
