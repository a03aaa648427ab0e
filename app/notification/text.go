package notification

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// titles say what happened, to whom.
var titles = map[Type]string{
	NewPlace: "%s signed in from a new place",
	Locked:   "%s is locked after failed logins",
	Finding:  "the audit trail has a finding (%s)",
}

// Text writes a notification for people: a subject of one line, and a body.
func Text(notification Notification) (subject, body string, err error) {
	var payload Payload
	if err := json.Unmarshal(notification.Body, &payload); err != nil {
		return "", "", fmt.Errorf("read notification %s: %w", notification.ID, err)
	}
	data := payload.Data
	who := data.Username
	if payload.Type == Finding {
		who = string(data.Kind)
	}
	subject = fmt.Sprintf("Helfy: "+titles[payload.Type], clean(who, maxReason))
	var text strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-10s %s\n", name+":", clean(value, 4*maxReason))
		}
	}
	line("What", strings.TrimPrefix(subject, "Helfy: "))
	line("When", payload.Timestamp.Format("2006-01-02 15:04:05.000 MST"))
	if data.UserID != 0 {
		line("User", fmt.Sprintf("%s (%d)", data.Username, data.UserID))
	}
	line("Address", data.IP)
	line("Network", data.Network)
	line("Device", data.Device)
	for _, kind := range data.New {
		line("New", string(kind))
	}
	if data.Until != nil {
		line("Until", data.Until.Format("2006-01-02 15:04:05 MST"))
		line("Failures", fmt.Sprint(data.Failures))
		line("Only from", data.LockedNetwork)
	}
	line("Detail", data.Detail)
	if data.CommitTs != "" {
		line("Row", data.Table+"/"+data.RowKey)
		line("commitTs", data.CommitTs)
	}
	line("Event", data.EventID)
	line("Id", payload.ID)
	return subject, text.String(), nil
}

// clean keeps what others have written to one line that plays no tricks, of
// at most so many bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "")
}
