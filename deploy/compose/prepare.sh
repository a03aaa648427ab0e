#!/bin/sh
# Makes the secrets of the stack, once, gives each to those who need it, and
# gives the folders of data to the users who write there. It may run at every
# start: what is there stays as it is.
#
# A secret can be read by whoever sees it; who sees it is settled by which volume
# is mounted where.
set -eu

secrets=${SECRETS:-/secrets}
data=${DATA:-/data}
master=$secrets/master # nobody else sees this one

# put FILE: writes standard input to it, whole or not at all.
put() {
  cat >"$1.new"
  chmod 0444 "$1.new"
  mv "$1.new" "$1"
}

# make NAME BYTES: random bytes in hexadecimal, which need no quoting anywhere.
make() {
  if [ ! -s "$master/$1" ]; then
    { head -c "$2" /dev/urandom | od -An -vtx1 | tr -d ' \n' && echo; } | put "$master/$1"
    echo "made $1"
  fi
}

# share NAME VOLUME FILE: gives a copy, also of one that was changed by hand.
share() {
  cmp -s "$master/$1" "$secrets/$2/$3" || put "$secrets/$2/$3" <"$master/$1"
}

make helfy.key 32
for role in root migrate api consumer; do make "tidb-$role-password" 24; done
make admin-password 12
make grafana-password 12

# TiDB runs this when it makes its own tables: there is no moment at which root
# has no password.
printf "ALTER USER 'root'@'%%' IDENTIFIED BY '%s';\n" "$(cat "$master/tidb-root-password")" >"$master/root.sql.new"
mv "$master/root.sql.new" "$master/root.sql"
share root.sql tidb root.sql

for role in root migrate api consumer; do share "tidb-$role-password" accounts "tidb-$role-password"; done
for role in migrate api consumer; do
  share "tidb-$role-password" "$role" tidb-password
  share helfy.key "$role" helfy.key
done
share admin-password admin admin-password # whoever makes the first user does it as the API
share tidb-api-password admin tidb-password
share helfy.key admin helfy.key
share grafana-password grafana grafana-password

# Docker makes a volume for root; these run as others.
for part in pd tikv ticdc kafka; do chown 1000:1000 "$data/$part"; done
chown 65534:65534 "$data/prometheus"
chown 472:0 "$data/grafana"
