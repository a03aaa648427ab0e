package notification

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a queue that knows nothing of leases.
type line struct {
	mu      sync.Mutex
	waiting []Claimed
	settled map[string]State
	broken  bool
	looks   int
}

func (l *line) Claim(_ context.Context, _ Channel, limit int, _ time.Duration) ([]Claimed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	if l.broken {
		return nil, errors.New("the database is away")
	}
	taken := l.waiting[:min(limit, len(l.waiting))]
	l.waiting = l.waiting[len(taken):]
	return taken, nil
}

func (l *line) Settle(_ context.Context, claimed Claimed, outcome Outcome) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled[claimed.ID] = outcome.State
	return nil
}

// slow is a carrier that takes a second for each, and counts how many it has
// at once.
type slow struct {
	mu        sync.Mutex
	now, most int
}

func (s *slow) Deliver(ctx context.Context, _ Notification) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send runs a sender for some time.
func send(t *testing.T, queue *line, carrier Carrier, timeout, duration time.Duration, meanwhile func(*Sender)) {
	t.Helper()
	sender := NewSender(Webhook, queue, carrier, policy, timeout, func(State) {}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	if meanwhile != nil {
		go meanwhile(sender)
	}
	sender.Run(ctx)
}

func lineOf(count int) *line {
	l := &line{settled: map[string]State{}}
	for i := range count {
		l.waiting = append(l.waiting, Claimed{Notification: Notification{ID: string(rune('a' + i))}, Tries: 1})
	}
	return l
}

func TestNoMoreThanSomeAreTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, carrier := lineOf(20), &slow{}
		send(t, queue, carrier, time.Minute, 4*time.Second, nil)
		if carrier.most != parallel || len(queue.settled) != 20 {
			t.Errorf("%d at once, %d in all", carrier.most, len(queue.settled))
		}
	})
}

func TestWhatIsUnderWayIsFinishedAndNothingElseIsBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := lineOf(20)
		began := time.Now()
		send(t, queue, &slow{}, time.Minute, time.Second/2, nil)
		if len(queue.settled) != parallel || queue.settled["a"] != Sent || time.Since(began) != time.Second {
			t.Errorf("%v after %s", queue.settled, time.Since(began))
		}
	})
}

func TestATryThatTakesTooLongIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := lineOf(1)
		send(t, queue, &slow{}, time.Second/2, 2*time.Second, nil)
		if queue.settled["a"] != Pending {
			t.Errorf("it is %v", queue.settled)
		}
	})
}

func TestTheQueueIsLookedAtEachSecondAndWhenItIsSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for broken, want := range map[bool]int{false: 6, true: 6} {
			queue := lineOf(0)
			queue.broken = broken
			send(t, queue, &slow{}, time.Second, 3500*time.Millisecond, func(sender *Sender) {
				time.Sleep(300 * time.Millisecond)
				sender.Wake()
				time.Sleep(300 * time.Millisecond)
				sender.Wake()
			})
			if queue.looks < want-1 || queue.looks > want {
				t.Errorf("broken is %t: %d looks, want about %d", broken, queue.looks, want)
			}
		}
	})
}
