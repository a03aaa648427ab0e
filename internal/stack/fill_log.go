package stack

import (
	"strconv"
	"strings"
	"testing"

	"helfy/service"
)

// FillLog writes so many events of user 9 into the live generation of the
// audit log, beneath what is there.
func FillLog(t testing.TB, config service.Config, count int) {
	t.Helper()
	db := DB(t, config)
	const chunk = 1000
	for from := 0; from < count; from += chunk {
		var rows []string
		for i := from; i < min(count, from+chunk); i++ {
			id := strconv.Itoa(i)
			rows = append(rows, `(1, `+strconv.Itoa(1000+i)+`, 'outbox', '`+id+`', 'event', 'LOGIN_SUCCESS', 9, 'filler', '192.0.2.1', `+strconv.Itoa(i+1)+`,
				'{"id":"`+id+`","aggregatetype":"user","aggregateid":"9","type":"LOGIN_SUCCESS","payload":"{\\"userId\\":9,\\"username\\":\\"filler\\"}","metadata":"{\\"actor\\":\\"user:9\\"}"}',
				'none', 0, `+id+`)`)
		}
		_, err := db.ExecContext(t.Context(), `
			INSERT INTO projection_audit_entries (generation, commit_ts, table_name, row_key, source, event_type, user_id, username, ip, seq,
			       new_row, topic, kafka_partition, kafka_offset) VALUES `+strings.Join(rows, ","))
		if err != nil {
			t.Fatal(err)
		}
	}
}
