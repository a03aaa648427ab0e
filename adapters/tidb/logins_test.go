package tidb_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// builder writes login events into generations that are being built, each
// partition from offset 0 on.
type builder struct {
	t      *testing.T
	config service.Config
	store  *tidb.ProjectionStore[projection.LoginEvent]
}

func newBuilder(t *testing.T, config service.Config) *builder {
	return &builder{t: t, config: config, store: tidb.NewLoginsStore(stack.DB(t, config))}
}

func (b *builder) open(generation, partitions int) *tidb.BuildStore[projection.LoginEvent] {
	b.t.Helper()
	_, err := stack.DB(b.t, b.config).ExecContext(b.t.Context(), `
		INSERT INTO projection_generations (projection, generation, state, began_at) VALUES (?, ?, ?, NOW())`,
		projection.LoginsName, generation, projection.Building)
	if err != nil {
		b.t.Fatal(err)
	}
	store := b.store.Generation(generation)
	var all []projection.Partition
	for partition := range partitions {
		all = append(all, projection.Partition{Topic: topic, TopicID: "id", Partition: int32(partition), End: 100})
	}
	if _, err := store.Open(b.t.Context(), all); err != nil {
		b.t.Fatal(err)
	}
	return store
}

// batchOf is a batch of one record.
func batchOf(partition int, offset int64, events ...projection.LoginEvent) projection.Batch[projection.LoginEvent] {
	items := []projection.Item[projection.LoginEvent]{{Rows: events}}
	return projection.Batch[projection.LoginEvent]{Topic: topic, Partition: int32(partition), From: offset, Next: offset + 1, Items: items}
}

func (b *builder) digest(generation int) projection.Digest {
	b.t.Helper()
	_, digests, err := b.store.Generations().DigestAll(b.t.Context(), []int{generation})
	if err != nil {
		b.t.Fatal(err)
	}
	return digests[0]
}

// loginAt is the login of a user some hours after a day's beginning.
func loginAt(hour int, user domain.UserID, lag int64) projection.LoginEvent {
	at := time.Date(2026, 1, 2, hour, 30, 0, 0, time.UTC)
	return projection.LoginEvent{
		CommitTs: domain.TSOOfTime(at) + uint64(user), RowKey: fmt.Sprintf("login-%d-%d", hour, user),
		Measure: domain.Logins, Count: 1, UserID: user, Lag: lag,
	}
}

// countsOf reads the counters of the second of January.
func countsOf(t *testing.T, config service.Config, generation int, period domain.Period) map[string]int64 {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		SELECT CONCAT_WS(' ', DATE_FORMAT(FROM_UNIXTIME(starts_at), '%e.%c. %k'), measure, cell), count
		FROM projection_login_counts WHERE generation = ? AND period = ?`, generation, period)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var name string
		var count int64
		if err := rows.Scan(&name, &count); err != nil {
			t.Fatal(err)
		}
		counts[name] = count
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestTheUsersOfADayAreNotTheSumOfThoseOfItsHours(t *testing.T) {
	config := stack.New(t)
	b := newBuilder(t, config)
	store := b.open(7, 1)
	events := []projection.LoginEvent{loginAt(1, 1, 4), loginAt(1, 2, 4), loginAt(2, 1, 5), loginAt(2, 1, 5)}
	for offset, event := range events {
		if err := store.Write(t.Context(), batchOf(0, int64(offset), event)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int64{
		"2.1. 1 logins 0": 2, "2.1. 1 users 0": 2, "2.1. 1 lag 4": 2,
		"2.1. 2 logins 0": 1, "2.1. 2 users 0": 1, "2.1. 2 lag 5": 1,
	}
	if got := countsOf(t, config, 7, domain.Hour); !maps.Equal(got, want) {
		t.Errorf("hours: got %v, want %v", got, want)
	}
	want = map[string]int64{"2.1. 0 logins 0": 3, "2.1. 0 users 0": 2, "2.1. 0 lag 4": 2, "2.1. 0 lag 5": 1}
	if got := countsOf(t, config, 7, domain.Day); !maps.Equal(got, want) {
		t.Errorf("day: got %v, want %v", got, want)
	}
}

// An event that was sent again may come first, from a partition that was added
// since.
func TestTheOrderOfRepeatsDoesNotMatter(t *testing.T) {
	config := stack.New(t)
	b := newBuilder(t, config)
	events := []projection.LoginEvent{
		loginAt(1, 1, 900), loginAt(1, 1, 4), loginAt(1, 1, 60_000), loginAt(1, 2, 5), loginAt(1, 2, 5), loginAt(1, 3, 4), loginAt(1, 3, 900),
	}
	turned := slices.Clone(events)
	slices.Reverse(turned)
	for generation, order := range [][]projection.LoginEvent{7: events, 8: turned} {
		if order == nil {
			continue
		}
		store := b.open(generation, 1)
		for offset, event := range order {
			if err := store.Write(t.Context(), batchOf(0, int64(offset), event)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.open(9, 1).Write(t.Context(), batchOf(0, 0, events...)); err != nil { // all at once
		t.Fatal(err)
	}
	want := b.digest(7)
	if want.Rows != 3+2*3+2*4 {
		t.Errorf("%d rows: %v", want.Rows, countsOf(t, config, 7, domain.Hour))
	}
	for _, generation := range []int{8, 9} {
		if got := b.digest(generation); got != want {
			t.Errorf("generation %d: %v, want %v", generation,
				countsOf(t, config, generation, domain.Hour), countsOf(t, config, 7, domain.Hour))
		}
	}
}

func TestWritersSideBySideCountEachEventOnce(t *testing.T) {
	config := stack.New(t)
	b := newBuilder(t, config)
	const writers, batches, users = 4, 10, 20
	events := func(batch int) (all []projection.LoginEvent) {
		for user := range domain.UserID(users) {
			all = append(all, loginAt(batch%3, user+1, int64(batch)))
		}
		return all
	}
	store := b.open(7, writers)
	var running sync.WaitGroup
	for writer := range writers {
		running.Go(func() {
			for batch := range batches {
				if err := store.Write(t.Context(), batchOf(writer, int64(batch), events(batch+writer)...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	alone := b.open(8, 1)
	for batch := range batches {
		if err := alone.Write(t.Context(), batchOf(0, int64(batch), events(batch)...)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := b.digest(7), b.digest(8); got != want {
		t.Errorf("side by side:\n%v\nalone:\n%v", countsOf(t, config, 7, domain.Hour), countsOf(t, config, 8, domain.Hour))
	}
}

// Logins that were sent again to partitions that were added since are read by
// several writers at the same time, each of which locks many of the same rows.
func TestWritersOfTheSameEventsGiveWayToEachOther(t *testing.T) {
	config := stack.New(t)
	b := newBuilder(t, config)
	const writers, users, first, last = 8, 20, 7, 26
	var want projection.Digest
	for generation := first; generation <= last; generation++ {
		store := b.open(generation, writers)
		var running sync.WaitGroup
		for writer := range writers {
			var events []projection.LoginEvent
			for user := range domain.UserID(users) {
				for hour := range 8 {
					events = append(events, loginAt(2*hour+writer%2, user+1, int64(writer)))
				}
			}
			running.Go(func() {
				if err := store.Write(t.Context(), batchOf(writer, 0, events...)); err != nil {
					t.Errorf("generation %d: %v", generation, err)
				}
			})
		}
		running.Wait()
		got := b.digest(generation)
		if generation == first {
			want = got
		}
		if got != want {
			t.Errorf("generation %d: %v", generation, countsOf(t, config, generation, domain.Hour))
		}
	}
	if events := int64(16 * users); want.Rows <= events {
		t.Errorf("%d rows for %d events", want.Rows, events)
	}
}
