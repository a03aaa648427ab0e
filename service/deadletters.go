package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/projection"
	"helfy/domain"
)

// deadLetterPage is how many dead letters are read at a time.
const deadLetterPage = 200

// DeadLetters calls visit for each chosen dead letter, in the order of
// projection, topic, partition and offset, until it returns an error. Without
// a projection in the filter all are chosen. Of each value at most so many
// bytes are read.
func (c Config) DeadLetters(
	ctx context.Context, filter projection.DeadLetterFilter, bytes int, visit func(projection.DeadLetter) error,
) error {
	return c.withDeadLetters(filter.Projection, func(db *sql.DB, all []registered) error {
		letters := tidb.NewDeadLetters(db)
		for _, one := range all {
			filter.Projection = one.name()
			if err := visitDeadLetters(ctx, letters, filter, bytes, visit); err != nil {
				return err
			}
		}
		return nil
	})
}

func visitDeadLetters(
	ctx context.Context, letters tidb.DeadLetters, filter projection.DeadLetterFilter, bytes int, visit func(projection.DeadLetter) error,
) error {
	var behind *projection.Place
	for {
		page, err := letters.List(ctx, filter, behind, deadLetterPage, bytes)
		if err != nil {
			return err
		}
		for _, letter := range page {
			if err := visit(letter); err != nil {
				return err
			}
		}
		if len(page) < deadLetterPage {
			return nil
		}
		behind = &page[len(page)-1].Place
	}
}

// RetryDeadLetters tries dead letters again and calls visit for each: that at
// a place, or all that any generation has which consumers write. Without the
// name of a projection it tries those of all. It returns
// projection.ErrNoDeadLetter if there is none at the place.
func (c Config) RetryDeadLetters(ctx context.Context, name string, at *projection.Place, visit func(projection.RetriedLetter) error) error {
	return c.withDeadLetters(name, func(db *sql.DB, all []registered) error {
		return retryDeadLetters(ctx, db, all, at, visit)
	})
}

func retryDeadLetters(ctx context.Context, db *sql.DB, all []registered, at *projection.Place, visit func(projection.RetriedLetter) error) error {
	letters := tidb.NewDeadLetters(db)
	tried := 0
	for _, one := range all {
		try := func(place projection.Place) error {
			retried, err := retryDeadLetter(ctx, letters, one, place)
			if errors.Is(err, projection.ErrNoDeadLetter) {
				return nil // of another projection, or somebody else was faster
			}
			if err != nil {
				return err
			}
			tried++
			return visit(retried)
		}
		var err error
		if at != nil {
			err = try(*at)
		} else {
			err = eachPlace(ctx, one, try)
		}
		if err != nil {
			return err
		}
	}
	if at != nil && tried == 0 {
		return fmt.Errorf("%s: %w", at, projection.ErrNoDeadLetter)
	}
	return nil
}

// eachPlace calls try for the places of all dead letters of a projection.
func eachPlace(ctx context.Context, one registered, try func(projection.Place) error) error {
	var behind *projection.Place
	for {
		places, err := one.deadLetters(ctx, behind, deadLetterPage)
		if err != nil {
			return err
		}
		for _, place := range places {
			if err := try(place); err != nil {
				return err
			}
		}
		if len(places) < deadLetterPage {
			return nil
		}
		behind = &places[len(places)-1]
	}
}

// retryDeadLetter tries one. That its bytes are not whole is what became of it.
func retryDeadLetter(ctx context.Context, letters tidb.DeadLetters, one registered, at projection.Place) (projection.RetriedLetter, error) {
	retried, err := one.retry(ctx, at)
	if errors.Is(err, projection.ErrNotWhole) {
		retried, err = projection.Retried{Projection: one.name(), Place: at, Reason: err.Error()}, nil
	}
	if err != nil || retried.Reason == "" {
		return projection.RetriedLetter{Retried: retried}, err
	}
	result := projection.RetriedLetter{Retried: retried, State: projection.DeadLetterOpen}
	still, err := letters.List(ctx, projection.DeadLetterFilter{Projection: one.name(), Place: &at}, nil, 1, 0)
	if err == nil && len(still) == 1 {
		result.State = still[0].State()
	}
	return result, err
}

// WaiveDeadLetter records that projections may do without the record at a
// place. Without the name of a projection it holds for all that have it as an
// open dead letter. Its errors are those of command.WaiveHandler.
func (c Config) WaiveDeadLetter(ctx context.Context, name string, at projection.Place, reason, by string) (waiver domain.Waiver, err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return waiver, err
	}
	err = c.withDeadLetters(name, func(db *sql.DB, all []registered) error {
		letters := tidb.NewDeadLetters(db)
		waive := command.Waive{Place: at, Projections: namesOf(all), Reason: reason, By: by, Origin: atTerminal}
		handler := command.WaiveHandler{Letters: letters, Chains: tidb.NewChains(db, keyring), Keyring: keyring, Now: time.Now}
		waiver, err = handler.Handle(ctx, waive)
		return err
	})
	return waiver, err
}

// withDeadLetters opens the database for work on the dead letters of a
// projection, or, without a name, of all.
func (c Config) withDeadLetters(name string, work func(*sql.DB, []registered) error) (err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	all, err := some(c.withNotifications(db), name)
	if err != nil {
		return err
	}
	return work(db, all)
}

// withNotifications returns all that can have dead letters, kept in db.
func (c Config) withNotifications(db *sql.DB) []registered {
	return append(c.projections(db, nil), registration[projection.Notable]{
		Topics:     []string{c.EventsTopic},
		Projection: projection.Notables{}, Store: tidb.NewNotificationStore(db, c.notificationStore()).ProjectionStore,
	})
}

// some returns the projection of a name, or, without a name, all.
func some(all []registered, name string) ([]registered, error) {
	if name == "" {
		return all, nil
	}
	one, err := find(all, name)
	return []registered{one}, err
}

func namesOf(all []registered) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.name()
	}
	return names
}
