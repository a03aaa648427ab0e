package tidb

import "helfy/domain"

const credentialColumns = `c.user_id, c.password_hash, c.event_seq, c.must_change, c.key_id, c.mac,
	COALESCE((SELECT password_seq FROM users WHERE id = c.user_id), 0)`

// scanCredential reads credentialColumns and whatever follows them.
func scanCredential(row interface{ Scan(...any) error }, more ...any) (domain.Credential, error) {
	var c domain.Credential
	err := row.Scan(append([]any{&c.UserID, &c.PasswordHash, &c.Seq, &c.MustChange, &c.KeyID, &c.MAC, &c.NewestSeq}, more...)...)
	return c, err
}
