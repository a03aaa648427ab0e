package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/command"
	"helfy/domain"
)

// Users implements command.Users. It is safe for concurrent use.
type Users struct{ writing }

var _ command.Users = (*Users)(nil)

// NewUsers returns the users in db, whose chains keyring seals.
func NewUsers(db *sql.DB, keyring *domain.Keyring) *Users {
	return &Users{writing{db: db, keyring: keyring}}
}

// Observed returns the same users, whose transactions observe is told of.
func (u *Users) Observed(observe Observe) *Users {
	return &Users{writing{db: u.db, keyring: u.keyring, observe: observe}}
}

// Update implements command.Users.
func (u *Users) Update(ctx context.Context, id domain.UserID, change func(*domain.User) error) error {
	return u.update(ctx, commandUpdateUser, id, func(_ context.Context, _ *sql.Tx, user *domain.User) error { return change(user) })
}

func (u *Users) update(
	ctx context.Context, command string, id domain.UserID, change func(context.Context, *sql.Tx, *domain.User) error,
) error {
	err := u.append(ctx, command, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		user, err := a.lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := a.settle(ctx, tx); err != nil {
			return err
		}
		if err := change(ctx, tx, user); err != nil {
			return err
		}
		a.events = user.Pending().Events
		return save(ctx, tx, user)
	})
	if err != nil {
		return fmt.Errorf("update user %d: %w", id, err)
	}
	return nil
}

// settle returns errSettled if the events of an attempt of unknown outcome
// are there. The caller holds the lock that the attempt held, so the attempt
// has ended.
func settle(ctx context.Context, tx *sql.Tx, attempted []domain.Event) error {
	done, err := published(ctx, tx, attempted)
	if err == nil && done {
		return errSettled
	}
	return err
}

// userChain names the chain of a user.
func userChain(id domain.UserID) domain.Chain {
	return domain.Chain{AggregateType: domain.AggregateUser, AggregateID: id.String()}
}

// lockUser reads the newest committed state of a user and holds its row. It must
// be the first statement of the transaction: a plain read before it would fix
// the snapshot that later reads see.
func lockUser(ctx context.Context, tx *sql.Tx, id domain.UserID) (domain.UserState, error) {
	var (
		state                domain.UserState
		name                 string
		tokenHash            sql.NullString
		tokenExpires, lastIn sql.NullTime
	)
	err := tx.QueryRowContext(ctx, `
		SELECT id, username, role, status, token_hash, token_expires_at, last_login_at,
		       event_seq, event_hash, password_seq, created_at, updated_at
		FROM users WHERE id = ? FOR UPDATE`, id,
	).Scan(&state.ID, &name, &state.Role, &state.Status, &tokenHash, &tokenExpires, &lastIn,
		&state.Head.Seq, &state.Head.Hash, &state.PasswordSeq, &state.CreatedAt, &state.UpdatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.UserState{}, command.ErrUserNotFound
	}
	if err != nil {
		return domain.UserState{}, fmt.Errorf("lock user: %w", err)
	}
	state.Username, err = domain.NewUsername(name)
	if err != nil {
		return domain.UserState{}, fmt.Errorf("user %d has a name that is none: %w", id, err)
	}
	state.TokenHash = tokenHash.String
	state.TokenExpiresAt = tokenExpires.Time
	state.LastLoginAt = lastIn.Time
	return state, nil
}
