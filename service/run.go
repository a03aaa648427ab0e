package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/findings"
	"helfy/app/live"
	"helfy/app/query"
	"helfy/domain"
	httpport "helfy/ports/http"
)

// consumerConns is the size of the pool that the consumers share: each has its
// flushes, and looks at its checkpoints; verification has a transaction.
const consumerConns = AuditFlushes + 7

// The bounds of a connection: a slow or silent client holds it no longer.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 20 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	// drainTimeout bounds how long requests under way may take at the end.
	drainTimeout = 15 * time.Second
)

// Run is Serve and Consume in one process.
func (c Config) Run(ctx context.Context, log *slog.Logger, ready func(address string)) error {
	return c.withTelemetry(ctx, log, func(ctx context.Context, metrics *prometheus.Registry) error {
		group, ctx := errgroup.WithContext(ctx)
		latest := c.latestChangefeed()
		group.Go(func() error { return c.serve(ctx, log, metrics, latest, ready) })
		group.Go(func() error { return c.consume(ctx, log, metrics, latest) })
		return group.Wait()
	})
}

// Serve answers HTTP until ctx ends; then it is no longer ready, goes on for
// ShutdownGrace, and finishes the requests under way. It listens before it
// calls ready with its address.
func (c Config) Serve(ctx context.Context, log *slog.Logger, ready func(address string)) error {
	return c.withTelemetry(ctx, log, func(ctx context.Context, metrics *prometheus.Registry) error {
		return c.serve(ctx, log, metrics, c.latestChangefeed(), ready)
	})
}

func (c Config) serve(
	ctx context.Context, log *slog.Logger, metrics *prometheus.Registry, latest *query.LatestChangefeed, ready func(address string),
) (err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return err
	}
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	metrics.MustRegister(collectors.NewDBStatsCollector(db, "serve"))
	observe := c.spans().transactions(newTransactionTimes(metrics))
	users := tidb.NewUsers(db, keyring).Observed(observe)
	observer, err := c.Kafka().Observer()
	if err != nil {
		return err
	}
	defer observer.Close()
	feed, endStreams := c.startStreams(db, observer, metrics, log)
	defer endStreams()
	doings := newDoings(c, db)
	handler, err := c.newHandler(ctx, db, observer, users, tidb.NewChains(db, keyring).Observed(observe), keyring, feed, latest, doings, metrics, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("listen on HOST %q, PORT %d (set another PORT if it is taken): %w", c.Host, c.Port, err)
	}
	defer c.startSweepers(ctx, users, keyring, log)()
	spareProcessors()
	// As much as the hashes that may be under way need anyway.
	defer headroom(c.HashConcurrency * int(c.HashMemoryKiB) << 10)()
	ready(listener.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	// Until then it is alive and not ready; it must not be so for ever.
	group.Go(func() error { return c.awaitStart(ctx, log, PartTables) })
	group.Go(func() error { return serve(ctx, listener, handler, c.ShutdownGrace, log, endStreams) })
	return group.Wait()
}

// Consume keeps the projections up to date until ctx ends; then it finishes
// the records in hand.
func (c Config) Consume(ctx context.Context, log *slog.Logger) error {
	return c.withTelemetry(ctx, log, func(ctx context.Context, metrics *prometheus.Registry) error {
		return c.consume(ctx, log, metrics, c.latestChangefeed())
	})
}

func (c Config) consume(
	ctx context.Context, log *slog.Logger, metrics *prometheus.Registry, latest *query.LatestChangefeed,
) (err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return err
	}
	pool := c.tidb()
	pool.MaxConns, pool.Bulk = consumerConns, true
	if c.notifies() {
		pool.MaxConns += notifierConns
	}
	db, err := tidb.Open(pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := c.awaitStart(ctx, log, PartTables, PartTopics); err != nil || ctx.Err() != nil {
		return err
	}
	metrics.MustRegister(collectors.NewDBStatsCollector(db, "consume"))
	observer, err := c.Kafka().Observer()
	if err != nil {
		return err
	}
	defer observer.Close()
	measures := newConsumption(metrics)
	notifier, err := c.newNotifier(db, observer, metrics, measures, log)
	if err != nil {
		return err
	}
	audit := c.auditLog(db)
	metrics.MustRegister(newFindingsGauge(audit, log))
	verified := findings.NewLive(tidb.NewVerification(db, audit), keyring, log)
	var running sync.WaitGroup
	running.Go(func() { verified.Run(ctx) })
	all := c.projections(db, verified.Wake)
	watched := all
	if notifier != nil {
		watched = c.withNotifications(db)
	}
	metrics.MustRegister(newProjectionGauges(c, db, observer, watched, log))
	for _, one := range all {
		running.Go(func() { one.consumer(c, observer, measures, log).Run(ctx) })
	}
	if notifier != nil {
		running.Go(func() { notifier.run(ctx) })
	}
	running.Go(func() { keepStandbys(ctx, all, log) })
	running.Go(func() {
		if err := c.Work(ctx, log); err != nil {
			log.ErrorContext(ctx, "cannot do tasks", "error", err)
		}
	})
	memory := c.changefeeds(db)
	show := query.ShowChangefeed{Latest: latest, Memory: memory}
	metrics.MustRegister(newChangefeedGauges(show))
	running.Go(func() { watchChangefeed(ctx, show, memory, log) })
	running.Wait()
	return nil
}

// newHandler returns the handler of a process whose shutdown begins when ctx
// ends.
func (c Config) newHandler(
	ctx context.Context, db *sql.DB, observer *kafka.Observer, users *tidb.Users, chains tidb.Chains, keyring *domain.Keyring,
	feed *live.Feed, latest *query.LatestChangefeed, doings doings, metrics prometheus.Registerer, log *slog.Logger,
) (http.Handler, error) {
	plain, err := c.newHasher()
	if err != nil {
		return nil, err
	}
	hasher := newObservedHasher(plain, c.spans(), metrics)
	database := query.Cached(func(ctx context.Context) error { return tidb.Ping(ctx, db) })
	audit, gaps := c.auditLog(db), c.changefeeds(db)
	changefeed := query.ShowChangefeed{Latest: latest, Memory: gaps}
	letters, projected := tidb.NewDeadLetters(db), namesOf(c.withNotifications(db))
	sessions, logins := tidb.NewSessions(db), tidb.NewLoginStatistics(db)
	return httpport.NewHandler(httpport.Config{
		Login:         newCountedLogins(c.login(users, hasher, keyring, log), metrics),
		Authenticate:  query.Authenticate{Sessions: sessions, Keyring: keyring, Now: time.Now, Idle: c.SessionIdle},
		ReportForgery: command.ReportForgeryHandler{Sessions: users, Keyring: keyring, Now: time.Now},
		ListSessions:  query.ListSessions{Sessions: sessions, Now: time.Now},
		EndSessions:   command.EndSessionsHandler{Users: users, Now: time.Now},
		RecordRead: command.RecordReadHandler{
			Chains: chains, Names: users, Keyring: keyring, Now: time.Now, Recent: &command.RecentReadings{},
		},
		ExportAudit: query.NewExportAudit(audit),
		ListProjections: listedProjections{query.CachedAnswer(listTimeout, func(ctx context.Context) listed {
			all, err := c.listProjections(ctx, db)
			return listed{all, err}
		})},
		Doings:          command.DoingsHandler{Projections: doings, Chains: chains, Keyring: keyring, Now: time.Now},
		ListDeadLetters: query.ListDeadLetters{Letters: letters, Projections: projected},
		WaiveDeadLetter: command.WaiveHandler{Letters: letters, Chains: chains, Keyring: keyring, Now: time.Now},
		Projected:       projected,
		Accounts:        c.accounts(db, users, hasher, keyring, log),
		ShowTransaction: query.ShowTransaction{Log: audit, Findings: audit, Keyring: keyring},
		ListMessages:    query.ListMessages{Log: audit, Messages: c.Kafka()},
		ListAudit:       query.ListAudit{Log: audit, Gaps: gaps},
		ListFindings:    query.ListFindings{Findings: audit},
		CountLogins:     query.CountLogins{Counts: logins, Gaps: gaps},
		ListOwnLogins:   query.ListOwnLogins{Log: audit},
		ShowStatus: query.ShowStatus{
			Log: audit, Gaps: gaps, Findings: audit, Logins: logins, Changefeed: changefeed,
		},
		Stream: feed,
		Health: query.CheckHealth{
			Database: database, Kafka: query.Cached(c.Kafka().Ping), Gaps: gaps, Log: audit,
			Stalled:    query.Cached(stalled(c.projections(db, nil), observer)),
			Changefeed: changefeed,
		},
		Ready:          readyUntil(ctx, query.Cached(func(ctx context.Context) error { return tidb.Ready(ctx, db) })),
		TrustedProxies: c.TrustedProxies,
		Metrics:        metrics,
		Tracer:         c.spans().tracer,
		Log:            log,
	}), nil
}

// readyUntil is a probe that fails once shutdown has begun, so that whoever
// sends requests here sends them elsewhere.
func readyUntil(shutdown context.Context, ready query.Probe) query.Probe {
	return func(ctx context.Context) error {
		if shutdown.Err() != nil {
			return &query.NotReadyError{Reason: "shutting down"}
		}
		err := ready(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, tidb.ErrDue):
			return &query.NotReadyError{Reason: tidb.ErrDue.Error(), Err: err}
		}
		return &query.NotReadyError{Reason: "TiDB does not answer", Err: err}
	}
}

// serve answers requests until ctx ends and the grace is over, then finishes
// those under way. It calls onDrain then, which ends those that would not.
func serve(
	ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration, log *slog.Logger, onDrain func(),
) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(onDrain)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	over := make(chan struct{})
	defer context.AfterFunc(ctx, func() { time.Sleep(grace); close(over) })()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-over:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain HTTP: %w", err), server.Close())
	}
	return nil
}
