package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"helfy/domain"
)

// Account is an account of TiDB, from any host.
type Account struct {
	Name     string
	Password domain.Secret
	// RequireTLS has TiDB refuse it without TLS.
	RequireTLS bool
	// Whole are its privileges on the whole database, Tables those on tables,
	// which need not be there yet.
	Whole  []string
	Tables map[string][]string
}

// Ensured says what EnsureAccounts has done, and what it has left.
type Ensured struct {
	// Changes are grants and revocations, without passwords.
	Changes []string
	// Foreign are grants that an account has elsewhere.
	Foreign []string
}

// EnsureAccounts makes the database, if it is missing, and the accounts, or changes their passwords, and gives them
// the privileges on the database and no others there or on the server as a
// whole. The connection must be an administrator's.
func EnsureAccounts(ctx context.Context, cfg Config, accounts []Account) (done Ensured, err error) {
	server, err := open(cfg, "", ioTimeout)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	// TiDB gives no privileges on tables of a database that is not there.
	if err := createDatabase(ctx, server, cfg.Database); err != nil {
		return done, err
	}
	g := granter{db: server, database: cfg.Database, done: &done}
	for _, account := range accounts {
		if err := g.ensure(ctx, account); err != nil {
			return done, fmt.Errorf("account %s: %w", account.Name, err)
		}
	}
	return done, nil
}

type granter struct {
	db       *sql.DB
	database string
	done     *Ensured
}

func (g granter) ensure(ctx context.Context, account Account) error {
	require := " REQUIRE NONE"
	if account.RequireTLS {
		require = " REQUIRE SSL"
	}
	for _, statement := range []string{"CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ?", "ALTER USER ?@'%' IDENTIFIED BY ?"} {
		if _, err := g.db.ExecContext(ctx, statement+require, account.Name, account.Password.Reveal()); err != nil {
			return fmt.Errorf("make it: %w", err)
		}
	}
	has, err := g.grantsOf(ctx, account.Name)
	if err != nil {
		return err
	}
	wants := map[string][]string{}
	if len(account.Whole) > 0 {
		wants[g.whole()] = account.Whole
	}
	for table, privileges := range account.Tables {
		wants[g.table(table)] = privileges
	}
	for _, object := range slices.Sorted(maps.Keys(has)) {
		if err := g.revoke(ctx, account.Name, object, without(has[object], wants[object])); err != nil {
			return err
		}
	}
	for _, object := range slices.Sorted(maps.Keys(wants)) {
		if err := g.grant(ctx, account.Name, object, without(wants[object], has[object])); err != nil {
			return err
		}
	}
	return nil
}

// without returns the privileges that others do not have.
func without(privileges, others []string) []string {
	return slices.DeleteFunc(slices.Clone(privileges), func(p string) bool { return slices.Contains(others, p) })
}

// grant gives privileges. For a table that is not there yet TiDB wants CREATE
// among them, which is taken back at once.
func (g granter) grant(ctx context.Context, account, object string, privileges []string) error {
	if len(privileges) == 0 {
		return nil
	}
	list := strings.Join(privileges, ", ")
	_, err := g.db.ExecContext(ctx, "GRANT "+list+" ON "+object+" TO ?@'%'", account)
	if errorCode(err) == codeUnknownTable {
		if _, err = g.db.ExecContext(ctx, "GRANT CREATE, "+list+" ON "+object+" TO ?@'%'", account); err == nil {
			_, err = g.db.ExecContext(ctx, "REVOKE CREATE ON "+object+" FROM ?@'%'", account)
		}
	}
	if err != nil {
		return fmt.Errorf("grant %s on %s: %w", list, object, err)
	}
	g.done.Changes = append(g.done.Changes, fmt.Sprintf("granted %s on %s to %s", list, object, account))
	return nil
}

// revoke takes privileges back, unless they are on something that is none of
// this database's business.
func (g granter) revoke(ctx context.Context, account, object string, privileges []string) error {
	if len(privileges) == 0 {
		return nil
	}
	list := strings.Join(privileges, ", ")
	if object != everything && object != g.whole() && !strings.HasPrefix(object, quote(g.database)+".`") {
		g.done.Foreign = append(g.done.Foreign, fmt.Sprintf("%s has %s on %s", account, list, object))
		return nil
	}
	if _, err := g.db.ExecContext(ctx, "REVOKE "+list+" ON "+object+" FROM ?@'%'", account); err != nil {
		return fmt.Errorf("revoke %s on %s: %w", list, object, err)
	}
	g.done.Changes = append(g.done.Changes, fmt.Sprintf("revoked %s on %s from %s", list, object, account))
	return nil
}

// everything is the object of privileges on the server as a whole.
const everything = "*.*"

// whole is the database as an object of privileges, in which _ and % stand for
// others unless they are escaped.
func (g granter) whole() string {
	return quote(strings.NewReplacer("_", `\_`, "%", `\%`).Replace(g.database)) + ".*"
}

func (g granter) table(name string) string { return quote(g.database) + "." + quote(name) }

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// shown is a line of SHOW GRANTS. One without ON gives a role.
var shown = regexp.MustCompile("^GRANT (.+) ON (.+) TO '")

// grantsOf returns the privileges of an account by what they are on.
func (g granter) grantsOf(ctx context.Context, account string) (map[string][]string, error) {
	rows, err := g.db.QueryContext(ctx, "SHOW GRANTS FOR ?@'%'", account)
	if err != nil {
		return nil, fmt.Errorf("read its grants: %w", err)
	}
	defer rows.Close()
	grants := map[string][]string{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("read its grants: %w", err)
		}
		match := shown.FindStringSubmatch(line)
		if match == nil {
			g.done.Foreign = append(g.done.Foreign, line)
			continue
		}
		if match[1] == "USAGE" {
			continue
		}
		grants[match[2]] = append(grants[match[2]], strings.Split(match[1], ",")...)
	}
	return grants, rows.Err()
}
