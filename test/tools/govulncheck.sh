#!/bin/sh
# Runs govulncheck where its database can be reached. Without a network it is skipped
# with a word, since it has nothing to compare with.
set -u
out=$("$1" ./... 2>&1)
status=$?
case $out in
*"fetching vulnerabilities"* | *"no such host"* | *"dial tcp"* | *"connection refused"* | *"Forbidden"*)
	if [ $status -ne 0 ]; then
		echo "govulncheck: skipped, its database cannot be reached"
		exit 0
	fi
	;;
esac
echo "$out"
exit $status
