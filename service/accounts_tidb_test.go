package service_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"helfy/adapters/tidb"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/migrations"
	"helfy/service"
)

// denied reports whether TiDB refuses a statement for want of a privilege.
func denied(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer) && slices.Contains([]uint16{1044, 1045, 1142, 1227, 1410, 8121}, answer.Number)
}

// tablesOf returns the first column of each table.
func tablesOf(t *testing.T, config service.Config) map[string]string {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = ? AND ordinal_position = 1`, config.TiDBDatabase)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		tables[table] = column
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
}

// as returns connections of the account of a command.
func as(t *testing.T, config service.Config, command string) *sql.DB {
	t.Helper()
	config = stack.As(config, command)
	if config.TiDBUser == "root" {
		t.Fatalf("%s runs as root", command)
	}
	return stack.DB(t, config)
}

func readGrants(t *testing.T) migrations.Grants {
	t.Helper()
	grants, err := migrations.ReadGrants()
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

func TestEachAccountMayDoToEachTableWhatTheListSaysAndNoMore(t *testing.T) {
	config := stack.New(t)
	grants := readGrants(t)
	for command, list := range map[string][]migrations.Grant{"serve": grants.API, "consume": grants.Consumer} {
		granted := map[string][]string{}
		for _, grant := range list {
			granted[grant.Table] = grant.Privileges
		}
		db, tables := as(t, config, command), tablesOf(t, config)
		for table := range granted {
			if tables[table] == "" {
				t.Errorf("%s: there is no table %s", command, table)
			}
		}
		for table, column := range tables {
			for privilege, statement := range map[string]string{
				"SELECT": "SELECT 1 FROM %[1]s WHERE FALSE", "INSERT": "INSERT INTO %[1]s (%[2]s) SELECT 1 FROM DUAL WHERE FALSE",
				"UPDATE": "UPDATE %[1]s SET %[2]s = 1 LIMIT 0", "DELETE": "DELETE FROM %[1]s LIMIT 0",
			} {
				_, err := db.ExecContext(t.Context(), fmt.Sprintf(statement, table, column))
				may := slices.Contains(granted[table], privilege)
				if may && err != nil || !may && !denied(err) {
					t.Errorf("%s, %s on %s: may is %t, got %v", command, privilege, table, may, err)
				}
			}
		}
	}
}

func TestEveryTableIsInTheListOfGrants(t *testing.T) {
	config, listed := stack.New(t), map[string]bool{}
	for _, table := range readGrants(t).Tables {
		listed[table] = true
	}
	for table := range tablesOf(t, config) {
		if !listed[table] {
			t.Errorf("migrations/grants.txt lacks table %s: nobody may use it", table)
		}
	}
}

// What this pins must not be granted by an edit of the list.
func TestWhatTheAccountsMustNeverMay(t *testing.T) {
	grants := readGrants(t)
	writes := func(grant migrations.Grant) bool { return !slices.Equal(grant.Privileges, []string{"SELECT"}) }
	for _, grant := range grants.API {
		if writes(grant) && (strings.HasPrefix(grant.Table, "projection_") || strings.HasPrefix(grant.Table, "notification") ||
			strings.HasPrefix(grant.Table, "changefeed")) {
			t.Errorf("processes that serve may write %s", grant.Table)
		}
	}
	for _, grant := range grants.Consumer {
		switch grant.Table {
		case "users":
			if writes(grant) {
				t.Error("consumers may write users")
			}
		case "credentials", "sessions", "outbox", "event_chains", "login_attempts", "login_floods", "login_networks", "idempotency_keys", "admin_guard":
			t.Errorf("consumers may look at %s", grant.Table)
		}
	}
}

// Each privilege on a table that no generation has is one that a statement of
// the service needs.
func TestEachPrivilegeIsNeeded(t *testing.T) {
	files, err := filepath.Glob("../adapters/tidb/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	code := strings.Join(strings.Fields(source.String()), " ") + " "
	forms := map[string][]string{
		"SELECT": {"FROM %s ", "JOIN %s ", "FROM %s\"", "FROM %s`"}, "INSERT": {"INSERT INTO %s ", "INSERT IGNORE INTO %s ", "REPLACE INTO %s "},
		"UPDATE": {"UPDATE %s ", "INTO %s "}, "DELETE": {"DELETE FROM %s ", "REPLACE INTO %s "},
	}
	// Rows of generations are read, copied and removed by the names in Layout,
	// those of statistics are read by a variable.
	grants := readGrants(t)
	for _, grant := range slices.Concat(grants.API, grants.Consumer) {
		for _, privilege := range grant.Privileges {
			needed := strings.HasPrefix(grant.Table, "projection_") && (privilege == "SELECT" || privilege == "DELETE")
			for _, form := range forms[privilege] {
				needed = needed || strings.Contains(code, fmt.Sprintf(form, grant.Table))
			}
			if !needed {
				t.Errorf("no statement needs %s on %s", privilege, grant.Table)
			}
		}
	}
}

func TestNoAccountGoesBeyondItsDatabase(t *testing.T) {
	config := stack.New(t)
	other := config.TiDBDatabase + "x" // whose name begins alike
	forAll := []string{
		"SELECT * FROM mysql.user", "UPDATE mysql.user SET authentication_string = '' WHERE FALSE", "DELETE FROM mysql.tidb WHERE FALSE",
		"CREATE USER intruder", "DROP USER helfy_migrate", "ALTER USER root IDENTIFIED BY ''", "GRANT ALL ON *.* TO helfy_api", "SET GLOBAL max_connections = 1",
		"CREATE DATABASE " + other, "CREATE DATABASE " + strings.Replace(config.TiDBDatabase, "_", "x", 1), "SET PASSWORD FOR root = ''",
	}
	ddl := []string{
		"CREATE TABLE t (id INT)", "CREATE TABLE projection_x (id INT)", "DROP TABLE users", "ALTER TABLE users ADD COLUMN x INT",
		"TRUNCATE TABLE outbox", "TRUNCATE TABLE projection_audit_entries", "CREATE INDEX i ON outbox (type)", "RENAME TABLE users TO u",
		"DROP DATABASE " + config.TiDBDatabase, "FLASHBACK TABLE users",
	}
	for command, statements := range map[string][]string{
		"serve": slices.Concat(forAll, ddl), "consume": slices.Concat(forAll, ddl), "migrate": forAll,
	} {
		db := as(t, config, command)
		for _, statement := range statements {
			if _, err := db.ExecContext(t.Context(), statement); !denied(err) {
				t.Errorf("%s: %s: want a refusal, got %v", command, statement, err)
			}
		}
	}
	for _, statement := range []string{"CREATE TABLE t (id INT)", "ALTER TABLE t ADD COLUMN x INT", "INSERT INTO t VALUES (1, 2)", "DROP TABLE t"} {
		if _, err := as(t, config, "migrate").ExecContext(t.Context(), statement); err != nil {
			t.Errorf("migrate: %s: %v", statement, err)
		}
	}
}

// testPasswords are those that the accounts have in tests.
var testPasswords = service.TiDBPasswords{
	Migrate: domain.NewSecret(service.MigrateAccount), API: domain.NewSecret(service.APIAccount), Consumer: domain.NewSecret(service.ConsumerAccount),
}

func TestAccountsGetWhatTheyLackAndLoseWhatIsTooMuch(t *testing.T) {
	config := stack.New(t)
	ensure := func() []string {
		t.Helper()
		done, err := config.EnsureTiDBAccounts(t.Context(), testPasswords, false)
		if err != nil {
			t.Fatal(err)
		}
		return done.Changes
	}
	if changes := ensure(); len(changes) != 0 {
		t.Errorf("the accounts of tests are not as they must be: %v", changes)
	}
	exec(t, config, "GRANT INSERT, DELETE ON projection_audit_entries TO helfy_api")
	exec(t, config, "GRANT UPDATE ON `"+strings.ReplaceAll(config.TiDBDatabase, "_", `\_`)+"`.* TO helfy_consumer")
	exec(t, config, "REVOKE SELECT ON users FROM helfy_api")
	_, err := stack.As(config, "user").ListUsers(t.Context())
	if !denied(err) || !strings.Contains(err.Error(), service.APIAccount) || !strings.Contains(err.Error(), "'users'") || tidb.IsOutage(err) {
		t.Errorf("want an error that names account and table and is no outage, got %v", err)
	}
	changes := strings.Join(ensure(), "\n")
	for _, want := range []string{"revoked INSERT, DELETE on", "revoked UPDATE on", "granted SELECT on"} {
		if strings.Count(changes, want) != 1 {
			t.Errorf("want one change %q, got\n%s", want, changes)
		}
	}
	if changes := ensure(); len(changes) != 0 {
		t.Errorf("the second time changes %v", changes)
	}
}

func TestAccountsAreMadeBeforeTheirTables(t *testing.T) {
	own := stack.NewOwn(t)
	config := own.Bare()
	first, err := config.EnsureTiDBAccounts(t.Context(), testPasswords, false)
	if err != nil || len(first.Changes) < 40 || len(first.Foreign) != 0 {
		t.Fatalf("got %d changes, %v, %v", len(first.Changes), first.Foreign, err)
	}
	migrating := config
	migrating.TiDBUser, migrating.TiDBPassword = service.MigrateAccount, testPasswords.Migrate
	if _, err := migrating.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := config.EnsureTiDBAccounts(t.Context(), testPasswords, false); err != nil || len(again.Changes) != 0 {
		t.Errorf("after the migrations: %v, %v", again.Changes, err)
	}
	serving := config
	serving.TiDBUser, serving.TiDBPassword = service.APIAccount, testPasswords.API
	if _, err := serving.ListUsers(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := stack.DB(t, serving).ExecContext(t.Context(), "CREATE TABLE outbox2 (id INT)"); !denied(err) {
		t.Errorf("CREATE was not taken back: %v", err)
	}
	changed := testPasswords
	changed.API = domain.NewSecret(`it's "new" \`)
	if _, err := config.EnsureTiDBAccounts(t.Context(), changed, false); err != nil {
		t.Fatal(err)
	}
	_, err = serving.ListUsers(t.Context())
	if !errors.Is(err, tidb.ErrRefused) || !strings.Contains(err.Error(), "TIDB_PASSWORD") || tidb.IsOutage(err) {
		t.Errorf("want a refusal that names TIDB_PASSWORD, got %v", err)
	}
	serving.TiDBPassword = changed.API
	if _, err := serving.ListUsers(t.Context()); err != nil {
		t.Error(err)
	}
}
