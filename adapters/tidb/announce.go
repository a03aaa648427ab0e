package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	"helfy/domain"
)

// Announcer tells the audit trail of the migrations of a database that is
// fed.
type Announcer interface {
	// Announce is called before a migration runs.
	Announce(ctx context.Context, change domain.SchemaChange) error
	// Done is called after it has run.
	Done(ctx context.Context, change domain.SchemaChange) error
}

// The directions of a migration.
const (
	directionUp   = "up"
	directionDown = "down"
)

// migrator runs migrations one by one and announces them.
type migrator struct {
	db       *sql.DB
	provider *goose.Provider
	files    fs.FS
	// newAnnouncer is called if there is something to announce.
	newAnnouncer func() (Announcer, error)
}

// up runs the first migration that is due, and returns nil if there is none.
func (m migrator) up(ctx context.Context) (*goose.MigrationResult, error) {
	return m.run(ctx, directionUp, m.provider.UpByOne)
}

// down takes the last migration that has run back, and returns nil if there
// is none.
func (m migrator) down(ctx context.Context) (*goose.MigrationResult, error) {
	return m.run(ctx, directionDown, m.provider.Down)
}

func (m migrator) run(
	ctx context.Context, direction string, step func(context.Context) (*goose.MigrationResult, error),
) (*goose.MigrationResult, error) {
	file, err := m.next(ctx, direction)
	if err != nil || file == "" {
		return nil, err
	}
	fed, err := isFed(ctx, m.db)
	if err != nil {
		return nil, err
	}
	if !fed {
		return step(ctx)
	}
	announcer, err := m.newAnnouncer()
	if err != nil {
		return nil, fmt.Errorf("the database is fed to Kafka, so %s must be announced: %w", file, err)
	}
	script, err := fs.ReadFile(m.files, file)
	if err != nil {
		return nil, fmt.Errorf("read migration: %w", err)
	}
	change := domain.SchemaChange{Migration: file, Direction: direction, SQL: part(string(script), direction)}
	if err := announcer.Announce(ctx, change); err != nil {
		return nil, err
	}
	result, err := step(ctx)
	if err != nil {
		return nil, err // the announcement holds until the migration has run
	}
	if fed, err := isFed(ctx, m.db); err != nil || !fed {
		return result, err // the outbox itself was taken back
	}
	return result, announcer.Done(ctx, change)
}

// next returns the file of the migration that a step will run, empty for
// none.
func (m migrator) next(ctx context.Context, direction string) (file string, err error) {
	states, err := m.provider.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, state := range states { // by version
		pending := state.State == goose.StatePending
		switch {
		case direction == directionUp && pending:
			return state.Source.Path, nil
		case direction == directionDown && !pending:
			file = state.Source.Path
		}
	}
	return file, nil
}

// isFed reports whether somebody may be told of migrations: a changefeed was
// made for the database, or it has events. At the first set-up there is
// neither.
func isFed(ctx context.Context, db *sql.DB) (bool, error) {
	var names sql.NullString
	err := db.QueryRowContext(ctx, `
		SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name IN ('outbox', 'event_chains', 'changefeeds')`).Scan(&names)
	if err != nil {
		return false, fmt.Errorf("look for the outbox: %w", err)
	}
	some := "EXISTS (SELECT 1 FROM outbox)"
	switch names.String {
	case "changefeeds,event_chains,outbox":
		some += " OR EXISTS (SELECT 1 FROM changefeeds)"
	case "event_chains,outbox":
	default:
		return false, nil
	}
	var fed bool
	if err := db.QueryRowContext(ctx, "SELECT "+some).Scan(&fed); err != nil {
		return false, fmt.Errorf("find out whether the database is fed: %w", err)
	}
	return fed, nil
}

// part returns the lines of a goose script that run in a direction:
// https://pressly.github.io/goose/documentation/annotations/
func part(script string, direction string) string {
	var lines strings.Builder
	var current string
	for line := range strings.Lines(script) {
		if annotation, ok := strings.CutPrefix(strings.TrimLeft(line, "- "), "+goose"); ok && strings.HasPrefix(line, "--") {
			switch word := strings.ToLower(strings.TrimSpace(annotation)); word {
			case directionUp, directionDown:
				current = word
			}
			continue
		}
		if current == direction {
			lines.WriteString(line)
		}
	}
	return strings.TrimSpace(lines.String())
}
