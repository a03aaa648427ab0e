package query

import (
	"context"
	"encoding/json"
	"time"

	"helfy/domain"
)

// ownLoginTypes are the events of which a user is told.
var ownLoginTypes = []domain.EventType{
	domain.LoginSuccess, domain.LoginFailure, domain.Logout, domain.SessionRevoked, domain.SessionExpired,
	domain.UserLocked, domain.UserUnlocked,
}

// OwnLogin is what a user is told of a login, or of the end of a session.
type OwnLogin struct {
	ID   string
	At   time.Time
	Type domain.EventType
	// Reason says why a login was refused or a session ended; Count is how
	// many logins a flood of refused ones stands for, 0 for one.
	Reason string
	Count  int
	// IP, UserAgent and SessionID tell where it came from. They are empty of
	// what somebody else has done: that is theirs.
	IP, UserAgent, SessionID string
}

// OwnLoginPage is a part of them, newest first.
type OwnLoginPage struct {
	Logins []OwnLogin
	Next   *AuditPosition // nil at the end
}

// ListOwnLogins reads the logins of a user. It is safe for concurrent use.
type ListOwnLogins struct{ Log AuditLog }

// Handle returns at most limit of a user's logins before a position.
func (l ListOwnLogins) Handle(ctx context.Context, user domain.UserID, before *AuditPosition, limit int) (OwnLoginPage, error) {
	entries, err := l.Log.Entries(ctx, AuditFilter{UserID: user, EventTypes: ownLoginTypes}, before, limit+1)
	if err != nil {
		return OwnLoginPage{}, err
	}
	entries, next := cutPage(entries, limit)
	page := OwnLoginPage{Logins: make([]OwnLogin, len(entries)), Next: next}
	for i, entry := range entries {
		page.Logins[i] = newOwnLogin(user, entry)
	}
	return page, nil
}

// newOwnLogin takes what it can understand: a row written by hand can say
// anything.
func newOwnLogin(user domain.UserID, entry domain.AuditEntry) OwnLogin {
	login := OwnLogin{ID: entry.ID(), At: domain.TimeOfTSO(entry.CommitTs), Type: entry.EventType}
	event, err := entry.Event()
	if err != nil {
		return login
	}
	var payload struct {
		Reason string `json:"reason"`
		Count  int    `json:"count"`
	}
	if json.Unmarshal([]byte(event.Payload), &payload) == nil {
		login.Reason, login.Count = payload.Reason, payload.Count
	}
	var origin domain.Origin
	if json.Unmarshal([]byte(event.Metadata), &origin) == nil && (origin.Actor == "user:"+user.String() || origin.Actor == "anonymous") {
		login.IP, login.UserAgent, login.SessionID = origin.IP, origin.UserAgent, origin.SessionID
	}
	return login
}
