#!/bin/sh
# Runs every fuzz target for a time, a minute each unless told otherwise.
set -eu
time=${1:-1m}

fuzz() { # MODULE
  cd "$1"
  for package in $(go list ./...); do
    dir=$(go list -f '{{.Dir}}' "$package")
    for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | cut -c6-); do
      echo "== $package $target"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
    done
  done
}

for module in . canaljson devstack; do
  (fuzz "$module")
done
