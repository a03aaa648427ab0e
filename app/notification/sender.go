package notification

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Claimed is a notification that this process is to send.
type Claimed struct {
	Notification
	// Tries counts this one too; Age is the time since the first could be.
	Tries int
	Age   time.Duration
	// Claim tells this claim from later ones.
	Claim string
}

// Stored is a notification as it stands in the queue.
type Stored struct {
	Notification
	State     State
	CreatedAt time.Time
	Tries     int
	NextTryAt time.Time
	// Reason says why the last try failed.
	Reason     string
	FinishedAt time.Time // zero while it is pending
}

// Queue keeps notifications until they have arrived. It is safe for concurrent
// use, also by several processes.
type Queue interface {
	// Claim returns up to limit notifications of a channel that are due. No
	// one else gets them before the lease is over. It counts as a try, so
	// that one that ends the process is not tried for ever.
	Claim(ctx context.Context, channel Channel, limit int, lease time.Duration) ([]Claimed, error)
	// Settle stores what became of a try, unless the claim was lost since.
	Settle(ctx context.Context, claimed Claimed, outcome Outcome) error
}

// Carrier takes notifications to the receiver of a channel.
type Carrier interface {
	// Deliver returns nil once the receiver has accepted it. Its error may be
	// a *Failure; it names no secret. It is called from several goroutines.
	Deliver(ctx context.Context, notification Notification) error
}

const (
	// parallel bounds the tries of a channel at once.
	parallel = 8
	// lookEvery is how often the queue is looked at without a wake-up.
	lookEvery = time.Second
	// settleTimeout bounds a look and a settlement.
	settleTimeout = 10 * time.Second
)

// Sender sends what is in the queue of one channel. Make it with NewSender.
type Sender struct {
	channel Channel
	queue   Queue
	carrier Carrier
	policy  Policy
	timeout time.Duration // of a try
	tried   func(State)
	log     *slog.Logger
	wake    chan struct{}
}

// NewSender returns what Run sends with. timeout bounds a try; tried is told
// the state after each.
func NewSender(
	channel Channel, queue Queue, carrier Carrier, policy Policy, timeout time.Duration, tried func(State), log *slog.Logger,
) *Sender {
	return &Sender{
		channel: channel, queue: queue, carrier: carrier, policy: policy, timeout: timeout, tried: tried,
		log: log.With("channel", string(channel)), wake: make(chan struct{}, 1),
	}
}

// Wake says that there may be something to send. It never blocks and may be
// called by any goroutine.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run sends until ctx ends; then it waits for the tries under way, each of
// which ends within the timeout.
func (s *Sender) Run(ctx context.Context) {
	var trying sync.WaitGroup
	defer trying.Wait()
	places := make(chan struct{}, parallel)
	for ctx.Err() == nil {
		free := take(ctx, places)
		claimed := s.claim(ctx, free)
		for range free - len(claimed) {
			<-places
		}
		for _, one := range claimed {
			trying.Go(func() {
				defer func() { <-places }()
				s.try(context.WithoutCancel(ctx), one)
			})
		}
		if len(claimed) < free {
			s.await(ctx)
		}
	}
}

// take waits for a place and takes all that are free. It takes none when ctx
// ends.
func take(ctx context.Context, places chan struct{}) (taken int) {
	select {
	case places <- struct{}{}:
		taken++
	case <-ctx.Done():
		return 0
	}
	for {
		select {
		case places <- struct{}{}:
			taken++
		default:
			return taken
		}
	}
}

func (s *Sender) claim(ctx context.Context, limit int) []Claimed {
	if limit == 0 {
		return nil
	}
	claimCtx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	claimed, err := s.queue.Claim(claimCtx, s.channel, limit, 2*(s.timeout+settleTimeout))
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "cannot look for notifications, trying again", "error", err)
	}
	return claimed
}

// try sends one notification and stores how that went. What it cannot store is
// tried again when the claim ends.
func (s *Sender) try(ctx context.Context, claimed Claimed) {
	deliverCtx, cancel := context.WithTimeout(ctx, s.timeout)
	err := s.carrier.Deliver(deliverCtx, claimed.Notification)
	cancel()
	outcome := s.policy.outcome(claimed, err)
	s.tried(outcome.State)
	log := s.log.With("id", claimed.ID, "type", string(claimed.Type), "try", claimed.Tries)
	switch outcome.State {
	case Sent:
		log.InfoContext(ctx, "notification sent")
	case Dead:
		log.ErrorContext(ctx, "notification given up", "reason", outcome.Reason)
	default:
		log.WarnContext(ctx, "notification not sent, trying again", "reason", outcome.Reason, "pauseMs", outcome.Pause.Milliseconds())
	}
	settleCtx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := s.queue.Settle(settleCtx, claimed, outcome); err != nil {
		log.ErrorContext(ctx, "cannot store what became of a notification, it will be sent again", "error", err)
	}
}

// await returns when somebody wakes it, after lookEvery, or when ctx ends.
func (s *Sender) await(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-s.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}
