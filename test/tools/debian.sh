#!/bin/sh
# Installs Debian packages that are missing, each named as FILE:PACKAGE, where FILE is a
# command or a path (with wildcards) that the package brings. Elsewhere than on Debian it
# says what is needed.
set -eu
missing=
for pair; do
	file=${pair%%:*}
	command -v "$file" >/dev/null 2>&1 || ls $file >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
test -n "$missing" || exit 0
if ! command -v apt-get >/dev/null; then
	echo "needed:$missing" >&2
	exit 1
fi
sudo=
test "$(id -u)" = 0 || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q >/dev/null
$sudo apt-get install -qy --no-install-recommends $missing >/dev/null
