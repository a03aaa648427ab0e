package query_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"helfy/app/query"
)

// tsoOf is a TSO of a time.
func tsoOf(at time.Time) uint64 { return uint64(at.UnixMilli()) << 18 }

func TestTiCDCIsAskedOnceInFiveSecondsHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		latest := query.NewLatestChangefeed(func(context.Context) query.Changefeed {
			looks.Add(1)
			time.Sleep(time.Second)
			return query.Changefeed{State: query.ChangefeedNormal, CheckpointTs: tsoOf(time.Now())}
		}, time.Now)
		for want := range int32(3) {
			var asking sync.WaitGroup
			for range 20 {
				asking.Go(func() {
					if got := latest.Get(t.Context()); got.State != query.ChangefeedNormal {
						t.Errorf("got %+v", got)
					}
				})
			}
			asking.Wait()
			if got := looks.Load(); got != want+1 {
				t.Errorf("asked %d times, want %d", got, want+1)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

func TestWhileTiCDCIsAwayTheLagGrowsFromWhatItSaidLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checkpoint := time.Now().Truncate(time.Millisecond)
		answer := query.Changefeed{State: query.ChangefeedNormal, StartTs: 1, CheckpointTs: tsoOf(checkpoint)}
		latest := query.NewLatestChangefeed(func(context.Context) query.Changefeed { return answer }, time.Now)
		time.Sleep(time.Second)
		first := latest.Get(t.Context())
		if first.CheckpointLag != time.Second || first.KnownAt.IsZero() {
			t.Errorf("got %+v", first)
		}
		answer = query.Changefeed{State: query.ChangefeedUnknown, Fault: "away"}
		time.Sleep(time.Minute)
		away := latest.Get(t.Context())
		if away.State != query.ChangefeedUnknown || away.Fault != "away" || away.CheckpointLag != time.Minute+time.Second {
			t.Errorf("got %+v", away)
		}
		if !away.KnownAt.Equal(first.KnownAt) || away.StartTs != 1 {
			t.Errorf("got %+v, want it to say when it was known", away)
		}
	})
}

func TestALookThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		latest := query.NewLatestChangefeed(func(ctx context.Context) query.Changefeed {
			<-ctx.Done()
			return query.Changefeed{State: query.ChangefeedUnknown, Fault: ctx.Err().Error()}
		}, time.Now)
		began := time.Now()
		impatient, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() { latest.Get(t.Context()) })
		synctest.Wait()
		asking.Go(func() {
			if got := latest.Get(impatient); got.State != query.ChangefeedUnknown || time.Since(began) != 0 {
				t.Errorf("whoever does not wait got %+v after %s", got, time.Since(began))
			}
		})
		synctest.Wait()
		cancel()
		asking.Wait()
		if took := time.Since(began); took != query.ProbeTimeout {
			t.Errorf("took %s, want %s", took, query.ProbeTimeout)
		}
	})
}

// remembered is the start_ts of the changefeed that was ensured.
type remembered uint64

func (r remembered) Expected(context.Context) (uint64, error) { return uint64(r), nil }

func TestAChangefeedIsHeldAgainstTheOneThatWasEnsured(t *testing.T) {
	for name, c := range map[string]struct {
		found      query.Changefeed
		expected   remembered
		want       query.ChangefeedState
		difference string
	}{
		"the same":              {query.Changefeed{State: query.ChangefeedNormal, StartTs: 7}, 7, query.ChangefeedNormal, ""},
		"nobody ensured any":    {query.Changefeed{State: query.ChangefeedNormal, StartTs: 7}, 0, query.ChangefeedNormal, ""},
		"another":               {query.Changefeed{State: query.ChangefeedNormal, StartTs: 8}, 7, query.ChangefeedDiffers, "start_ts is 8"},
		"another in trouble":    {query.Changefeed{State: query.ChangefeedWarning, StartTs: 8}, 7, query.ChangefeedDiffers, "start_ts is 8"},
		"another that is off":   {query.Changefeed{State: query.ChangefeedStopped, StartTs: 8}, 7, query.ChangefeedStopped, "start_ts is 8"},
		"there never was one":   {query.Changefeed{State: query.ChangefeedMissing}, 0, query.ChangefeedMissing, ""},
		"there once was one":    {query.Changefeed{State: query.ChangefeedMissing}, 7, query.ChangefeedRemoved, ""},
		"TiCDC does not answer": {query.Changefeed{State: query.ChangefeedUnknown}, 7, query.ChangefeedUnknown, ""},
	} {
		show := query.ShowChangefeed{
			Latest: query.NewLatestChangefeed(func(context.Context) query.Changefeed { return c.found }, time.Now), Memory: c.expected,
		}
		for range 2 { // what is kept is not changed by telling it
			got := show.Handle(t.Context())
			if got.State != c.want || !strings.Contains(strings.Join(got.Differences, "\n"), c.difference) || len(got.Differences) > 1 {
				t.Errorf("%s: got %+v", name, got)
			}
		}
	}
}
