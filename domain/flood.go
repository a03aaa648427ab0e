package domain

import "time"

// Flood is what is known of the refused logins of one chain in one minute of
// the clock.
type Flood struct {
	// Recorded had an event each, Counted had none.
	Recorded, Counted int
	// From and To are when the first and the last of those without an event
	// happened.
	From, To time.Time
}

// FloodMinute returns the minute that a refused login counts in.
func FloodMinute(at time.Time) time.Time { return at.UTC().Truncate(time.Minute) }

// Take counts a refused login and reports whether it is to have an event of
// its own: past the threshold it has none. A threshold of 0 is never passed.
// One is left to a forged credential, which nobody must hide behind a flood.
func (f *Flood) Take(at time.Time, reason FailureReason, threshold int) (record bool) {
	most := threshold
	if reason == BadCredential {
		most++
	}
	if threshold == 0 || f.Recorded < most {
		f.Recorded++
		return true
	}
	at = at.UTC().Truncate(time.Microsecond)
	if f.Counted == 0 || at.Before(f.From) {
		f.From = at
	}
	if at.After(f.To) {
		f.To = at
	}
	f.Counted++
	return false
}

// floodPayload is what the event of a flood says besides whose it is.
type floodPayload struct {
	Reason FailureReason `json:"reason"`
	Count  int           `json:"count"`
	From   time.Time     `json:"from"`
	To     time.Time     `json:"to"`
}

func (f Flood) payload() floodPayload { return floodPayload{FailureFlood, f.Counted, f.From, f.To} }

// RecordFlood records the refused logins that had no event of their own.
func (u *User) RecordFlood(flood Flood, occurrence Occurrence) {
	u.record(LoginFailure, occurrence, struct {
		UserID   UserID `json:"userId"`
		Username string `json:"username"`
		floodPayload
	}{u.state.ID, u.state.Username.String(), flood.payload()})
}

// RecordUnknownFlood is RecordFlood for a chain of names that nobody has, as
// the link after head. Its names are many and not told.
func RecordUnknownFlood(keyring *Keyring, chain Chain, head Head, flood Flood, occurrence Occurrence) (Event, Head) {
	return failUnknown(keyring, chain, head, occurrence, struct {
		Username string `json:"username"`
		floodPayload
	}{maskedAll, flood.payload()})
}
