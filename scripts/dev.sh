#!/bin/sh
# Sets up what the service needs and runs it. devstack starts it, with the
# addresses of TiDB, Kafka and TiCDC in the environment.
set -eu

export HELFY_DEV=1
export HELFY_KEY_FILE="${HELFY_KEY_FILE:-.dev/helfy.key}"
export HOST="${HOST:-127.0.0.1}"
export PORT="${PORT:-3000}"
# Load tests come from one address and use few names.
export LOGIN_RATE_PER_IP="${LOGIN_RATE_PER_IP:-0}"
export LOGIN_RATE_PER_NAME="${LOGIN_RATE_PER_NAME:-0}"

[ -e "$HELFY_KEY_FILE" ] || bin/helfy key create "$HELFY_KEY_FILE"
bin/helfy migrate up
bin/helfy topics ensure
bin/helfy changefeed ensure
echo admin | bin/helfy user create --username admin --admin --first --password-stdin

cat <<END

  Helfy      http://localhost:$PORT      sign in as admin, password admin
  TiDB       mysql -h $TIDB_HOST -P $TIDB_PORT -u $TIDB_USER $TIDB_DATABASE
  Kafka      $KAFKA_BROKERS      topics tidb-cdc-events, user-events
  TiCDC      $TICDC_URL/api/v2/changefeeds
  State      .dev      Ctrl-C stops everything; go tool task dev:reset removes it

END
exec bin/helfy run
