package domain

import (
	"slices"
	"time"
)

// ReservationTime is how long a try to sign in may take before its place is
// given to another one: the process may have been killed.
const ReservationTime = 15 * time.Second

// quietTime without a failure makes the next lock as short as the first one.
const quietTime = 24 * time.Hour

// LockPolicy says when a subject's tries are refused for some time.
type LockPolicy struct {
	// MaxFailures within Window lock; 0 never does.
	MaxFailures int
	Window      time.Duration
	// LockTime is how long the first lock lasts. Each lock after that lasts
	// twice as long, up to MaxLockTime, until a login succeeds or a day passes
	// without a failure.
	LockTime    time.Duration
	MaxLockTime time.Duration
}

// lockTime is how long a lock lasts, counted from 1.
func (p LockPolicy) lockTime(lock int) time.Duration {
	last := p.LockTime
	for range lock - 1 {
		if last >= p.MaxLockTime/2 {
			return p.MaxLockTime
		}
		last *= 2
	}
	return min(last, p.MaxLockTime)
}

// Grant is the answer to a try that asks for a verification.
type Grant int

// The answers.
const (
	// Granted lets the try verify its password.
	Granted Grant = iota
	// Locked refuses it.
	Locked
	// Full asks it to wait: as many tries are under way as may still fail.
	Full
)

// Attempts are the tries to sign in of one subject, as they are stored. A try
// reserves its place before the password is verified and ends as a failure, a
// success or neither. Failures and places together never exceed the policy's
// MaxFailures, so that many tries at once verify no more passwords than as
// many in turn; and a place is no failure, so that many right ones at once
// lock nobody out.
type Attempts struct {
	// Failures since FirstFailedAt, which begins the window.
	Failures      int
	FirstFailedAt time.Time
	LastFailedAt  time.Time
	// Locks counts the locks in a row.
	Locks int
	// LockedUntil is zero without a lock.
	LockedUntil  time.Time
	Reservations []Reservation
}

// Reservation is the place of a try under way.
type Reservation struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
	// Refused marks a try that is refused whatever its password is: it takes
	// no place from others.
	Refused bool `json:"refused,omitempty"`
}

// Reserve asks for a place for the try of that id. Granted and Locked keep it
// until the try ends; asking again for the same id gives the same answer.
func (a *Attempts) Reserve(id string, now time.Time, policy LockPolicy) Grant {
	a.age(now, policy)
	locked := policy.MaxFailures > 0 && now.Before(a.LockedUntil)
	if i := a.find(id); i >= 0 {
		locked = a.Reservations[i].Refused
	} else if !locked && policy.MaxFailures > 0 && a.taken(policy) >= policy.MaxFailures {
		return Full
	} else {
		a.Reservations = append(a.Reservations, Reservation{ID: id, Expires: now.Add(ReservationTime), Refused: locked})
	}
	if locked {
		return Locked
	}
	return Granted
}

// taken is the number of failures and places. There is always a place for one
// try, also if the policy has become stricter than the failures so far.
func (a *Attempts) taken(policy LockPolicy) int {
	taken := min(a.Failures, policy.MaxFailures-1)
	for _, reservation := range a.Reservations {
		if !reservation.Refused {
			taken++
		}
	}
	return taken
}

// Fail ends the try as a failure and reports whether that locks the subject.
// A failure during a lock does not count.
func (a *Attempts) Fail(id string, now time.Time, policy LockPolicy) (locks bool) {
	a.age(now, policy)
	a.Release(id)
	if policy.MaxFailures == 0 || now.Before(a.LockedUntil) {
		return false
	}
	if a.Failures == 0 {
		a.FirstFailedAt = now
	}
	a.Failures++
	a.LastFailedAt = now
	if a.Failures < policy.MaxFailures {
		return false
	}
	a.Locks++
	a.LockedUntil = now.Add(policy.lockTime(a.Locks)).UTC().Truncate(time.Microsecond)
	return true
}

// Succeed ends the try and forgets all failures and locks.
func (a *Attempts) Succeed(id string) {
	a.Release(id)
	a.Clear()
}

// Release ends the try as neither a failure nor a success.
func (a *Attempts) Release(id string) {
	if i := a.find(id); i >= 0 {
		a.Reservations = slices.Delete(a.Reservations, i, i+1)
	}
}

// Clear forgets all failures and locks and reports whether there were any.
// Tries under way keep their places.
func (a *Attempts) Clear() (cleared bool) {
	cleared = a.Failures > 0 || a.Locks > 0 || !a.LockedUntil.IsZero()
	*a = Attempts{Reservations: a.Reservations}
	return cleared
}

// UnderWay reports whether the try has reserved and not ended.
func (a *Attempts) UnderWay(id string) bool { return a.find(id) >= 0 }

func (a *Attempts) find(id string) int {
	return slices.IndexFunc(a.Reservations, func(r Reservation) bool { return r.ID == id })
}

// age forgets what is over. A time that lies further ahead than it can was
// written before the clock was set back, and is brought back with it.
func (a *Attempts) age(now time.Time, policy LockPolicy) {
	a.LockedUntil = notAfter(a.LockedUntil, now.Add(policy.MaxLockTime))
	a.FirstFailedAt, a.LastFailedAt = notAfter(a.FirstFailedAt, now), notAfter(a.LastFailedAt, now)
	for i := range a.Reservations {
		a.Reservations[i].Expires = notAfter(a.Reservations[i].Expires, now.Add(ReservationTime))
	}
	a.Reservations = slices.DeleteFunc(a.Reservations, func(r Reservation) bool { return !now.Before(r.Expires) })
	if now.Before(a.LockedUntil) {
		return
	}
	if !a.LockedUntil.IsZero() || now.Sub(a.FirstFailedAt) >= policy.Window {
		a.Failures, a.LockedUntil = 0, time.Time{}
	}
	if now.Sub(a.LastFailedAt) >= quietTime {
		a.Locks = 0
	}
}

func notAfter(t, bound time.Time) time.Time {
	if t.After(bound) {
		return bound
	}
	return t
}
