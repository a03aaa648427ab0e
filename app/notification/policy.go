package notification

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how often a notification is tried.
type Policy struct {
	// Tries and For bound the tries by number and time.
	Tries int
	For   time.Duration
	// First is the pause after the first try; each one after it is three
	// times as long, up to Max, less up to a fifth by chance.
	First time.Duration
	Max   time.Duration
}

// refusedTries bounds the tries of what a receiver refuses: it is more likely
// to go on refusing than one that is away.
const refusedTries = 5

// Failure is why a notification did not arrive. Any other error is one that
// the next try may not meet.
type Failure struct {
	Err error
	// Refused says that the receiver does not take it as it is, Gone that it
	// never will.
	Refused bool
	Gone    bool
	// RetryAfter is how long the receiver wants to be left alone, 0 if it has
	// not said.
	RetryAfter time.Duration
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// State is what has become of a notification.
type State string

// The states. Expired is what was too old when it was read.
const (
	Pending State = "pending"
	Sent    State = "sent"
	Dead    State = "dead"
	Expired State = "expired"
)

// States has all of them.
var States = []State{Pending, Sent, Dead, Expired}

// Outcome is what follows from a try.
type Outcome struct {
	State State
	// Pause is the time until the next try, of Pending only.
	Pause  time.Duration
	Reason string
}

// maxReason bounds a reason in bytes: it may quote the receiver.
const maxReason = 500

// outcome judges a try.
func (p Policy) outcome(claimed Claimed, err error) Outcome {
	if err == nil {
		return Outcome{State: Sent}
	}
	reason := clean(err.Error(), maxReason)
	var failure *Failure
	if !errors.As(err, &failure) {
		failure = &Failure{}
	}
	tries := p.Tries
	if failure.Refused {
		tries = min(tries, refusedTries)
	}
	pause := p.pause(claimed.Tries, failure.RetryAfter)
	if failure.Gone || claimed.Tries >= tries || claimed.Age+pause > p.For {
		return Outcome{State: Dead, Reason: reason}
	}
	return Outcome{State: Pending, Pause: pause, Reason: reason}
}

// pause is the time from a try, counted from 1, to the next.
func (p Policy) pause(try int, wanted time.Duration) time.Duration {
	pause := p.First
	for range try - 1 {
		if pause = 3 * pause; pause >= p.Max {
			pause = p.Max
			break
		}
	}
	pause -= time.Duration(rand.Int64N(int64(pause)/5 + 1))
	return max(pause, min(wanted, p.Max))
}
