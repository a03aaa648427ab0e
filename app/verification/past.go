package verification

import (
	"fmt"
	"maps"
	"slices"

	"helfy/domain"
)

// past holds up what is stored against what the log says of it: rows that the
// service has once written are genuine, and can be put back.
type past struct {
	// What is stored: users rows, the events that set the passwords, and
	// whose the sessions are that have not ended.
	users       map[domain.UserID]domain.LoggedUser
	credentials map[domain.UserID]uint64
	sessions    map[string]domain.UserID
	// What the log says of the same. Users who were deleted have no row.
	logged    map[domain.UserID]domain.LoggedUser
	passwords map[domain.UserID]uint64
	ended     map[string]uint64
}

func newPast() past {
	return past{
		credentials: map[domain.UserID]uint64{}, sessions: map[string]domain.UserID{},
		logged: map[domain.UserID]domain.LoggedUser{}, passwords: map[domain.UserID]uint64{}, ended: map[string]uint64{},
	}
}

// note takes in an entry. They come in the order of commits.
func (p past) note(entry domain.AuditEntry) {
	if user, exists, ok := entry.LoggedUser(); ok && exists {
		p.logged[entry.UserID] = user
	} else if ok {
		delete(p.logged, entry.UserID)
	}
	if entry.Source != domain.SourceEvent {
		return
	}
	event, err := entry.Event()
	id, ok := event.Chain().UserID()
	if err != nil || !ok {
		return
	}
	effect := event.Effect()
	if effect.SetsPassword {
		p.passwords[id] = max(p.passwords[id], event.Seq)
	}
	for _, session := range effect.EndedSessions {
		if p.sessions[session] == id {
			p.ended[session] = event.Seq
		}
	}
}

// compare reports what differs.
func (p past) compare(found func(kind domain.FindingKind, table, key string, user domain.UserID, detail string)) {
	for _, id := range slices.Sorted(maps.Keys(p.logged)) {
		row, ok := p.users[id]
		switch logged := p.logged[id]; {
		case !ok:
			found(domain.UnattributedChange, tableUsers, id.String(), id, "the row is gone, the log has not seen it go")
		case row != logged:
			found(domain.UnattributedChange, tableUsers, id.String(), id, "the row is not as the log has left it: "+row.Difference(logged))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.credentials)) {
		if stored, latest := p.credentials[id], p.passwords[id]; stored < latest {
			found(domain.CredentialMAC, tableCredentials, id.String(), id,
				fmt.Sprintf("the password hash is that of event %d, which event %d has replaced", stored, latest))
		}
	}
	for _, session := range slices.Sorted(maps.Keys(p.ended)) {
		found(domain.SessionMAC, tableSessions, session, p.sessions[session],
			fmt.Sprintf("the session goes on, although event %d has ended it", p.ended[session]))
	}
}
