package service_test

import (
	"net/http"
	"slices"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// A credential of the past has a MAC that verifies.
func TestAnOlderPasswordThatIsPutBackByHandIsRefusedAndFound(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	const newest = "some other long passphrase"
	exec(t, config, "CREATE TABLE kept LIKE credentials")
	exec(t, config, "INSERT INTO kept SELECT * FROM credentials WHERE user_id = 2")
	sendJSON(t, client, http.MethodPost, "/api/users/2/password", admin, `{"newPassword":"`+newest+`"}`, http.StatusNoContent)
	exec(t, config, "REPLACE INTO credentials SELECT * FROM kept")

	requireRefused(t, client, "bob")
	requireRefused(t, client, newest)
	found := stack.VerifiedFindings(t, config)
	if !slices.ContainsFunc(found, func(f domain.Finding) bool { return f.Kind == domain.CredentialMAC && f.UserID == 2 }) {
		t.Errorf("found %+v", found)
	}
	report := verify(t, config, "--from", "table")
	if !slices.Contains(report.kinds(), string(domain.CredentialMAC)) {
		t.Errorf("audit verify --from table: %+v", report)
	}
}
