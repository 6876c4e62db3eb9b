#!/bin/sh
# Runs the Go benchmarks of this tree and of another commit in turn, so that both meet the
# same machine, and compares them with benchstat.
set -eu
base=$1
benchstat=$2
packages="./intune ./webhook ./provisioner ./provisioner/profile ./provisioner/report"
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/base" 2>/dev/null; rm -rf "$dir"' EXIT
git worktree add --quiet --detach "$dir/base" "$base"
for round in 1 2 3 4 5 6; do
	for tree in base here; do
		folder=$dir/base
		test "$tree" = base || folder=.
		(cd "$folder" && go test -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-200ms}" $packages) >>"$dir/$tree.txt"
	done
done
"$benchstat" "base=$dir/base.txt" "here=$dir/here.txt"
