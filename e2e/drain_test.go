package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestAfterSIGTERMTheServiceIsUnreadyAndGoesOnForItsGrace(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	config.ShutdownGrace = 5 * time.Second
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	helfy := stack.Start(t, config, "run")
	api := stack.NewClient(helfy.Address(t))
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)

	began := time.Now()
	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"not ready"`)
	unready := time.Since(began)
	if _, err := api.Login(t.Context(), "admin", "admin"); err != nil {
		t.Errorf("a login during the grace: %v", err)
	}
	stack.Eventually(t, patience, func() error { return stack.RefusesConnections(t.Context(), api) })
	closed := time.Since(began)
	if err := helfy.Wait(patience); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
	t.Logf("unready after %s, closed after %s, ended after %s",
		unready.Round(time.Millisecond), closed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if closed < config.ShutdownGrace {
		t.Errorf("it closed after %s, want at least the grace of %s", closed, config.ShutdownGrace)
	}
}

func TestAfterSIGTERMTheServiceFinishesWhatItHasInHand(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	helfy, api, answered, release := loginUnderWay(t, config)
	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, patience, func() error { return stack.RefusesConnections(t.Context(), api) })
	release()
	if err := <-answered; err != nil {
		t.Errorf("the login under way: %v", err)
	}
	if err := helfy.Wait(patience); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
}

func TestASecondSIGTERMEndsTheServiceAtOnce(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	helfy, api, answered, release := loginUnderWay(t, config)
	defer release()

	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, patience, func() error { return stack.RefusesConnections(t.Context(), api) })
	began := time.Now()
	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	// A process that went on would answer the login, and end with exit code 0.
	if err := helfy.Wait(patience); err == nil || !helfy.Ended() {
		t.Errorf("it ended with %v, although a request was under way", err)
	}
	t.Logf("ended %s after the second signal", time.Since(began).Round(time.Millisecond))
	if err, refused := <-answered, (*stack.StatusError)(nil); err == nil || errors.As(err, &refused) {
		t.Errorf("the login was answered, with %v, although nobody has released it", err)
	}
}

// loginUnderWay starts helfy serve and sends a login that waits for its COMMIT
// until release. The process gives the login up after 8 s.
func loginUnderWay(t *testing.T, config service.Config) (
	helfy *stack.Process, api *stack.Client, answered <-chan error, release func(),
) {
	t.Helper()
	via, proxy := viaProxy(t, config)
	helfy = stack.Start(t, via, "serve")
	api = stack.NewClient(helfy.Address(t))
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	release = proxy.HoldCommits(2) // the second is that of the result
	got := make(chan error, 1)
	go func() {
		_, err := api.Login(context.WithoutCancel(t.Context()), "admin", "admin")
		got <- err
	}()
	proxy.AwaitHeld(t)
	return helfy, api, got, release
}

func TestAfterSIGTERMAConsumerFinishesItsFlush(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	via, proxy := viaProxy(t, config)
	consumer := stack.Start(t, via, "consume")
	stack.Eventually(t, patience, func() error {
		if records := recordsRead(t, config); records < 20 {
			return fmt.Errorf("only %d records have been read", records)
		}
		return nil
	})
	release := proxy.HoldCommits(1)
	proxy.AwaitHeld(t)
	stack.Eventually(t, patience, func() error { return isFlushing(t, config) })
	stored, before := recordsRead(t, config), storedOffsets(t, config)
	if err := consumer.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Wait(time.Second); consumer.Ended() {
		t.Errorf("the consumer ended before its flush, with %v", err)
	}
	release()
	if err := consumer.Wait(patience); err != nil {
		t.Errorf("the consumer ended with %v, want exit code 0", err)
	}
	if got := recordsRead(t, config); got <= stored {
		t.Errorf("%d records were stored before the flush and %d after it", stored, got)
	}
	requireAcknowledged(t, config, before)
}

// flushUnderWay holds the checkpoints, and returns when a flush waits for them
// until release.
func flushUnderWay(t *testing.T, config service.Config) (release func()) {
	t.Helper()
	db := stack.DB(t, config)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var checkpoints int
	err = tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_checkpoints FOR UPDATE").Scan(&checkpoints)
	if err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, patience, func() error { return stack.WaitForLock(t.Context(), db, "projection_checkpoints", 1) })
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// isFlushing returns nil while a flush holds checkpoints.
func isFlushing(t *testing.T, config service.Config) error {
	t.Helper()
	tx, err := stack.DB(t, config).BeginTx(t.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it has changed nothing
	var checkpoints int
	err = tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_checkpoints FOR UPDATE NOWAIT").Scan(&checkpoints)
	var answer *mysql.MySQLError
	switch {
	case errors.As(err, &answer) && answer.Number == 3572: // ER_LOCK_NOWAIT
		return nil
	case err == nil:
		err = errors.New("nobody holds the checkpoints")
	}
	return err
}

// offsets are those of the partitions of a topic, in their order.
type offsets map[string][]int64

// storedOffsets returns how far the audit projection has read.
func storedOffsets(t *testing.T, config service.Config) offsets {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		SELECT topic, next_offset FROM projection_checkpoints WHERE projection = 'audit' ORDER BY topic, kafka_partition`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := offsets{}
	for rows.Next() {
		var topic string
		var next int64
		if err := rows.Scan(&topic, &next); err != nil {
			t.Fatal(err)
		}
		stored[topic] = append(stored[topic], next)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return stored
}

// requireAcknowledged checks that the consumer groups have committed nothing
// that is not stored, and all that was stored before the last flush: Watermill's
// subscriber no longer takes an acknowledgement when it closes, so that the last
// run of each partition is read again, to no effect.
func requireAcknowledged(t *testing.T, config service.Config, before offsets) {
	t.Helper()
	brokers, stored := config.Kafka(), storedOffsets(t, config)
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		partitions, err := brokers.Partitions(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := brokers.Committed(t.Context(), config.ConsumerGroup+"."+topic, partitions)
		if err != nil {
			t.Fatal(err)
		}
		for i, partition := range partitions {
			if committed[i] < before[topic][i] || committed[i] > stored[topic][i] {
				t.Errorf("%s: acknowledged up to %d, stored up to %d before the last flush and %d after it",
					partition, committed[i], before[topic][i], stored[topic][i])
			}
		}
	}
}
