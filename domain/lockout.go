package domain

import "time"

// UserSubject names the tries of a user: those from a network that the user
// has signed in from before, and, with an empty network, all others. Whoever
// tries elsewhere cannot lock those networks.
func UserSubject(id UserID, network string) string {
	subject := AggregateUser + ":" + id.String()
	if network != "" {
		subject += "@" + network
	}
	return subject
}

// PasswordSubject names a user's tries of the old password at a change of it,
// among the other subjects of the user, none of which is a network of that
// name.
func PasswordSubject(id UserID) string { return UserSubject(id, "password") }

// Lock records that tries are refused for some time, those from one network
// if it is not empty.
func (u *User) Lock(attempts Attempts, network string, occurrence Occurrence) {
	u.record(UserLocked, occurrence, struct {
		UserID   UserID    `json:"userId"`
		Username string    `json:"username"`
		Failures int       `json:"failures"`
		Until    time.Time `json:"until"`
		Network  string    `json:"network,omitempty"`
	}{u.state.ID, u.state.Username.String(), attempts.Failures, attempts.LockedUntil, network})
}

// Unlock records that all failures and locks are forgotten.
func (u *User) Unlock(occurrence Occurrence) {
	u.record(UserUnlocked, occurrence, struct {
		UserID   UserID `json:"userId"`
		Username string `json:"username"`
	}{u.state.ID, u.state.Username.String()})
}
