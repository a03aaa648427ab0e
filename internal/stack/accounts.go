package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"helfy/domain"
	"helfy/migrations"
	"helfy/service"
)

// runAccount is the account of processes that both serve and consume: it has
// the privileges of both.
const runAccount = "helfy_run"

// granted has the databases of which the accounts have their privileges, and
// the servers that have the accounts.
var granted struct {
	sync.Mutex
	databases, servers map[string]bool
}

// privilegeSet spells privileges as the columns of TiDB's tables do.
var privilegeSet = strings.NewReplacer("SELECT", "Select", "INSERT", "Insert", "UPDATE", "Update", "DELETE", "Delete")

// grantDatabase gives the accounts what helfy tidb accounts ensure gives them,
// in one statement instead of dozens.
func grantDatabase(ctx context.Context, config service.Config) error {
	grants, err := migrations.ReadGrants()
	if err != nil {
		return err
	}
	if err := makeAccounts(ctx, config); err != nil {
		return err
	}
	var rows []string
	var args []any
	for account, list := range map[string][]migrations.Grant{
		service.APIAccount: grants.API, service.ConsumerAccount: grants.Consumer, runAccount: both(grants),
	} {
		for _, grant := range list {
			rows = append(rows, "('%', ?, ?, ?, '', NOW(), ?, '')")
			args = append(args, config.TiDBDatabase, account, grant.Table, privilegeSet.Replace(strings.Join(grant.Privileges, ",")))
		}
	}
	err = withDB(config, "", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `
			INSERT INTO mysql.tables_priv (Host, DB, User, Table_name, Grantor, Timestamp, Table_priv, Column_priv)
			VALUES `+strings.Join(rows, ","), args...)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `
			INSERT INTO mysql.db (Host, DB, User, Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Alter_priv, Index_priv)
			VALUES ('%', ?, ?, 'Y', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y')`,
			strings.ReplaceAll(config.TiDBDatabase, "_", `\_`), service.MigrateAccount)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "FLUSH PRIVILEGES")
		return err
	})
	if err != nil {
		return fmt.Errorf("give the accounts their privileges: %w", err)
	}
	granted.Lock()
	defer granted.Unlock()
	granted.databases[config.TiDBDatabase] = true
	return nil
}

// makeAccounts makes the accounts on a server, once. The password of each is
// its name.
func makeAccounts(ctx context.Context, config service.Config) error {
	granted.Lock()
	defer granted.Unlock()
	if granted.databases == nil {
		granted.databases, granted.servers = map[string]bool{}, map[string]bool{}
	}
	server := net.JoinHostPort(config.TiDBHost, strconv.Itoa(config.TiDBPort))
	if granted.servers[server] {
		return nil
	}
	err := withDB(config, "", func(db *sql.DB) error {
		for _, account := range []string{service.MigrateAccount, service.APIAccount, service.ConsumerAccount, runAccount} {
			if _, err := db.ExecContext(ctx, "CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ?", account, account); err != nil {
				return fmt.Errorf("make account %s: %w", account, err)
			}
		}
		return nil
	})
	granted.servers[server] = err == nil
	return err
}

// PasswordFiles are the flags of helfy tidb accounts ensure that leave the
// accounts of tests as they are.
func PasswordFiles(t testing.TB) (flags []string) {
	t.Helper()
	dir := t.TempDir()
	for flag, account := range map[string]string{
		"migrate": service.MigrateAccount, "api": service.APIAccount, "consumer": service.ConsumerAccount,
	} {
		file := filepath.Join(dir, flag)
		if err := os.WriteFile(file, []byte(account), 0o600); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "--"+flag+"-password-file", file)
	}
	return flags
}

// both are the grants of two accounts, those of a table once.
func both(grants migrations.Grants) []migrations.Grant {
	privileges := map[string][]string{}
	for _, grant := range slices.Concat(grants.API, grants.Consumer) {
		for _, privilege := range grant.Privileges {
			if !slices.Contains(privileges[grant.Table], privilege) {
				privileges[grant.Table] = append(privileges[grant.Table], privilege)
			}
		}
	}
	all := make([]migrations.Grant, 0, len(privileges))
	for table, list := range privileges {
		all = append(all, migrations.Grant{Table: table, Privileges: list})
	}
	return all
}

// revokeDatabase takes what grantDatabase has given.
func revokeDatabase(ctx context.Context, config service.Config) error {
	return withDB(config, "", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "DELETE FROM mysql.tables_priv WHERE DB = ?", config.TiDBDatabase)
		_, other := db.ExecContext(ctx, "DELETE FROM mysql.db WHERE DB = ?", strings.ReplaceAll(config.TiDBDatabase, "_", `\_`))
		return errors.Join(err, other)
	})
}

// accounts are those that commands run with; the page for operators has the
// same list.
var accounts = map[string]string{
	"run": runAccount, "serve": service.APIAccount, "consume": service.ConsumerAccount,
	"migrate": service.MigrateAccount, "changefeed": service.MigrateAccount,
	"user": service.APIAccount, "key usage": service.APIAccount, "audit": service.APIAccount, "deadletters waive": service.APIAccount,
	"rebuild": service.ConsumerAccount, "rollback": service.ConsumerAccount, "projections": service.ConsumerAccount,
	"deadletters": service.ConsumerAccount, "notifications": service.ConsumerAccount,
}

// As is a configuration with the account that a command runs with. It is the
// configuration itself if a test has said who to be, or has made the database
// itself.
func As(config service.Config, command ...string) service.Config {
	granted.Lock()
	defer granted.Unlock()
	if config.TiDBUser != "root" || !granted.databases[config.TiDBDatabase] {
		return config
	}
	account := accounts[strings.Join(command[:min(2, len(command))], " ")]
	if account == "" && len(command) > 0 {
		account = accounts[command[0]]
	}
	if account != "" {
		config.TiDBUser, config.TiDBPassword = account, domain.NewSecret(account)
	}
	return config
}
