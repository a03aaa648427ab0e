package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"helfy/internal/stack"
)

func TestWhatKafkaCannotStoreOnAFullDiskArrivesOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	own, disk := stack.NewOwnOnSmallDisk(t, 16<<20)
	config := own.Config()
	logins, api, endLoad := startGentleLoad(t, config)
	for name, orders := range map[string][]string{
		"left alone":      nil,
		"killed (-9)":     {"kill", "start"},
		"told to restart": {"restart"},
	} {
		disk.Fill()
		from := time.Now()
		requireStandstill(t, api)
		// Apache Kafka ends when it cannot write, and does not start again.
		for _, order := range orders {
			if err := own.Try(order, "kafka"); err != nil {
				t.Log(err)
			}
		}
		logins.waitFor(t, logins.done()+20)
		disk.Free()
		to := time.Now()
		if err := own.Try("start", "kafka"); err != nil && !strings.Contains(err.Error(), "running already") {
			t.Error(err)
		}
		during := logins.between(from, to)
		t.Logf("disk full for %s, Kafka %s: %d logins, %v, the slowest took %s", to.Sub(from).Round(time.Millisecond),
			name, len(during), kinds(during), slowest(during).Round(time.Millisecond))
		if count := kinds(during); count["200"] != len(during) {
			t.Errorf("logins do not need Kafka, but were answered %v", count)
		}
		requireComplete(t, api)
	}
	endLoad()
	requireExactlyOnce(t, config, api, logins)
}

// requireStandstill waits until the log's completeness no longer moves.
func requireStandstill(t *testing.T, api *stack.Client) {
	t.Helper()
	const still = 3 * time.Second
	token, err := api.Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	since := time.Now()
	stack.Eventually(t, patience, func() error {
		page, err := api.Audit(t.Context(), token, "?limit=1")
		if err != nil {
			return err
		}
		if page.CompleteThrough == nil || !page.CompleteThrough.Equal(last) {
			since = time.Now()
		}
		if page.CompleteThrough != nil {
			last = *page.CompleteThrough
		}
		if stood := time.Since(since); stood < still {
			return fmt.Errorf("the log is complete through %s, which has stood for %s", last, stood)
		}
		return nil
	})
}
