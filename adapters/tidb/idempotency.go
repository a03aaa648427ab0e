package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

// rememberedFor is how long a request is recognised. TiDB removes what is
// older, some time later.
const rememberedFor = 24 * time.Hour

// storedAnswer is a row of idempotency_keys.
type storedAnswer struct {
	keyID, fingerprint string
	answer             []byte
	createdAt          time.Time
}

const answerColumns = "key_id, fingerprint, answer, created_at FROM idempotency_keys WHERE actor_id = ? AND request_key = ?"

func (s *storedAnswer) scan(row *sql.Row) error {
	return row.Scan(&s.keyID, &s.fingerprint, &s.answer, &s.createdAt)
}

// given returns the answer, or found == false for a row that stands for none:
// one that was made in this transaction, or is too old.
func (s *storedAnswer) given(keyring *domain.Keyring, request domain.Request) (answer query.User, found bool, err error) {
	if len(s.answer) == 0 || time.Since(s.createdAt) > rememberedFor {
		return query.User{}, false, nil
	}
	if !request.Same(keyring, s.keyID, s.fingerprint) {
		return query.User{}, false, command.ErrKeyReused
	}
	if err := json.Unmarshal(s.answer, &answer); err != nil {
		return query.User{}, false, fmt.Errorf("read the stored answer: %w", err)
	}
	return answer, true, nil
}

// Answered implements command.Accounts.
func (u *Users) Answered(ctx context.Context, request domain.Request) (answer query.User, found bool, err error) {
	if request.Key == "" {
		return query.User{}, false, nil
	}
	var stored storedAnswer
	err = stored.scan(u.db.QueryRowContext(ctx, "SELECT "+answerColumns, request.Actor, request.Key))
	if errors.Is(err, sql.ErrNoRows) {
		return query.User{}, false, nil
	}
	if err != nil {
		return query.User{}, false, fmt.Errorf("look for a request: %w", err)
	}
	return stored.given(u.keyring, request)
}

// claim takes the request's key for the transaction, which waits for any other
// one that has it, and returns the answer if there is one.
func (u *Users) claim(ctx context.Context, tx *sql.Tx, request domain.Request) (answer query.User, found bool, err error) {
	if request.Key == "" {
		return query.User{}, false, nil
	}
	// The upsert locks the row, or makes it.
	_, err = tx.ExecContext(ctx, `
		INSERT INTO idempotency_keys (actor_id, request_key, key_id, fingerprint, answer, created_at)
		VALUES (?, ?, '', '', '', ?) ON DUPLICATE KEY UPDATE key_id = key_id`, request.Actor, request.Key, time.Now().UTC())
	if err != nil {
		return query.User{}, false, fmt.Errorf("claim the key of a request: %w", err)
	}
	var stored storedAnswer
	err = stored.scan(tx.QueryRowContext(ctx, "SELECT "+answerColumns+" FOR UPDATE", request.Actor, request.Key))
	if err != nil {
		return query.User{}, false, fmt.Errorf("look for a request: %w", err)
	}
	return stored.given(u.keyring, request)
}

// remember stores the answer to a request whose key the transaction has.
func (u *Users) remember(ctx context.Context, tx *sql.Tx, request domain.Request, answer query.User) error {
	if request.Key == "" {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	keyID, fingerprint := request.Seal(u.keyring)
	_, err = tx.ExecContext(ctx, `
		UPDATE idempotency_keys SET key_id = ?, fingerprint = ?, answer = ?, created_at = ?
		WHERE actor_id = ? AND request_key = ?`,
		keyID, fingerprint, text, time.Now().UTC(), request.Actor, request.Key)
	if err != nil {
		return fmt.Errorf("remember the answer: %w", err)
	}
	return nil
}
