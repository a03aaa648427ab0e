package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"helfy/app/notification"
	"helfy/app/projection"
	"helfy/domain"
)

// NotificationConfig says what is made of what happens.
type NotificationConfig struct {
	// Channels are those that every notification goes to.
	Channels []notification.Channel
	// MaxAge bounds the age of an event whose notification is still sent.
	MaxAge time.Duration
}

// NotificationStore keeps the places of users and puts notifications into the
// queue. It is safe for concurrent use, also by several processes.
type NotificationStore struct {
	*ProjectionStore[projection.Notable]
	db     *sql.DB
	config NotificationConfig
}

// NewNotificationStore returns the store of the notifications in db.
func NewNotificationStore(db *sql.DB, config NotificationConfig) NotificationStore {
	store := NotificationStore{db: db, config: config}
	store.ProjectionStore = NewProjectionStore(db, Layout{Name: projection.NotificationsName}, store.decide)
	return store
}

// Open is that of ProjectionStore. The first one ever notes when notifications
// begin.
func (s NotificationStore) Open(ctx context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.ProjectionStore.Open(ctx, partitions)
}

// begin stores a TSO that is less than that of any later commit.
func (s NotificationStore) begin(ctx context.Context) error {
	return inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		var now uint64
		if err := tx.QueryRowContext(ctx, "SELECT @@tidb_current_ts").Scan(&now); err != nil {
			return fmt.Errorf("read the time of the transaction: %w", err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO notification_start (id, since_ts) VALUES (1, ?)", now); err != nil {
			return fmt.Errorf("begin notifications: %w", err)
		}
		return nil
	})
}

// since returns the TSO after which there are notifications, and false before
// they have begun.
func since(ctx context.Context, from querier) (ts uint64, begun bool, err error) {
	err = from.QueryRowContext(ctx, "SELECT since_ts FROM notification_start WHERE id = 1").Scan(&ts)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read when notifications began: %w", err)
	}
	return ts, true, nil
}

// decide is told of one generation only: notifications are not rebuilt.
func (s NotificationStore) decide(ctx context.Context, tx *sql.Tx, _ int, notables []projection.Notable) error {
	after, _, err := since(ctx, tx)
	if err != nil {
		return err
	}
	known, err := loadPlaces(ctx, tx, notables)
	if err != nil {
		return err
	}
	decision := notification.Decide(known, after, notables)
	if err := savePlaces(ctx, tx, decision); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, decision.Messages, s.config.MaxAge)
}

// loadPlaces holds the places of the users that events are of. The checkpoint
// is held already, so the read must be of what its last holder has written.
func loadPlaces(ctx context.Context, tx *sql.Tx, notables []projection.Notable) (notification.Places, error) {
	var users []domain.UserID
	for _, notable := range notables {
		users = append(users, notable.UserID)
	}
	slices.Sort(users)
	known := notification.Places{}
	for some := range slices.Chunk(slices.Compact(users), maxTuples) {
		if err := loadSomePlaces(ctx, tx, known, some); err != nil {
			return nil, fmt.Errorf("read the places of users: %w", err)
		}
	}
	return known, nil
}

func loadSomePlaces(ctx context.Context, tx *sql.Tx, known notification.Places, users []domain.UserID) error {
	args := make([]any, len(users))
	for i, user := range users {
		args[i] = user
	}
	rows, err := tx.QueryContext(ctx,
		"SELECT user_id, kind, name FROM notification_places WHERE user_id IN "+tuples(1, len(args))+" FOR UPDATE", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var place notification.Place
		if err := rows.Scan(&place.UserID, &place.Kind, &place.Name); err != nil {
			return err
		}
		known.Add(place)
	}
	return rows.Err()
}

func savePlaces(ctx context.Context, tx *sql.Tx, decision notification.Decision) error {
	for _, user := range decision.Forgotten {
		if _, err := tx.ExecContext(ctx, "DELETE FROM notification_places WHERE user_id = ?", user); err != nil {
			return fmt.Errorf("forget the places of user %s: %w", user, err)
		}
	}
	for some := range slices.Chunk(decision.Learned, maxTuples) {
		var args []any
		for _, place := range some {
			args = append(args, place.UserID, place.Kind, place.Name)
		}
		_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO notification_places (user_id, kind, name) VALUES "+tuples(len(some), 3), args...)
		if err != nil {
			return fmt.Errorf("note the places of users: %w", err)
		}
	}
	return nil
}

// enqueue makes the notifications of messages, for each channel. Those that
// are there already stay as they are. maxAge 0 is no bound.
func (s NotificationStore) enqueue(ctx context.Context, tx *sql.Tx, messages []notification.Message, maxAge time.Duration) error {
	now := time.Now().UTC()
	var args []any
	for _, message := range messages {
		state, finished := notification.Pending, sql.NullTime{}
		if maxAge > 0 && now.Sub(domain.TimeOfTSO(message.CommitTs)) > maxAge {
			state, finished = notification.Expired, sql.NullTime{Time: now, Valid: true}
		}
		for _, channel := range s.config.Channels {
			n, err := message.To(channel)
			if err != nil {
				return err
			}
			args = append(args, n.ID, channel, n.Type, n.Body, state, finished)
		}
	}
	for some := range slices.Chunk(args, 6*maxTuples) {
		_, err := tx.ExecContext(ctx, `
			INSERT IGNORE INTO notifications
			       (id, channel, type, body, state, finished_at, created_at, began_at, next_try_at)
			VALUES `+repeat("(?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))", len(some)/6), some...)
		if err != nil {
			return fmt.Errorf("put notifications into the queue: %w", err)
		}
	}
	return nil
}
