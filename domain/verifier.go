package domain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Verifier finds what is wrong with the trail. It is given the entries of the
// audit log in the order of their commits and checks that
//
//   - the events of each aggregate form one chain: seq counts from 1, each
//     link names the hash of the one before it, and all are sealed;
//   - each change of a users row that moves event_seq from a to b has the
//     events of that user with a < seq ≤ b at the same commitTs (an INSERT
//     those from 1 to b, a DELETE those above a), and each event of a user
//     has such a change;
//   - the change is the one that its events tell of: nothing but ROLE_CHANGED
//     changes a role, and to the one that it says;
//   - each schema change of a fed table was announced.
//
// What it finds depends on nothing but the entries, the states it was given
// and the keys. A Verifier is not safe for concurrent use.
type Verifier struct {
	keyring       *Keyring
	chains        map[Chain]ChainState
	announcements []Announcement
	waivers       []Waived
}

// NewVerifier returns a verifier at the beginning of the trail. Without a
// keyring it does not check MACs.
func NewVerifier(keyring *Keyring) *Verifier {
	return &Verifier{keyring: keyring, chains: map[Chain]ChainState{}}
}

// Chains returns the states of all chains that the verifier was given or has
// met. The map is the verifier's own.
func (v *Verifier) Chains() map[Chain]ChainState { return v.chains }

// SetChain lets the verifier go on from the state that a chain had.
func (v *Verifier) SetChain(chain Chain, state ChainState) { v.chains[chain] = state }

// Announcements returns the schema changes that are announced and not done.
func (v *Verifier) Announcements() []Announcement { return v.announcements }

// SetAnnouncements lets the verifier go on from those of an earlier one.
func (v *Verifier) SetAnnouncements(open []Announcement) { v.announcements = open }

// link is an event with what is known of it.
type link struct {
	AuditEntry
	event   Event
	genuine bool
	covered bool // a change needs it
}

// Commit checks all entries of one commitTs, which must be greater than that
// of the call before, and returns what is wrong with them. The verifier needs
// the states of the chains that ChainOf names for them.
func (v *Verifier) Commit(entries []AuditEntry) []Finding {
	var findings []Finding
	found := func(entry AuditEntry, kind FindingKind, format string, args ...any) {
		findings = append(findings, newFinding(entry, kind, fmt.Sprintf(format, args...)))
	}
	links := v.links(entries, found)
	for _, entry := range entries {
		if entry.Table == usersTable && entry.Source == SourceChange && entry.DDLType == "" {
			v.attribute(entry, links, found)
		}
	}
	for _, link := range links {
		if link.event.AggregateType == AggregateUser && !link.covered {
			found(link.AuditEntry, EventWithoutChange, "event %d of user %s has no change of the users row at its commitTs",
				link.event.Seq, link.event.AggregateID)
		}
		if link.genuine {
			v.follow(link, found)
			v.note(link, found)
		}
	}
	for _, entry := range entries {
		if entry.DDLType != "" && !v.announced(entry) {
			found(entry, UnannouncedDDL, "%s of table %s was not announced by a migration: %s", entry.DDLType, entry.Table, entry.Statement())
		}
	}
	return findings
}

// links reads the events among the entries, in the order of their chains.
func (v *Verifier) links(entries []AuditEntry, found report) []*link {
	var links []*link
	for _, entry := range entries {
		if entry.Source != SourceEvent {
			continue
		}
		event, err := entry.Event()
		read := &link{AuditEntry: entry, event: event}
		links = append(links, read)
		switch {
		case err != nil:
			found(entry, BadMAC, "the event cannot have been sealed: %v", err)
		case v.keyring != nil && !v.keyring.Has(event.KeyID):
			found(entry, BadMAC, "the event is sealed with the key %q, which is not at hand", event.KeyID)
		case v.keyring != nil && !v.keyring.VerifyEvent(event):
			found(entry, BadMAC, "the event %d of %s is not as it was sealed, or was written by hand", event.Seq, event.Chain())
		default:
			read.genuine = true
		}
	}
	slices.SortStableFunc(links, func(a, b *link) int {
		return cmp.Or(strings.Compare(a.event.AggregateType, b.event.AggregateType),
			strings.Compare(a.event.AggregateID, b.event.AggregateID),
			cmp.Compare(a.event.Seq, b.event.Seq), strings.Compare(a.event.ID, b.event.ID))
	})
	return links
}

// report takes a finding.
type report func(entry AuditEntry, kind FindingKind, format string, args ...any)

func newFinding(entry AuditEntry, kind FindingKind, detail string) Finding {
	if len(detail) > MaxFindingDetail {
		detail = strings.ToValidUTF8(detail[:MaxFindingDetail-len("…")], "") + "…"
	}
	return Finding{
		Kind: kind, CommitTs: entry.CommitTs, Table: entry.Table, RowKey: entry.RowKey,
		UserID: entry.UserID, Username: entry.Username, Detail: detail,
		Topic: entry.Topic, Partition: entry.Partition, Offset: entry.Offset,
	}
}
