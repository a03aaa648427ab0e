package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

var _ command.Accounts = (*Users)(nil)

// Create implements command.Accounts.
func (u *Users) Create(
	ctx context.Context, name domain.Username, request domain.Request, register func(domain.UserID) *domain.User,
) (answer query.User, err error) {
	var attempted []domain.Event
	err = u.inTx(ctx, commandCreateUser, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		given, found, err := u.claim(ctx, tx, request)
		if err != nil {
			return err
		}
		if found {
			answer = given
			return errSettled
		}
		id, err := insertUser(ctx, tx, name)
		if errors.Is(err, command.ErrUsernameTaken) && inDoubt {
			// By an earlier attempt, whose answer holds, or by somebody else.
			if err := settle(ctx, tx, attempted); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		user := register(id)
		attempted = user.Pending().Events
		answer, err = u.store(ctx, tx, request, user, domain.Credential{})
		return err
	})
	if err != nil {
		return query.User{}, fmt.Errorf("create user: %w", err)
	}
	return answer, nil
}

// insertUser makes the row of a new user. It is there for its id only until
// save fills it: the feed shows a transaction's last value.
func insertUser(ctx context.Context, tx *sql.Tx, name domain.Username) (domain.UserID, error) {
	result, err := tx.ExecContext(ctx, `
		INSERT INTO users (username, role, status, event_seq, event_hash, created_at, updated_at)
		VALUES (?, '', '', 0, '', '1970-01-01', '1970-01-01')`, name.String())
	if errorCode(err) == codeDuplicateKey {
		return 0, command.ErrUsernameTaken
	}
	if err != nil {
		return 0, fmt.Errorf("insert user: %w", err)
	}
	id, err := result.LastInsertId()
	if err != nil {
		return 0, fmt.Errorf("read the new user's id: %w", err)
	}
	return domain.UserID(id), nil
}

// Change implements command.Accounts.
func (u *Users) Change(ctx context.Context, change command.AccountChange) (answer query.User, err error) {
	err = u.append(ctx, commandChangeUser, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		if change.TakesAdmin {
			if err := guardAdmins(ctx, tx); err != nil {
				return err
			}
		}
		given, found, err := u.claim(ctx, tx, change.Request)
		if err != nil {
			return err
		}
		if found {
			answer = given
			return errSettled
		}
		user, err := a.lockUser(ctx, tx, change.UserID)
		if err == nil || errors.Is(err, command.ErrUserNotFound) { // an earlier attempt may have deleted it
			err = errors.Join(a.settle(ctx, tx), err)
		}
		if err != nil {
			return err
		}
		around, err := u.surroundings(ctx, tx, change)
		if err != nil {
			return err
		}
		if err := change.Apply(user, around); err != nil {
			return err
		}
		a.events = user.Pending().Events
		answer, err = u.store(ctx, tx, change.Request, user, around.Credential)
		return err
	})
	if err != nil {
		return query.User{}, fmt.Errorf("change user %d: %w", change.UserID, err)
	}
	return answer, nil
}

// store writes a user, if anything has happened to it, and the answer to the
// request. credential is the one that the user had.
func (u *Users) store(
	ctx context.Context, tx *sql.Tx, request domain.Request, user *domain.User, credential domain.Credential,
) (query.User, error) {
	state, pending := user.State(), user.Pending()
	if len(pending.Events) > 0 {
		if err := save(ctx, tx, user); err != nil {
			return query.User{}, err
		}
	}
	if pending.Credential != nil {
		credential = *pending.Credential
	}
	answer := query.User{
		ID: state.ID, Username: state.Username.String(), Role: state.Role, Status: state.Status,
		MustChangePassword: credential.MustChange, CreatedAt: state.CreatedAt,
	}
	if !state.LastLoginAt.IsZero() {
		answer.LastLoginAt = &state.LastLoginAt
	}
	var err error
	if answer.Locked, err = isLocked(ctx, tx, state.ID); err != nil {
		return query.User{}, err
	}
	return answer, u.remember(ctx, tx, request, answer)
}
