#!/bin/sh
# Runs govulncheck where its database can be reached. Without a network it is skipped
# with a word, since it has nothing to compare with.
set -u
out=$("$1" ./... 2>&1)
status=$?
# 3 is for findings. An error, 1, names what was being done: loading packages, which also
# uses the network, is another.
if [ $status -eq 1 ]; then
	case $out in
	*'fetching vulnerabilities: Get "'*)
		echo "govulncheck: skipped, its database cannot be reached"
		exit 0
		;;
	esac
fi
echo "$out"
exit $status
