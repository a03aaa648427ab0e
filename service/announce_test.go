package service_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/migrations"
	"helfy/service"
)

// addNote runs the service's migrations and one more, which adds a column to
// users.
func addNote(t *testing.T, config service.Config) error {
	t.Helper()
	const script = "-- +goose Up\nALTER TABLE users ADD COLUMN note TEXT;\n-- +goose Down\nALTER TABLE users DROP COLUMN note;\n"
	files := fstest.MapFS{"09999_note.sql": {Data: []byte(script)}}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrations.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	_, err = tidb.Migrate(t.Context(), tidb.Config{
		Host: config.TiDBHost, Port: config.TiDBPort, User: config.TiDBUser, Password: config.TiDBPassword,
		Database: config.TiDBDatabase, MaxConns: 4,
	}, files, func() (tidb.Announcer, error) {
		return command.SchemaChangeHandler{
			Chains: tidb.NewChains(stack.DB(t, config), keyring(t, config)), Keyring: keyring(t, config), Now: time.Now, Origin: domain.Origin{Actor: "cli"},
		}, nil
	})
	return err
}

func keyring(t *testing.T, config service.Config) *domain.Keyring {
	t.Helper()
	keyring, err := stack.Keyring(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

// announcements lists the events of migrations, oldest first.
func announcements(t *testing.T, config service.Config) []string {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(),
		"SELECT CONCAT(type, ' ', payload) FROM outbox WHERE aggregatetype = 'schema' AND aggregateid = 'migrations' ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTheFirstSetUpIsNotAnnounced(t *testing.T) {
	config := stack.New(t)
	if got := announcements(t, config); len(got) != 0 {
		t.Errorf("announced are %q", got)
	}
}

func TestAMigrationOfAFedDatabaseIsAnnounced(t *testing.T) {
	config := stack.New(t)
	if err := addNote(t, config); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`SCHEMA_CHANGE_ANNOUNCED {"migration":"09999_note.sql","direction":"up","sql":"ALTER TABLE users ADD COLUMN note TEXT;"}`,
		`SCHEMA_CHANGE_DONE {"migration":"09999_note.sql","direction":"up"}`,
	}
	if got := announcements(t, config); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	faults, err := stack.CheckChains(t.Context(), stack.DB(t, config), config.KeyFile)
	if err != nil || len(faults) != 0 {
		t.Errorf("chains: %v, %v", faults, err)
	}
}

func TestAMigrationThatIsTakenBackIsAnnounced(t *testing.T) {
	config := stack.New(t)
	file, err := config.MigrateDown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := announcements(t, config)
	if len(got) != 2 || !strings.HasPrefix(got[0], `SCHEMA_CHANGE_ANNOUNCED {"migration":"`+file+`","direction":"down","sql":"`) || !strings.Contains(got[0], "DROP ") {
		t.Errorf("got %q", got)
	}
}

func TestAMigrationThatFailsStaysAnnouncedUntilItHasRun(t *testing.T) {
	config := stack.New(t)
	exec(t, config, "ALTER TABLE users ADD COLUMN note TEXT")
	if err := addNote(t, config); err == nil {
		t.Fatal("a second column of one name was added")
	}
	if got := announcements(t, config); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	exec(t, config, "ALTER TABLE users DROP COLUMN note")
	if err := addNote(t, config); err != nil {
		t.Fatal(err)
	}
	got := announcements(t, config)
	if len(got) != 3 || got[0] != got[1] || !strings.HasPrefix(got[2], "SCHEMA_CHANGE_DONE ") {
		t.Errorf("got %q", got)
	}
}

func TestAMigrationOfAFedDatabaseNeedsTheKey(t *testing.T) {
	config := stack.New(t)
	newest, err := config.MigrateDown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"none": "", "missing": config.KeyFile + ".gone"} {
		t.Run(name, func(t *testing.T) {
			keyless := config
			keyless.KeyFile = path
			_, up := keyless.Migrate(t.Context())
			_, down := keyless.MigrateDown(t.Context())
			for way, err := range map[string]error{"up": up, "down": down} {
				if err == nil || !strings.Contains(err.Error(), "HELFY_KEY_FILE") {
					t.Errorf("%s: got %v", way, err)
				}
			}
		})
	}
	states, err := config.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := states[len(states)-1]
	if last.File != newest || !last.AppliedAt.IsZero() || states[len(states)-2].AppliedAt.IsZero() {
		t.Errorf("something ran without being announced: %+v", states)
	}
	if applied, err := config.Migrate(t.Context()); err != nil || !slices.Equal(applied, []string{newest}) {
		t.Errorf("with the key: ran %v, %v", applied, err)
	}
}
