package service_test

import (
	"errors"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/domain"
	"helfy/internal/authority"
	"helfy/internal/stack"
	"helfy/service"
)

func TestTiDBIsReachedByTLSAndWhatDoesNotFitIsNamed(t *testing.T) {
	ca := authority.New(t)
	cert, key := ca.Issue("127.0.0.1")
	t.Setenv("DEVSTACK_TIDB_SSL_CERT", cert)
	t.Setenv("DEVSTACK_TIDB_SSL_KEY", key)
	config := stack.NewOwn(t).Bare()
	config.TiDBSSL, config.TiDBSSLCA = true, ca.CA
	if _, err := config.EnsureTiDBAccounts(t.Context(), testPasswords, true); err != nil {
		t.Fatal(err)
	}
	migrating := config
	migrating.TiDBUser, migrating.TiDBPassword = service.MigrateAccount, testPasswords.Migrate
	if _, err := migrating.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	api := config
	api.TiDBUser, api.TiDBPassword = service.APIAccount, testPasswords.API
	if _, err := api.ListUsers(t.Context()); err != nil {
		t.Errorf("with the right authority: %v", err)
	}
	for name, c := range map[string]struct {
		variable string
		change   func(*service.Config)
	}{
		"another authority":    {"TIDB_SSL_CA", func(c *service.Config) { c.TiDBSSLCA = authority.New(t).CA }},
		"another name":         {"TIDB_HOST", func(c *service.Config) { c.TiDBHost = "localhost" }},
		"plain text":           {"TIDB_SSL", func(c *service.Config) { c.TiDBSSL = false }},
		"another password":     {"TIDB_PASSWORD", func(c *service.Config) { c.TiDBPassword = domain.NewSecret("hidden") }},
		"an account not there": {"TIDB_USER", func(c *service.Config) { c.TiDBUser = "nobody" }},
	} {
		wrong := api
		c.change(&wrong)
		_, err := wrong.ListUsers(t.Context())
		if !errors.Is(err, tidb.ErrRefused) || tidb.IsOutage(err) || !strings.Contains(err.Error(), c.variable) {
			t.Errorf("%s: want a refusal that names %s and is no outage, got %v", name, c.variable, err)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
	if _, err := config.EnsureTiDBAccounts(t.Context(), testPasswords, false); err != nil {
		t.Fatal(err)
	}
	api.TiDBSSL = false
	if _, err := api.ListUsers(t.Context()); err != nil {
		t.Errorf("in plain text, where nobody wants TLS: %v", err)
	}
}

func TestAServerWithoutTLSIsNamed(t *testing.T) {
	config := stack.New(t)
	config.TiDBSSL = true
	if _, err := config.ListUsers(t.Context()); !errors.Is(err, tidb.ErrRefused) || !strings.Contains(err.Error(), "TIDB_SSL, because") {
		t.Errorf("got %v", err)
	}
}
