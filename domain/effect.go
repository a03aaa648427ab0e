package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Effect is what an event says of rows that are not in the topics.
type Effect struct {
	// SetsPassword says that a password hash was written with it.
	SetsPassword bool
	// EndedSessions are the ids of sessions that cannot be used after it.
	EndedSessions []string
}

// Effect reads the event's payload; of one that cannot be read there is none.
func (e Event) Effect() Effect {
	var payload struct {
		SessionID  string   `json:"sessionId"`
		SessionIDs []string `json:"sessionIds"`
		Rehashed   bool     `json:"rehashed"`
	}
	if json.Unmarshal([]byte(e.Payload), &payload) != nil {
		return Effect{}
	}
	var effect Effect
	switch e.Type {
	case UserCreated, PasswordChanged, PasswordReset:
		effect.SetsPassword = true
	case LoginSuccess:
		effect.SetsPassword = payload.Rehashed
	}
	if slices.Contains(endsSessions, e.Type) {
		effect.EndedSessions = payload.SessionIDs
	}
	if e.Type == SessionForged {
		effect.EndedSessions = []string{payload.SessionID}
	}
	return effect
}

// LoggedUser is what decides of a users row who may sign in as whom.
type LoggedUser struct{ Username, Role, Status, TokenHash string }

// LoggedUser returns the row that a change has left; exists is false if it was
// deleted, and ok is false if the entry is no change of a users row.
func (e AuditEntry) LoggedUser() (user LoggedUser, exists, ok bool) {
	if e.Table != usersTable || e.Source != SourceChange || e.DDLType != "" {
		return LoggedUser{}, false, false
	}
	row, err := readCells(e.New)
	if err != nil || row == nil {
		return LoggedUser{}, false, err == nil
	}
	return LoggedUser{row["username"].text, row["role"].text, row["status"].text, row["token_hash"].text}, true, true
}

// Difference names the columns in which the row is not as it was logged.
func (u LoggedUser) Difference(logged LoggedUser) string {
	var parts []string
	for _, column := range []struct{ name, is, was string }{
		{"username", u.Username, logged.Username}, {"role", u.Role, logged.Role},
		{"status", u.Status, logged.Status}, {"token_hash", u.TokenHash, logged.TokenHash},
	} {
		if column.is != column.was {
			parts = append(parts, fmt.Sprintf("%s: %q → %q", column.name, column.was, column.is))
		}
	}
	return strings.Join(parts, ", ")
}
