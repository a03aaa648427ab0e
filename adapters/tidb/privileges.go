package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// grantLine is a line of SHOW GRANTS: privileges, and on what.
var grantLine = regexp.MustCompile("^GRANT (.+) ON (.+) TO ")

// Lacking returns which of the privileges on tables of the configured database
// the account that connects does not have, as "INSERT on users", in order.
func Lacking(ctx context.Context, cfg Config, tables map[string][]string) (lacking []string, err error) {
	err = using(ctx, cfg, "", func(ctx context.Context, db *sql.DB) (err error) {
		rows, err := db.QueryContext(ctx, "SHOW GRANTS")
		if err != nil {
			return fmt.Errorf("read the account's privileges: %w", err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		has := map[string][]string{}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return fmt.Errorf("read privilege: %w", err)
			}
			if parts := grantLine.FindStringSubmatch(line); parts != nil {
				on := strings.ReplaceAll(parts[2], "`", "")
				has[on] = append(has[on], strings.Split(parts[1], ",")...)
			}
		}
		lacking = lackingOf(has, cfg.Database, tables)
		return rows.Err()
	})
	return lacking, err
}

func lackingOf(has map[string][]string, database string, tables map[string][]string) (lacking []string) {
	for table, privileges := range tables {
		for _, privilege := range privileges {
			granted := false
			for _, on := range []string{"*.*", database + ".*", database + "." + table} {
				granted = granted || slices.ContainsFunc(has[on], func(one string) bool {
					one = strings.TrimSpace(one)
					return strings.EqualFold(one, privilege) || strings.EqualFold(one, "ALL PRIVILEGES") || strings.EqualFold(one, "ALL")
				})
			}
			if !granted {
				lacking = append(lacking, privilege+" on "+table)
			}
		}
	}
	slices.Sort(lacking)
	return slices.Compact(lacking)
}
