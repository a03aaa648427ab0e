package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// endsSessions are the events that may take a session's token off the user.
var endsSessions = []EventType{
	Logout, SessionRevoked, SessionExpired, SessionForged, AccountDisabled, PasswordChanged, PasswordReset,
}

// changedBy says which events change a column of a users row that has no
// value in them. Columns that are not named may change with any event.
var changedBy = map[string][]EventType{
	"id":               nil,
	"created_at":       nil,
	"token_hash":       append([]EventType{LoginSuccess}, endsSessions...),
	"token_expires_at": append([]EventType{LoginSuccess}, endsSessions...),
	"last_login_at":    {LoginSuccess},
	"password_seq":     {UserCreated, LoginSuccess, PasswordChanged, PasswordReset},
}

// toldColumns are those whose values stand in events.
var toldColumns = []string{"username", "role", "status"}

// unexplained returns the columns of a changed users row of which the events,
// in their order, tell another value, or which none of them changes. Somebody
// who has stolen a genuine event before it was committed can commit it with a
// change of their own.
func unexplained(before, after map[string]cell, events []Event) []string {
	told := make(map[string]string, len(toldColumns))
	for _, name := range toldColumns {
		told[name] = before[name].text
	}
	for _, event := range events {
		event.tell(told)
	}
	var wrong []string
	for _, name := range toldColumns {
		if is := after[name]; is.state != absent && is.text != told[name] {
			wrong = append(wrong, fmt.Sprintf("%s should be %q", name, told[name]))
		}
	}
	if before == nil {
		return wrong
	}
	for _, name := range columns(before, after) {
		kinds, bound := changedBy[name]
		if !bound || before[name] == after[name] || before[name].state == absent || after[name].state == absent {
			continue // a schema change has made or removed the column
		}
		if !slices.ContainsFunc(events, func(e Event) bool { return slices.Contains(kinds, e.Type) }) {
			wrong = append(wrong, name+" should stay")
		}
	}
	return wrong
}

// tell sets what the event says of the columns of its user.
func (e Event) tell(columns map[string]string) {
	var payload struct {
		Username string `json:"username"`
		Role     string `json:"role"`
		To       string `json:"to"`
	}
	if json.Unmarshal([]byte(e.Payload), &payload) != nil {
		return
	}
	switch e.Type {
	case UserCreated:
		columns["username"], columns["role"], columns["status"] = payload.Username, payload.Role, string(StatusActive)
	case UsernameChanged:
		columns["username"] = payload.To
	case RoleChanged:
		columns["role"] = payload.To
	case AccountDisabled:
		columns["status"] = string(StatusDisabled)
	case AccountEnabled:
		columns["status"] = string(StatusActive)
	}
}

// typesOf names the events' types.
func typesOf(events []Event) string {
	names := make([]string, len(events))
	for i, event := range events {
		names[i] = string(event.Type)
	}
	return strings.Join(names, ", ")
}
