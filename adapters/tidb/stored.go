package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/verification"
	"helfy/domain"
)

// Stored implements verification.Stored: it reads everything in one
// transaction, which sees what was committed before its start. It is not safe
// for concurrent use; Close ends it.
type Stored struct {
	tx     *sql.Tx
	moment uint64
	users  []domain.UserID
}

var _ verification.Stored = (*Stored)(nil)

// OpenStored begins to read what is stored now, with users only what is
// theirs.
func OpenStored(ctx context.Context, db *sql.DB, users []domain.UserID) (*Stored, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin to read what is stored: %w", err)
	}
	s := &Stored{tx: tx, users: users}
	if err := tx.QueryRowContext(ctx, "SELECT @@tidb_current_ts").Scan(&s.moment); err != nil {
		return nil, errors.Join(fmt.Errorf("read the transaction's timestamp: %w", err), tx.Rollback())
	}
	// It holds no locks, and waits for the log to be as complete.
	if err := setIdle(ctx, tx, 0); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return s, nil
}

// Close ends the transaction.
func (s *Stored) Close() error {
	return errors.Join(setIdle(context.Background(), s.tx, idleTxSeconds), s.tx.Rollback())
}

// Moment implements verification.Stored.
func (s *Stored) Moment() uint64 { return s.moment }

const outboxRow = "id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at"

func scanEvent(rows *sql.Rows) (domain.Event, error) {
	var e domain.Event
	err := rows.Scan(&e.ID, &e.AggregateType, &e.AggregateID, &e.Type, &e.Payload, &e.Metadata,
		&e.Seq, &e.PrevHash, &e.Hash, &e.KeyID, &e.OccurredAt)
	return e, err
}

// Events implements verification.Stored.
func (s *Stored) Events(ctx context.Context, ids []string) (map[string]domain.Event, error) {
	found := make(map[string]domain.Event, len(ids))
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err := each(ctx, s.tx, "outbox", scanEvent, func(event domain.Event) { found[event.ID] = event },
		"SELECT "+outboxRow+" FROM outbox WHERE id IN "+tuples(1, len(ids)), args...)
	return found, err
}

// EachEvent implements verification.Stored.
func (s *Stored) EachEvent(ctx context.Context, take func(domain.Event)) error {
	condition, args := "", []any(nil)
	if len(s.users) > 0 {
		condition = " WHERE aggregatetype = ? AND aggregateid IN " + tuples(1, len(s.users))
		args = []any{domain.AggregateUser}
		for _, user := range s.users {
			args = append(args, user.String())
		}
	}
	return each(ctx, s.tx, "outbox", scanEvent, take, "SELECT "+outboxRow+" FROM outbox"+condition, args...)
}

// Heads implements verification.Stored.
func (s *Stored) Heads(ctx context.Context) (map[domain.Chain]domain.Head, error) {
	heads := map[domain.Chain]domain.Head{}
	take := func(h domain.SealedHead) { heads[h.Chain] = h.Head }
	condition, args := s.of("id")
	err := each(ctx, s.tx, "users", scanUserHead, take, "SELECT id, event_seq, event_hash FROM users"+condition, args...)
	if err != nil || len(s.users) > 0 {
		return heads, err
	}
	return heads, each(ctx, s.tx, "event_chains", scanHead, take,
		"SELECT aggregatetype, aggregateid, event_seq, event_hash FROM event_chains")
}

// Users implements verification.Stored.
func (s *Stored) Users(ctx context.Context) (map[domain.UserID]domain.LoggedUser, error) {
	users := map[domain.UserID]domain.LoggedUser{}
	type stored struct {
		id  domain.UserID
		row domain.LoggedUser
	}
	scan := func(rows *sql.Rows) (u stored, err error) {
		err = rows.Scan(&u.id, &u.row.Username, &u.row.Role, &u.row.Status, &u.row.TokenHash)
		return u, err
	}
	condition, args := s.of("id")
	return users, each(ctx, s.tx, "users", scan, func(u stored) { users[u.id] = u.row },
		"SELECT id, username, role, status, COALESCE(token_hash, '') FROM users"+condition, args...)
}

func scanUserHead(rows *sql.Rows) (domain.SealedHead, error) {
	var id domain.UserID
	var head domain.Head
	err := rows.Scan(&id, &head.Seq, &head.Hash)
	return domain.SealedHead{Chain: domain.Chain{AggregateType: domain.AggregateUser, AggregateID: id.String()}, Head: head}, err
}

func scanHead(rows *sql.Rows) (domain.SealedHead, error) {
	var h domain.SealedHead
	err := rows.Scan(&h.AggregateType, &h.AggregateID, &h.Seq, &h.Hash)
	return h, err
}

// EachCredential implements verification.Stored.
func (s *Stored) EachCredential(ctx context.Context, take func(domain.Credential)) error {
	condition, args := s.of("user_id")
	scan := func(rows *sql.Rows) (domain.Credential, error) { return scanCredential(rows) }
	return each(ctx, s.tx, "credentials", scan, take, "SELECT "+credentialColumns+" FROM credentials c"+condition, args...)
}

// EachSession implements verification.Stored.
func (s *Stored) EachSession(ctx context.Context, take func(domain.Session)) error {
	condition, args := s.of("user_id")
	scan := func(rows *sql.Rows) (domain.Session, error) { return scanSession(rows) }
	return each(ctx, s.tx, "sessions", scan, take, "SELECT "+sessionColumns+" FROM sessions s"+condition, args...)
}

// of returns the condition that a column is one of the users, if they are
// chosen.
func (s *Stored) of(column string) (condition string, args []any) {
	if len(s.users) == 0 {
		return "", nil
	}
	for _, user := range s.users {
		args = append(args, user)
	}
	return " WHERE " + column + " IN " + tuples(1, len(args)), args
}

// each gives the rows of a query to take, as they come.
func each[R any](
	ctx context.Context, tx *sql.Tx, table string, scan func(*sql.Rows) (R, error), take func(R), query string, args ...any,
) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return fmt.Errorf("read a row of %s: %w", table, err)
		}
		take(row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}
