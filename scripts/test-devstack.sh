#!/bin/sh
# Tests devstack. Its arguments are flags of go test for the packages that do
# not import TiDB: with the race detector TiDB would be compiled once more,
# for many minutes, so those that do import it are tested as they are built.
set -eu
cd devstack

tidb= other=
for package in $(go list ./...); do
  deps=$(go list -test -deps "$package")
  case "$deps" in
    *github.com/pingcap/tidb/*) tidb="$tidb $package" ;;
    *) other="$other $package" ;;
  esac
done
set -x
go test "$@" $other
go test -ldflags='-s -w' $tidb
