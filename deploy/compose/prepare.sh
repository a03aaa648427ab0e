#!/bin/sh
# Makes the secrets of the stack, once, gives each to those who need it, and
# gives the folders of data to the users who write there. It may run at every
# start: what is there stays as it is.
#
# Which volume is mounted where settles who sees a secret; it belongs to the user
# that the service runs as, and nobody else may read it.
set -eu
umask 077

secrets=${SECRETS:-/secrets}
data=${DATA:-/data}
master=$secrets/master # nobody else sees this one
helfy=65532

# put FILE USER: gives the user standard input in a file, whole or not at all.
put() {
  rm -f "$1.new" # root, who may not do all here, cannot write to another's file
  cat >"$1.new"
  chmod 0400 "$1.new"
  chown "$2:$2" "$1.new"
  mv -f "$1.new" "$1"
}

# make NAME BYTES: random bytes in hexadecimal, which need no quoting anywhere.
make() {
  if [ ! -s "$master/$1" ]; then
    { head -c "$2" /dev/urandom | od -An -vtx1 | tr -d ' \n' && echo; } | put "$master/$1" 0
    echo "made $1"
  fi
}

# share NAME VOLUME FILE USER: gives a copy, also of one that was changed by hand.
share() {
  put "$secrets/$2/$3" "$4" <"$master/$1"
}

make helfy.key 32
for role in root migrate api consumer; do make "tidb-$role-password" 24; done
make admin-password 12
make grafana-password 12

# TiDB runs this when it makes its own tables: there is no moment at which root
# has no password.
printf "ALTER USER 'root'@'%%' IDENTIFIED BY '%s';\n" "$(cat "$master/tidb-root-password")" >"$master/root.sql.new"
mv "$master/root.sql.new" "$master/root.sql"
share root.sql tidb root.sql 1000

for role in root migrate api consumer; do share "tidb-$role-password" accounts "tidb-$role-password" "$helfy"; done
for role in migrate api consumer; do
  share "tidb-$role-password" "$role" tidb-password "$helfy"
  share helfy.key "$role" helfy.key "$helfy"
done
share admin-password admin admin-password "$helfy" # whoever makes the first user does it as the API
share tidb-api-password admin tidb-password "$helfy"
share helfy.key admin helfy.key "$helfy"
share grafana-password grafana grafana-password 472

# Docker makes a volume for root; these run as others.
for part in pd tikv ticdc kafka; do chown 1000:1000 "$data/$part"; done
chown 65534:65534 "$data/prometheus"
chown 472:0 "$data/grafana"
