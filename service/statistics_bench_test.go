package service_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// BenchmarkStatisticsOfAMillionLogins measures how fast a million logins in
// 1000 hours are counted, and how long the answers take then.
func BenchmarkStatisticsOfAMillionLogins(b *testing.B) {
	const hours, perHour = 1000, 1000
	config := stack.New(b)
	stack.AddUser(b, config, "admin", domain.RoleAdmin)
	first := time.Now().UTC().Truncate(24 * time.Hour).Add(-(hours + 24) * time.Hour)
	began := time.Now()
	countMany(b, config, first, hours, perHour)
	counted := time.Since(began)

	client := stack.Serve(b, config)
	token, err := client.Login(b.Context(), "admin", "admin")
	if err != nil {
		b.Fatal(err)
	}
	var took [2][]time.Duration
	for b.Loop() {
		for i, period := range []domain.Period{domain.Hour, domain.Day} {
			asked := time.Now()
			got, err := client.Statistics(b.Context(), token, fmt.Sprintf("?bucket=%s&from=%s&to=%s", period,
				first.Format(time.RFC3339), first.Add(hours*time.Hour).Format(time.RFC3339)))
			if err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(asked))
			logins := 0
			for _, bucket := range got.Buckets {
				logins += bucket.Logins
			}
			if logins != hours*perHour {
				b.Fatalf("%d logins are counted, want %d", logins, hours*perHour)
			}
		}
	}
	b.ReportMetric(hours*perHour/counted.Seconds(), "counted/s")
	for i, name := range []string{"1000-hours", "42-days"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds())/1000, name+"-median-ms")
		b.ReportMetric(float64(took[i][len(took[i])-1].Microseconds())/1000, name+"-max-ms")
	}
}

// countMany makes a generation of so many logins live, as a rebuild does that
// reads them from four partitions.
func countMany(b *testing.B, config service.Config, first time.Time, hours, perHour int) {
	b.Helper()
	const topic, partitions = "logins", 4
	db := stack.DB(b, config)
	db.SetMaxOpenConns(partitions)
	store := tidb.NewLoginsStore(db)
	generations := store.Generations()
	generation, _, err := generations.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	build := store.Generation(generation.Number)
	var all []projection.Partition
	for partition := range int32(partitions) {
		all = append(all, projection.Partition{Topic: topic, TopicID: "id", Partition: partition})
	}
	if _, err := build.Open(b.Context(), all); err != nil {
		b.Fatal(err)
	}
	group, ctx := errgroup.WithContext(b.Context())
	for partition := range partitions {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(1, uint64(partition)))
			for batch := range hours * perHour / partitions / 1000 {
				var events []projection.LoginEvent
				for i := range 1000 {
					nth := (batch*1000 + i) * partitions
					at := first.Add(time.Duration(nth) * time.Hour / time.Duration(perHour))
					lag := int64(random.ExpFloat64() * 20)
					if random.IntN(100) == 0 {
						lag = random.Int64N(10_000)
					}
					events = append(events, projection.LoginEvent{
						CommitTs: domain.TSOOfTime(at) + uint64(partition), RowKey: fmt.Sprintf("%032d-%d", nth, partition),
						Measure: domain.Logins, Count: 1, UserID: domain.UserID(1 + partition + partitions*random.IntN(2500)), Lag: domain.LagCell(lag),
					})
				}
				if err := build.Write(ctx, projection.Batch[projection.LoginEvent]{
					Topic: topic, Partition: int32(partition), From: int64(batch), Next: int64(batch + 1),
					Items: []projection.Item[projection.LoginEvent]{{Rows: events}},
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := generations.Join(b.Context(), generation.Number); err != nil {
		b.Fatal(err)
	}
	if err := generations.Switch(b.Context(), generation.Number); err != nil {
		b.Fatal(err)
	}
}
