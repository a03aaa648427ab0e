package service

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/ports/events"
)

// projections returns all projections, kept in db. Their consumers, and what
// the commands do with their generations, follow from this list. The consumer
// of the audit log calls wake when there may be more to verify; whoever runs
// no consumer leaves it nil.
func (c Config) projections(db *sql.DB, wake func()) []registered {
	return []registered{
		registration[domain.AuditEntry]{
			Topics:     []string{c.ChangesTopic, c.EventsTopic},
			Projection: projection.Audit{Database: c.TiDBDatabase},
			Store:      tidb.NewAuditStore(db),
			Flushes:    AuditFlushes,
			OnFresh:    events.LogAudit,
			OnComplete: wake,
			Derive: func(ctx context.Context, generation int) error {
				keyring, err := c.readKeyring()
				if err != nil {
					return err
				}
				return findings.CatchUp(ctx, tidb.NewVerification(db, c.auditLog(db).Of(generation)), keyring)
			},
		},
		registration[projection.LoginEvent]{
			Topics:     []string{c.EventsTopic},
			Projection: projection.Logins{Database: c.TiDBDatabase},
			Store:      tidb.NewLoginsStore(db),
		},
	}
}

// AuditFlushes is how many flushes of the audit log may be under way in a
// process: their entries are different ones. Those of statistics would wait for
// the same counters.
const AuditFlushes = 4

// registered is a projection that the service looks after.
type registered interface {
	name() string
	topics() []string
	generations() tidb.Generations
	completeness(*kafka.Observer) projection.Completeness
	consumer(c Config, observer *kafka.Observer, metrics consumption, log *slog.Logger) consumer
	derive(ctx context.Context, generation int) error
	rebuild(
		ctx context.Context, c Config, options projection.RebuildOptions, progress func(projection.Progress),
	) (projection.Rebuilt, error)
	// deadLetters are the places of those that can be tried again, retry
	// tries one.
	deadLetters(ctx context.Context, behind *projection.Place, limit int) ([]projection.Place, error)
	retry(ctx context.Context, at projection.Place) (projection.Retried, error)
}

// consumer keeps a projection up to date until ctx ends.
type consumer interface{ Run(ctx context.Context) }

// registration is a projection of rows R.
type registration[R any] struct {
	Topics     []string
	Projection projection.Projection[R]
	Store      *tidb.ProjectionStore[R]
	// Flushes is that of projection.WriterConfig.
	Flushes int
	// OnFresh and OnComplete are those of events.Config, Derive that of
	// projection.Rebuild. They may be nil.
	OnFresh    func(context.Context, *slog.Logger, projection.Outcome[R])
	OnComplete func()
	Derive     func(ctx context.Context, generation int) error
}

func (r registration[R]) name() string                  { return r.Store.Name() }
func (r registration[R]) topics() []string              { return r.Topics }
func (r registration[R]) generations() tidb.Generations { return r.Store.Generations() }

func (r registration[R]) derive(ctx context.Context, generation int) error {
	if r.Derive == nil {
		return nil
	}
	if err := r.Derive(ctx, generation); err != nil {
		return fmt.Errorf("derive generation %d of %s: %w", generation, r.name(), err)
	}
	return nil
}

func (r registration[R]) completeness(observer *kafka.Observer) projection.Completeness {
	return projection.Completeness{Topics: r.Topics, Store: r.generations(), Kafka: observer}
}

func (r registration[R]) consumer(c Config, observer *kafka.Observer, metrics consumption, log *slog.Logger) consumer {
	return events.NewConsumer(measured(events.Config[R]{
		Name: r.name(), Group: c.group(r.name()), Topics: r.Topics,
		Projection: r.Projection, Store: traced[R](r.Store, r.name(), c.spans()), Flushes: r.Flushes, OnFresh: r.OnFresh,
		Completeness: r.completeness(observer), OnComplete: r.OnComplete,
	}, metrics.of(r.name())), c.Kafka(), log)
}

func (r registration[R]) rebuild(
	ctx context.Context, c Config, options projection.RebuildOptions, progress func(projection.Progress),
) (projection.Rebuilt, error) {
	observer, err := c.Kafka().Observer()
	if err != nil {
		return projection.Rebuilt{}, err
	}
	defer observer.Close()
	return projection.Rebuild[R]{
		Name: r.name(), Projection: r.Projection, Topics: c.Kafka(), Generations: r.generations(),
		Partitions: func(ctx context.Context) ([]projection.Partition, error) { return c.partitions(ctx, r.Topics) },
		Store: func(generation int) projection.BuildStore[R] {
			return tracedRebuild[R](r.Store.Generation(generation), r.name(), c.spans())
		},
		Fed:      r.Store,
		Complete: r.completeness(observer).Await,
		Derive:   r.Derive,
		Progress: progress,
	}.Run(ctx, options)
}

func (r registration[R]) deadLetters(ctx context.Context, behind *projection.Place, limit int) ([]projection.Place, error) {
	return r.Store.Places(ctx, behind, limit)
}

func (r registration[R]) retry(ctx context.Context, at projection.Place) (projection.Retried, error) {
	retried, err := projection.Retry(ctx, r.Projection, r.Store, at)
	retried.Projection = r.name()
	return retried, err
}

// group returns the prefix of the names of a projection's consumer groups. The
// audit projection has the configured one to itself.
func (c Config) group(name string) string {
	if name == projection.AuditName {
		return c.ConsumerGroup
	}
	return c.ConsumerGroup + "." + name
}

// partitions returns the partitions of topics.
func (c Config) partitions(ctx context.Context, topics []string) ([]projection.Partition, error) {
	var all []projection.Partition
	for _, topic := range topics {
		partitions, err := c.Kafka().Partitions(ctx, topic)
		if err != nil {
			return nil, err
		}
		all = append(all, partitions...)
	}
	return all, nil
}

// find returns the projection of a name, or projection.ErrNoProjection with
// all names.
func find(all []registered, name string) (registered, error) {
	for _, one := range all {
		if one.name() == name {
			return one, nil
		}
	}
	return nil, fmt.Errorf("%w: %q; there are: %s", projection.ErrNoProjection, name, strings.Join(namesOf(all), ", "))
}
