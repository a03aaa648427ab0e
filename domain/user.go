package domain

import (
	"errors"
	"strconv"
	"time"
)

// Role says what a user may do.
type Role string

// The roles.
const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin"
)

// Status says whether a user may sign in.
type Status string

// The states of a user.
const (
	StatusActive   Status = "active"
	StatusDisabled Status = "disabled"
)

// UserID identifies a user, from 1.
type UserID int64

// String returns the id in decimal, as it stands in aggregateid.
func (id UserID) String() string { return strconv.FormatInt(int64(id), 10) }

// AggregateUser is the aggregatetype of a user's events.
const AggregateUser = "user"

// ErrUserDisabled refuses the login of a disabled user.
var ErrUserDisabled = errors.New("user is disabled")

// UserState is a user as it is stored.
type UserState struct {
	ID             UserID
	Username       Username
	Role           Role
	Status         Status
	TokenHash      string // SHA-256 of the newest token in hex, empty for none
	TokenExpiresAt time.Time
	LastLoginAt    time.Time
	// PasswordSeq is the event that set the password, 0 if that is not known.
	PasswordSeq uint64
	Head        Head
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// User is one account. Every method that changes it also makes the event that
// explains the change; whoever stores the user stores Pending with it, in the
// same transaction. A User is not safe for concurrent use.
type User struct {
	state   UserState
	keyring *Keyring
	pending Pending
}

// Pending is what a changed user brings along, to be stored with it.
type Pending struct {
	Events     []Event
	Session    *Session    // a new session, or nil
	Revoked    []Session   // sessions that have ended
	Forged     []Session   // sessions that are not genuine, to be removed
	Credential *Credential // a new password, or nil
	Deleted    bool        // remove the user and all that belongs to it
	// Network is one that the user has signed in from, empty for none.
	Network string
}

// LoadUser wraps a stored state.
func LoadUser(state UserState, keyring *Keyring) *User {
	return &User{state: state, keyring: keyring}
}

// State returns the user's current state.
func (u *User) State() UserState { return u.state }

// Pending returns what must be stored together with State.
func (u *User) Pending() Pending { return u.pending }

// Occurrence is what every command says of itself: the id of its event, when
// it happened (the clock's time) and where it came from.
type Occurrence struct {
	EventID string
	At      time.Time
	Origin  Origin
}

// RegisterUser makes a new, active user with its first event.
func RegisterUser(id UserID, name Username, role Role, passwordHash string, keyring *Keyring, occurrence Occurrence) *User {
	at := occurrence.At.UTC().Truncate(time.Microsecond)
	u := &User{keyring: keyring, state: UserState{
		ID: id, Username: name, Role: role, Status: StatusActive, CreatedAt: at,
	}}
	u.record(UserCreated, occurrence, struct {
		UserID   UserID `json:"userId"`
		Username string `json:"username"`
		Role     Role   `json:"role"`
	}{id, name.String(), role})
	u.setCredential(Credential{PasswordHash: passwordHash})
	return u
}

// LogIn starts a session for token, which the user's password has earned.
// Its error is ErrUserDisabled.
func (u *User) LogIn(session NewSession, occurrence Occurrence) error {
	if u.state.Status != StatusActive {
		return ErrUserDisabled
	}
	opened := openSession(u.keyring, u.state.ID, session, occurrence.At)
	occurrence.Origin.SessionID = opened.ID
	u.state.TokenHash = opened.TokenHash
	u.state.TokenExpiresAt = opened.ExpiresAt
	u.state.LastLoginAt = opened.IssuedAt
	u.pending.Session = &opened
	u.pending.Network = session.Network
	u.record(LoginSuccess, occurrence, struct {
		UserID    UserID    `json:"userId"`
		Username  string    `json:"username"`
		ExpiresAt time.Time `json:"expiresAt"`
		Rehashed  bool      `json:"rehashed,omitempty"`
	}{u.state.ID, u.state.Username.String(), opened.ExpiresAt, session.PasswordHash != ""})
	if session.PasswordHash != "" {
		u.setCredential(Credential{PasswordHash: session.PasswordHash, MustChange: session.MustChangePassword})
	}
	return nil
}

// FailLogin records a refused login.
func (u *User) FailLogin(reason FailureReason, occurrence Occurrence) {
	u.record(LoginFailure, occurrence, struct {
		UserID   UserID        `json:"userId"`
		Username string        `json:"username"`
		Reason   FailureReason `json:"reason"`
	}{u.state.ID, u.state.Username.String(), reason})
}

// EndSessions revokes sessions of the user, for which kind, Logout or
// SessionRevoked, says why. Ending no session records nothing.
func (u *User) EndSessions(kind EventType, sessions []Session, occurrence Occurrence) {
	if len(sessions) == 0 {
		return
	}
	u.record(kind, occurrence, struct {
		subject
		SessionIDs []string `json:"sessionIds"`
	}{u.subject(), u.revoke(sessions, occurrence.At)})
}

// ExpireSessions ends sessions of the user that have expired for a reason.
// Ending no session records nothing.
func (u *User) ExpireSessions(reason ExpiryReason, sessions []Session, occurrence Occurrence) {
	if len(sessions) == 0 {
		return
	}
	u.record(SessionExpired, occurrence, struct {
		subject
		SessionIDs []string     `json:"sessionIds"`
		Reason     ExpiryReason `json:"reason"`
	}{u.subject(), u.revoke(sessions, occurrence.At), reason})
}

// ReportForgery removes a session that the service did not write.
func (u *User) ReportForgery(session Session, occurrence Occurrence) {
	u.forget(session)
	u.pending.Forged = append(u.pending.Forged, session)
	u.record(SessionForged, occurrence, struct {
		subject
		SessionID string `json:"sessionId"`
	}{u.subject(), session.ID})
}

// revoke ends sessions and returns their ids.
func (u *User) revoke(sessions []Session, at time.Time) []string {
	ids := make([]string, len(sessions))
	for i, session := range sessions {
		ids[i] = session.ID
		u.forget(session)
		u.pending.Revoked = append(u.pending.Revoked, session.revoke(u.keyring, at))
	}
	return ids
}

// forget takes the session's token off the user.
func (u *User) forget(session Session) {
	if session.TokenHash == u.state.TokenHash {
		u.state.TokenHash, u.state.TokenExpiresAt = "", time.Time{}
	}
}

// subject is how a payload names the user.
type subject struct {
	UserID   UserID `json:"userId"`
	Username string `json:"username"`
}

func (u *User) subject() subject { return subject{u.state.ID, u.state.Username.String()} }

// record seals an event as the next link of the user's chain.
func (u *User) record(kind EventType, occurrence Occurrence, payload any) {
	at := occurrence.At.UTC().Truncate(time.Microsecond)
	event, head := u.keyring.Append(u.state.Head, Event{
		ID: occurrence.EventID, AggregateType: AggregateUser, AggregateID: u.state.ID.String(),
		Type: kind, Payload: marshal(payload), Metadata: marshal(occurrence.Origin), OccurredAt: at,
	})
	u.state.Head = head
	u.state.UpdatedAt = at
	u.pending.Events = append(u.pending.Events, event)
}
