package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"helfy/adapters/argon2id"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// ttlPatience is how long TiDB may take to begin and end its job: it looks
// every two minutes which tables there are and which have had their job, and
// every minute for something to do.
const ttlPatience = 10 * time.Minute

func TestEventsThatTiDBRemovesByTheirAgeStayInTheLog(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	server := own.Bare()
	server.TiDBDatabase = "mysql"
	global := stack.DB(t, server)
	mustExec(t, global, "SET GLOBAL tidb_ttl_job_enable = OFF")
	config := own.Config()
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	stack.Start(t, config, "consume")
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	const old = 11
	makeOldEvents(t, config, old)
	before := len(settledAudit(t, api))
	if want := 2 * (old + 2); before < want {
		t.Fatalf("%d entries, want at least %d", before, want)
	}

	db := stack.DB(t, config)
	mustExec(t, global, "SET GLOBAL tidb_ttl_job_enable = ON")
	stack.Eventually(t, ttlPatience, func() error {
		removed := count(t, global, "SELECT COALESCE(SUM(deleted_rows), 0) FROM mysql.tidb_ttl_job_history WHERE table_schema = ? AND table_name = 'outbox'", config.TiDBDatabase)
		if left := count(t, db, "SELECT COUNT(*) FROM outbox WHERE occurred_at < NOW() - INTERVAL 30 DAY"); left > 0 || removed != old {
			return fmt.Errorf("%d old events are left; TiDB says that its job removed %d, want %d", left, removed, old)
		}
		return nil
	})
	if _, err := api.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	if after := len(settledAudit(t, api)); after < before+2 {
		t.Errorf("%d entries, want the %d before and those of a login", after, before)
	}
	requireInsertsOnly(t, config)
	stack.RequireNoFindings(t, config)
	for _, command := range [][]string{
		{"audit", "verify"}, {"audit", "verify", "--from", "table"}, {"rebuild", "audit"}, {"rebuild", "logins"}, {"audit", "verify", "--from", "table"},
	} {
		if code, said := stack.RunCommand(t, config, "", command...); code != 0 {
			t.Errorf("helfy %v: exit code %d: %s", command, code, said)
		}
	}
	stack.RequireNoFindings(t, config)
}

// makeOldEvents makes so many events by a clock that is 40 days behind.
func makeOldEvents(t *testing.T, config service.Config, events int) {
	t.Helper()
	keyring, err := stack.Keyring(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	users := tidb.NewUsers(stack.DB(t, config), keyring)
	hasher, err := argon2id.New(argon2id.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	then := func() time.Time { return time.Now().AddDate(0, 0, -40) }
	origin := domain.Origin{Actor: "test"}
	user, err := command.CreateUserHandler{Accounts: users, Hasher: hasher, Keyring: keyring, Now: then}.
		Handle(t.Context(), command.CreateUser{Username: "old", Password: domain.NewSecret("old"), Role: domain.RoleUser, AllowWeakPassword: true, Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events - 1 {
		role := []domain.Role{domain.RoleAdmin, domain.RoleUser}[i%2]
		_, err := command.ChangeUserHandler{Accounts: users, Now: then}.Handle(t.Context(), command.ChangeUser{UserID: user.ID, Role: role, Origin: origin})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// requireInsertsOnly checks that the topic of events has no other changes.
func requireInsertsOnly(t *testing.T, config service.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	partitions, err := config.Kafka().Partitions(ctx, config.EventsTopic)
	if err != nil {
		t.Fatal(err)
	}
	inserts := 0
	for _, p := range partitions {
		err := config.Kafka().Read(ctx, p, p.Earliest, p.End, func(records []projection.Record) error {
			for _, record := range records {
				message, err := canaljson.Decode(record.Value)
				if err != nil {
					return err
				}
				change, ok := message.(*canaljson.Change)
				switch {
				case !ok:
				case change.Operation != canaljson.Insert:
					t.Errorf("%s is a %s", record, change.Operation)
				default:
					inserts++
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if inserts == 0 {
		t.Error("the topic has no events: the test proves nothing")
	}
}

func mustExec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
