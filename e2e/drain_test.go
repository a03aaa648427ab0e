package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestAfterSIGTERMTheServiceIsUnreadyFirstAndThenFinishesWhatItHasInHand(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	config.ShutdownGrace = time.Second
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	helfy := stack.Start(t, config, "run")
	api := stack.NewClient(helfy.Address(t))
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	answered, release := loginUnderWay(t, config, api)

	began := time.Now()
	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"not ready"`)
	unready := time.Since(began)
	if _, err := api.Login(t.Context(), "other", "other"); err != nil {
		t.Errorf("a login during the grace: %v", err)
	}
	stack.Eventually(t, patience, func() error { return stack.RefusesConnections(t.Context(), api) })
	closed := time.Since(began)
	release()
	if err := <-answered; err != nil {
		t.Errorf("the login under way: %v", err)
	}
	if err := helfy.Wait(patience); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
	t.Logf("unready after %s, closed after %s, ended after %s",
		unready.Round(time.Millisecond), closed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if closed < config.ShutdownGrace {
		t.Errorf("it closed after %s, want at least the grace of %s", closed, config.ShutdownGrace)
	}
}

func TestASecondSIGTERMEndsTheServiceAtOnce(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	helfy := stack.Start(t, config, "run")
	api := stack.NewClient(helfy.Address(t))
	answered, release := loginUnderWay(t, config, api)
	defer release()

	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, patience, func() error { return stack.RefusesConnections(t.Context(), api) })
	began := time.Now()
	if err := helfy.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := helfy.Wait(time.Second); err == nil {
		t.Error("it ended with exit code 0, although a request was under way")
	}
	t.Logf("ended %s after the second signal", time.Since(began).Round(time.Millisecond))
	if err := <-answered; err == nil {
		t.Error("the login was answered, although nobody has released it")
	}
}

// loginUnderWay sends a login of admin that waits for a lock until release.
func loginUnderWay(t *testing.T, config service.Config, api *stack.Client) (answered <-chan error, release func()) {
	t.Helper()
	db := stack.DB(t, config)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var id int
	if err := tx.QueryRowContext(t.Context(), "SELECT id FROM users WHERE username = 'admin' FOR UPDATE").Scan(&id); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := api.Login(context.WithoutCancel(t.Context()), "admin", "admin")
		got <- err
	}()
	stack.Eventually(t, patience, func() error { return stack.WaitsForLock(t.Context(), db, "users") })
	return got, func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func TestAfterSIGTERMAConsumerFinishesItsFlush(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	consumer := stack.Start(t, config, "consume")
	stack.Eventually(t, patience, func() error {
		if records := recordsRead(t, config); records < 20 {
			return fmt.Errorf("only %d records have been read", records)
		}
		return nil
	})
	release := flushUnderWay(t, config)
	stored, before := recordsRead(t, config), storedOffsets(t, config)
	if err := consumer.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Wait(time.Second); err == nil {
		t.Error("the consumer ended before its flush")
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
	stack.Eventually(t, patience, func() error { return stack.WaitsForLock(t.Context(), db, "projection_checkpoints") })
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
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
