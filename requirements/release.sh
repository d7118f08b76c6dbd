#!/bin/sh
# Fails if this commit cannot become the release with the version $1.
set -eu
version=$1

refuse() {
	echo "make release: $1" >&2
	exit 1
}

echo "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?' ||
	refuse "VERSION must be a version such as 1.2.3, as in: make release VERSION=1.2.3"
grep -qx "version = \"$version\"" pyproject.toml ||
	refuse "pyproject.toml has another version than $version"
for file in deploy/helm/*/Chart.yaml deploy/compose.yaml docs/deploying.md; do
	! test -e "$file" || grep -Eq "(^appVersion: |VERSION:-|^VERSION=)$version(}|$)" "$file" ||
		refuse "$file names another version than $version"
done
grep -Eqx "## \[$version\] - [0-9]{4}-[0-9]{2}-[0-9]{2}" CHANGELOG.md ||
	refuse "CHANGELOG.md has no heading: ## [$version] - $(date +%Y-%m-%d)"
test -z "$(git status --porcelain)" ||
	refuse "files have changed; commit them first"
test -z "$(git tag --list "v$version")" ||
	refuse "the tag v$version exists already"
