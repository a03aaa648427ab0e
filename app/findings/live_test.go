package findings_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"helfy/app/findings"
	"helfy/domain"
)

// steps is a store that tells when it was asked to advance.
type steps struct {
	began time.Time
	at    []time.Duration
	next  func(step int) (findings.Progress, error)
}

func (s *steps) Advance(context.Context, func(findings.Chunk) findings.Verdict) (findings.Progress, error) {
	s.at = append(s.at, time.Since(s.began))
	if s.next == nil {
		return findings.Progress{}, nil
	}
	return s.next(len(s.at))
}

// run runs Live for some time, in a bubble of its own, and returns its log.
func run(t *testing.T, store *steps, duration time.Duration, meanwhile func(*findings.Live)) string {
	t.Helper()
	var log bytes.Buffer
	store.began = time.Now()
	live := findings.NewLive(store, nil, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	if meanwhile != nil {
		go meanwhile(live)
	}
	live.Run(ctx)
	return log.String()
}

func TestWithoutAWakeUpTheLogIsLookedAtEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store steps
		run(t, &store, 3500*time.Millisecond, nil)
		if len(store.at) != 4 || store.at[3] != 3*time.Second {
			t.Errorf("steps at %v", store.at)
		}
	})
}

func TestManyWakeUpsAreOneStepInFiveParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store steps
		run(t, &store, 1050*time.Millisecond, func(live *findings.Live) {
			for range 1000 {
				live.Wake()
				time.Sleep(time.Millisecond)
			}
		})
		if len(store.at) != 6 {
			t.Errorf("steps at %v, want one each 200 ms", store.at)
		}
	})
}

func TestWhatIsLeftIsVerifiedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := steps{next: func(step int) (findings.Progress, error) { return findings.Progress{More: step < 50}, nil }}
		run(t, &store, 500*time.Millisecond, nil)
		if len(store.at) != 50 || store.at[49] != 0 {
			t.Errorf("%d steps, the last at %v", len(store.at), store.at[len(store.at)-1])
		}
	})
}

func TestAStepThatFailsIsTriedAgainEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := steps{next: func(int) (findings.Progress, error) { return findings.Progress{}, errors.New("the database is away") }}
		log := run(t, &store, time.Minute, nil)
		if n := len(store.at); n < 10 || n > 20 || store.at[n-1]-store.at[n-2] != 5*time.Second {
			t.Errorf("steps at %v", store.at)
		}
		if !strings.Contains(log, "the database is away") {
			t.Errorf("the log is %s", log)
		}
	})
}

func TestAFindingIsALineOfTheLogEvenIfWhatFollowsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := steps{next: func(int) (findings.Progress, error) {
			return findings.Progress{New: []domain.Finding{{Kind: domain.BadMAC, CommitTs: 1<<64 - 1, Username: "alice"}}}, errors.New("away")
		}}
		log := run(t, &store, time.Millisecond, nil)
		if !strings.Contains(log, "level=ERROR msg=finding kind=bad-mac userId=0 username=alice commitTs=18446744073709551615 ") {
			t.Errorf("the log is %s", log)
		}
	})
}
