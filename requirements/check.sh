#!/bin/sh
# Fails if a lock file is not what pyproject.toml resolves to, or if it names a host.
# With --write, it writes the lock files. Packages keep the versions that are pinned.
set -eu
uv=$1
write=${2:-}
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
status=0

check() {
	lock=requirements/$1.txt
	shift
	cp "$lock" "$fresh/lock.txt" # so that uv keeps the versions that are pinned
	"$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate "$@" --output-file "$fresh/lock.txt"
	if test "$write" = --write; then
		cp "$fresh/lock.txt" "$lock"
	elif ! diff "$lock" "$fresh/lock.txt"; then
		echo "$lock is not what pyproject.toml resolves to: run make lock"
		status=1
	fi
	if grep -n '://' "$lock"; then
		echo "$lock names a host"
		status=1
	fi
}

check base pyproject.toml
check extras pyproject.toml --extra telemetry --extra sentry --constraints requirements/base.txt
check dev pyproject.toml --all-extras --group dev
check uv --group bootstrap
check build --group build --constraints requirements/dev.txt
check ../clients/requirements clients/requirements.in
check helm requirements/helm.in --no-deps
for group in audit deploy docs; do
	check $group --group $group --constraints requirements/dev.txt
done
if ! "$uv" lock --dry-run --quiet; then
	echo "uv sync would fail: the groups of pyproject.toml do not fit together"
	status=1
fi
exit $status
