package service

import (
	"context"

	"helfy/adapters/tidb"
	"helfy/domain"
	"helfy/migrations"
)

// The accounts of TiDB, each of which has what its processes need.
const (
	MigrateAccount  = "helfy_migrate"
	APIAccount      = "helfy_api"
	ConsumerAccount = "helfy_consumer"
)

// TiDBPasswords are those of the accounts.
type TiDBPasswords struct{ Migrate, API, Consumer domain.Secret }

// migrates are the privileges on the database of the account that migrates.
var migrates = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}

// EnsureTiDBAccounts makes the accounts, with these passwords and exactly the
// privileges that they need on the database, which need not be there yet. The
// configured user must be an administrator of TiDB.
func (c Config) EnsureTiDBAccounts(ctx context.Context, passwords TiDBPasswords, requireTLS bool) (tidb.Ensured, error) {
	grants, err := migrations.ReadGrants()
	if err != nil {
		return tidb.Ensured{}, err
	}
	return tidb.EnsureAccounts(ctx, c.tidb(), []tidb.Account{
		{Name: MigrateAccount, Password: passwords.Migrate, RequireTLS: requireTLS, Whole: migrates},
		{Name: APIAccount, Password: passwords.API, RequireTLS: requireTLS, Tables: byTable(grants.API)},
		{Name: ConsumerAccount, Password: passwords.Consumer, RequireTLS: requireTLS, Tables: byTable(grants.Consumer)},
	})
}

func byTable(grants []migrations.Grant) map[string][]string {
	tables := map[string][]string{}
	for _, grant := range grants {
		tables[grant.Table] = grant.Privileges
	}
	return tables
}
