package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"helfy/adapters/kafka"
	"helfy/adapters/ticdc"
	"helfy/adapters/tidb"
	"helfy/migrations"
)

// Part is something that a process cannot begin without.
type Part string

// The parts.
const (
	// PartServer is TiDB, with or without the database.
	PartServer Part = "TiDB"
	// PartTables are the database and all its migrations.
	PartTables Part = "the tables"
	PartKafka  Part = "Kafka"
	PartTopics Part = "the topics"
	PartTiCDC  Part = "TiCDC"
)

// permanentPatience is how long something is asked again that looks as if it
// would never be otherwise, a wrong password for example: accounts may be made
// just now.
const permanentPatience = 10 * time.Second

// The pauses between questions.
const (
	firstAsk = 100 * time.Millisecond
	maxAsk   = 2 * time.Second
)

// Await waits until parts are there, in their order, StartTimeout for all of
// them. It calls tell before it waits for one, and again when the reason is
// another one, and with nil when a part it has waited for is there. Its error
// names the part and the reason.
func (c Config) Await(ctx context.Context, tell func(part Part, where string, err error), parts ...Part) error {
	ctx, cancel := context.WithTimeout(ctx, c.StartTimeout)
	defer cancel()
	for _, part := range parts {
		if err := c.await(ctx, part, tell); err != nil {
			return err
		}
	}
	return nil
}

// awaitStart is Await for a process that logs. It returns nil when ctx ends.
func (c Config) awaitStart(ctx context.Context, log *slog.Logger, parts ...Part) error {
	err := c.Await(ctx, func(part Part, where string, err error) {
		if err == nil {
			log.InfoContext(ctx, "what was waited for is there", "part", part, "address", where)
			return
		}
		log.WarnContext(ctx, "waiting", "part", part, "address", where, "atMost", c.StartTimeout.String(), "reason", err)
	}, parts...)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was to wait until then
	}
	return err
}

func (c Config) await(ctx context.Context, part Part, tell func(Part, string, error)) error {
	ask, where := c.part(part)
	var told string
	var hopeless time.Time
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = firstAsk, maxAsk
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := ask(ctx)
		if err == nil {
			return struct{}{}, nil
		}
		if ctx.Err() == nil {
			last = err
		}
		switch {
		case !isPermanent(err):
			hopeless = time.Time{}
		case hopeless.IsZero():
			hopeless = time.Now()
		case time.Since(hopeless) > permanentPatience:
			return struct{}{}, backoff.Permanent(err)
		}
		if reason := reasonOf(err); reason != told && ctx.Err() == nil {
			told = reason
			tell(part, where, err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	if err == nil {
		if told != "" {
			tell(part, where, nil)
		}
		return nil
	}
	if last == nil {
		last = err
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("%s at %s is not there after START_TIMEOUT, %s: %w", part, where, c.StartTimeout, last)
	}
	return fmt.Errorf("%s at %s: %w", part, where, last)
}

// reasonOf is an error without the ports that clients get anew for each try.
func reasonOf(err error) string {
	var words []string
	for word := range strings.FieldsSeq(err.Error()) {
		if !strings.Contains(word, "->") {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// isPermanent reports whether asking again will most likely be in vain.
func isPermanent(err error) bool {
	return tidb.IsRefused(err) || errors.Is(err, kafka.ErrRefused) || ticdc.IsRefused(err)
}

// part returns how a part is asked whether it is there, and where it is.
func (c Config) part(part Part) (ask func(context.Context) error, where string) {
	database := fmt.Sprintf("%s:%d", c.TiDBHost, c.TiDBPort)
	brokers := strings.Join(c.KafkaBrokers, ",")
	switch part {
	case PartServer:
		return func(ctx context.Context) error { return tidb.Reach(ctx, c.tidb()) }, database
	case PartTables:
		return func(ctx context.Context) error { return tidb.Migrated(ctx, c.tidb(), migrations.FS) }, database
	case PartKafka:
		return c.Kafka().Ping, brokers
	case PartTopics:
		return func(ctx context.Context) error {
			return c.Kafka().CheckTopics(ctx, c.ChangesTopic, c.EventsTopic)
		}, brokers
	case PartTiCDC:
		return ticdc.NewClient(c.TiCDCURL).Ready, c.TiCDCURL
	}
	panic("there is no part " + string(part)) // a mistake of the caller
}
