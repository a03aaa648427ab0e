package cli

import (
	"fmt"

	"helfy/domain"
	"helfy/service"
)

type tidbCommands struct {
	Accounts tidbAccounts `cmd:"" help:"Look after the accounts of the processes."`
}

type tidbAccounts struct {
	Ensure tidbAccountsEnsure `cmd:"" help:"Make helfy_migrate, helfy_api and helfy_consumer, or set their passwords, each with the privileges that it needs and no others. TIDB_USER must be an administrator."`
}

type tidbAccountsEnsure struct {
	Migrate    string `required:"" name:"migrate-password-file" env:"TIDB_MIGRATE_PASSWORD_FILE" placeholder:"FILE" help:"File with the password of helfy_migrate."`
	API        string `required:"" name:"api-password-file" env:"TIDB_API_PASSWORD_FILE" placeholder:"FILE" help:"File with the password of helfy_api."`
	Consumer   string `required:"" name:"consumer-password-file" env:"TIDB_CONSUMER_PASSWORD_FILE" placeholder:"FILE" help:"File with the password of helfy_consumer."`
	RequireTLS bool   `name:"require-tls" env:"TIDB_REQUIRE_TLS" help:"Let TiDB refuse these accounts without TLS."`
}

// Run implements the command.
func (e tidbAccountsEnsure) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	var passwords service.TiDBPasswords
	for _, one := range []struct {
		flag, file string
		password   *domain.Secret
	}{
		{"--migrate-password-file", e.Migrate, &passwords.Migrate},
		{"--api-password-file", e.API, &passwords.API},
		{"--consumer-password-file", e.Consumer, &passwords.Consumer},
	} {
		text, err := service.ReadSecretFile(one.file)
		if err != nil {
			return fmt.Errorf("%s: %w", one.flag, err)
		}
		*one.password = domain.NewSecret(text)
	}
	done, err := config.EnsureTiDBAccounts(s.ctx, passwords, e.RequireTLS)
	if err != nil {
		return err
	}
	for _, change := range done.Changes {
		if err := s.say("%s", change); err != nil {
			return err
		}
	}
	for _, foreign := range done.Foreign {
		if err := s.say("not touched: %s", foreign); err != nil {
			return err
		}
	}
	return s.say("accounts %s, %s and %s are as they must be on database %s",
		service.MigrateAccount, service.APIAccount, service.ConsumerAccount, config.TiDBDatabase)
}
