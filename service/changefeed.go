package service

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/adapters/ticdc"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/query"
)

const (
	// changefeedSettle bounds how long a changefeed may take to stop and to go.
	changefeedSettle = 90 * time.Second
	// changefeedTurn bounds how long one who changes the changefeed waits for
	// another one.
	changefeedTurn = time.Minute
	turnEvery      = 200 * time.Millisecond
)

// feed is the changefeed at TiCDC.
func (c Config) feed() ticdc.Feed {
	return ticdc.NewFeed(ticdc.NewClient(c.TiCDCURL), ticdc.Changefeed{
		ID: c.ChangefeedID, Database: c.TiDBDatabase,
		ChangesTopic: c.ChangesTopic, EventsTopic: c.EventsTopic,
		Partitions: c.KafkaPartitions, Replication: c.KafkaReplication, Brokers: c.ChangefeedBrokers,
		TLS: c.ChangefeedTLS, TLSCA: c.ChangefeedTLSCA, TLSCert: c.ChangefeedTLSCert, TLSKey: c.ChangefeedTLSKey,
		SASL: c.ChangefeedSASL, SASLUsername: c.ChangefeedSASLUsername, SASLPassword: c.ChangefeedSASLPassword,
	})
}

func (c Config) changefeeds(db *sql.DB) tidb.Changefeeds {
	return tidb.NewChangefeeds(db, c.ChangefeedID, c.auditLog(db))
}

// EnsureChangefeed creates the changefeed if it is missing and checks it
// otherwise. It reports whether it created it, and the changefeed's state.
func (c Config) EnsureChangefeed(ctx context.Context) (created bool, state query.ChangefeedState, err error) {
	ensured, err := c.MakeChangefeed(ctx, command.EnsureChangefeed{Tell: func(string, ...any) {}})
	return ensured.Done == "created", ensured.Changefeed.State, err
}

// MakeChangefeed makes the changefeed what it must be, as command.EnsureChangefeed
// asks for. Several may call it at once: one works, the others wait. What TiCDC
// cannot do yet is tried again for StartTimeout.
func (c Config) MakeChangefeed(ctx context.Context, ensure command.EnsureChangefeed) (ensured command.EnsuredChangefeed, err error) {
	var told string
	for deadline := time.Now().Add(c.StartTimeout); ; {
		ensured, err = c.makeChangefeed(ctx, ensure)
		if !ticdc.IsTransient(err) || time.Now().After(deadline) {
			return ensured, err
		}
		if reason := reasonOf(err); reason != told {
			told = reason
			ensure.Tell("trying again, for at most %s: %v", c.StartTimeout, err)
		}
		select {
		case <-time.After(maxAsk):
		case <-ctx.Done():
			return ensured, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func (c Config) makeChangefeed(ctx context.Context, ensure command.EnsureChangefeed) (ensured command.EnsuredChangefeed, err error) {
	err = c.withChangefeed(ctx, func(ctx context.Context, feed ticdc.Feed, memory tidb.Changefeeds) error {
		ensured, err = command.EnsureChangefeedHandler{Server: feed, Memory: memory, Settle: changefeedSettle}.Handle(ctx, ensure)
		return err
	})
	return ensured, err
}

// PauseChangefeed stops the changefeed until it is resumed.
func (c Config) PauseChangefeed(ctx context.Context) error {
	return c.withChangefeed(ctx, func(ctx context.Context, feed ticdc.Feed, _ tidb.Changefeeds) error { return feed.Pause(ctx) })
}

// ResumeChangefeed lets a paused or failed changefeed go on from where it
// stopped.
func (c Config) ResumeChangefeed(ctx context.Context) error {
	return c.withChangefeed(ctx, func(ctx context.Context, feed ticdc.Feed, _ tidb.Changefeeds) error { return feed.Resume(ctx) })
}

// RemoveChangefeed makes TiCDC forget the changefeed, and remembers how far it
// came: EnsureChangefeed goes on from there.
func (c Config) RemoveChangefeed(ctx context.Context) error {
	return c.withChangefeed(ctx, func(ctx context.Context, feed ticdc.Feed, memory tidb.Changefeeds) error {
		return command.EnsureChangefeedHandler{Server: feed, Memory: memory, Settle: changefeedSettle}.Remove(ctx)
	})
}

// ChangefeedStatus returns how the changefeed is doing; it is ChangefeedUnknown
// if TiCDC does not answer.
func (c Config) ChangefeedStatus(ctx context.Context) (seen query.Changefeed, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return query.ShowChangefeed{Latest: c.latestChangefeed(), Memory: c.changefeeds(db)}.Handle(ctx), nil
}

// withChangefeed works on the changefeed while nobody else does.
func (c Config) withChangefeed(
	ctx context.Context, work func(context.Context, ticdc.Feed, tidb.Changefeeds) error,
) (err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	held, release, err := c.takeTurn(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	err = work(held, c.feed(), c.changefeeds(db))
	if cause := context.Cause(held); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// takeTurn waits for its turn.
func (c Config) takeTurn(ctx context.Context, db *sql.DB) (held context.Context, release func() error, err error) {
	// A lock's name has at most 64 characters.
	name := fmt.Sprintf("changefeed %.20x", sha256.Sum256([]byte(c.TiDBDatabase+"/"+c.ChangefeedID)))
	for deadline := time.Now().Add(changefeedTurn); ; {
		held, release, err = tidb.Hold(ctx, db, name)
		if !errors.Is(err, tidb.ErrHeld) || time.Now().After(deadline) {
			return held, release, err
		}
		select {
		case <-time.After(turnEvery):
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}
