package tidb

import "helfy/domain"

const credentialColumns = "c.user_id, c.password_hash, c.event_seq, c.must_change, c.key_id, c.mac"

// scanCredential reads credentialColumns and whatever follows them.
func scanCredential(row interface{ Scan(...any) error }, more ...any) (domain.Credential, error) {
	var c domain.Credential
	err := row.Scan(append([]any{&c.UserID, &c.PasswordHash, &c.Seq, &c.MustChange, &c.KeyID, &c.MAC}, more...)...)
	return c, err
}
