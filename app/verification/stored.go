package verification

import (
	"context"
	"fmt"
	"strings"
	"time"

	"helfy/domain"
)

// Stored is what the database itself held at one moment, besides the
// projections: what the feed does not carry can be edited there unseen. With
// users it is only theirs.
type Stored interface {
	// Moment is the TSO of the moment.
	Moment() uint64
	// Events returns the outbox rows of some ids, by id.
	Events(ctx context.Context, ids []string) (map[string]domain.Event, error)
	// EachEvent gives every outbox row to take.
	EachEvent(ctx context.Context, take func(domain.Event)) error
	// Heads returns the ends of chains as the users rows and the chains that
	// belong to no user have them.
	Heads(ctx context.Context) (map[domain.Chain]domain.Head, error)
	// Users returns the users rows, as far as they are compared.
	Users(ctx context.Context) (map[domain.UserID]domain.LoggedUser, error)
	// EachCredential and EachSession give every row to take.
	EachCredential(ctx context.Context, take func(domain.Credential)) error
	EachSession(ctx context.Context, take func(domain.Session)) error
}

// The tables that are not fed, or whose edits are not.
const (
	tableOutbox      = "outbox"
	tableUsers       = "users"
	tableChains      = "event_chains"
	tableCredentials = "credentials"
	tableSessions    = "sessions"
)

// Inspection holds what is stored up against the log.
type Inspection struct {
	Stored  Stored
	Keyring *domain.Keyring // nil: MACs are not checked
	Judge   *Judge
	// TTL is how long outbox rows are kept.
	TTL time.Duration

	heads   map[domain.Chain]domain.Head
	waiting []domain.AuditEntry
	known   map[string]bool
	past    past
}

// ttlMargin is how much younger than the TTL an event must be to be missed:
// the clocks of the service and of the database may differ.
const ttlMargin = time.Hour

// lookups is how many outbox rows are looked up at a time.
const lookups = 500

// Begin checks the MACs of credentials and sessions, if there are keys, and
// sees to it that the heads are compared when the judge comes to the moment.
func (i *Inspection) Begin(ctx context.Context) (err error) {
	i.known = map[string]bool{}
	if i.heads, err = i.Stored.Heads(ctx); err != nil {
		return err
	}
	i.Judge.At(i.Stored.Moment(), i.compareHeads)
	i.past = newPast()
	if i.past.users, err = i.Stored.Users(ctx); err != nil {
		return err
	}
	err = i.Stored.EachCredential(ctx, func(c domain.Credential) {
		if i.Keyring == nil || c.Genuine(i.Keyring) {
			i.past.credentials[c.UserID] = c.Seq
		} else {
			i.found(domain.CredentialMAC, tableCredentials, c.UserID.String(), c.UserID, "the password hash was not written by the service")
		}
	})
	if err != nil {
		return err
	}
	return i.Stored.EachSession(ctx, func(s domain.Session) {
		if s.RevokedAt.IsZero() {
			i.past.sessions[s.ID] = s.UserID
		}
		if i.Keyring != nil && !s.Genuine(i.Keyring) {
			i.found(domain.SessionMAC, tableSessions, s.ID, s.UserID, "the session was not written by the service")
		}
	})
}

func (i *Inspection) found(kind domain.FindingKind, table, key string, user domain.UserID, detail string) {
	i.Judge.Found(domain.Finding{
		Kind: kind, CommitTs: i.Stored.Moment(), Table: table, RowKey: key, UserID: user, Detail: detail,
	})
}

// Commit compares the events among the entries with their outbox rows, and
// notes what the entries say of the other rows.
func (i *Inspection) Commit(ctx context.Context, entries []domain.AuditEntry) error {
	for _, entry := range entries {
		if entry.CommitTs > i.Stored.Moment() {
			continue
		}
		i.past.note(entry)
		if entry.Source == domain.SourceEvent {
			i.waiting = append(i.waiting, entry)
		}
	}
	if len(i.waiting) < lookups {
		return nil
	}
	return i.lookUp(ctx)
}

func (i *Inspection) lookUp(ctx context.Context) error {
	if len(i.waiting) == 0 {
		return nil
	}
	ids := make([]string, len(i.waiting))
	for n, entry := range i.waiting {
		ids[n] = entry.RowKey
	}
	stored, err := i.Stored.Events(ctx, ids)
	if err != nil {
		return err
	}
	oldest := domain.TimeOfTSO(i.Stored.Moment()).Add(ttlMargin - i.TTL)
	for _, entry := range i.waiting {
		row, ok := stored[entry.RowKey]
		logged, err := entry.Event()
		switch {
		case ok:
			i.known[row.ID] = true
			if names := row.Differences(logged); err != nil || len(names) > 0 {
				i.foundAt(entry, domain.ChainEdit, "the outbox row is not as it was logged: "+strings.Join(names, ", "))
			}
		case err == nil && logged.OccurredAt.After(oldest):
			i.foundAt(entry, domain.ChainGap, fmt.Sprintf("the outbox row of event %d is gone, although it is younger than %s", logged.Seq, i.TTL))
		}
	}
	i.waiting = i.waiting[:0]
	return nil
}

func (i *Inspection) foundAt(entry domain.AuditEntry, kind domain.FindingKind, detail string) {
	i.Judge.Found(domain.Finding{
		Kind: kind, CommitTs: entry.CommitTs, Table: entry.Table, RowKey: entry.RowKey, UserID: entry.UserID, Username: entry.Username,
		Detail: detail, Topic: entry.Topic, Partition: entry.Partition, Offset: entry.Offset,
	})
}

// End looks for outbox rows that the log does not have, and for rows that are
// not as the log has left them.
func (i *Inspection) End(ctx context.Context) error {
	if err := i.lookUp(ctx); err != nil {
		return err
	}
	i.past.compare(i.found)
	return i.Stored.EachEvent(ctx, func(event domain.Event) {
		if i.known[event.ID] {
			return
		}
		kind, detail := domain.ChainFork, fmt.Sprintf("the outbox has event %d of %s, the log has not", event.Seq, event.Chain())
		if i.Keyring != nil && !i.Keyring.VerifyEvent(event) {
			kind, detail = domain.BadMAC, detail+"; no holder of the key has sealed it"
		}
		i.found(kind, tableOutbox, event.ID, userOf(event.Chain()), detail)
	})
}

// compareHeads is for Judge.At.
func (i *Inspection) compareHeads(trail domain.Seal) []domain.Finding {
	logged := make(map[domain.Chain]domain.Head, len(trail.Heads))
	for _, head := range trail.Heads {
		logged[head.Chain] = head.Head
	}
	var findings []domain.Finding
	for chain, head := range i.heads {
		if logged[chain] == head {
			continue
		}
		finding := domain.Finding{
			Kind: domain.ChainEdit, CommitTs: trail.Watermark, Table: tableChains, RowKey: chain.String(), UserID: userOf(chain),
			Detail: fmt.Sprintf("the row's head of %s is event %d with hash %s, the log's last event is %d with hash %s",
				chain, head.Seq, head.Hash, logged[chain].Seq, logged[chain].Hash),
		}
		if finding.UserID != 0 {
			finding.Table, finding.RowKey = tableUsers, chain.AggregateID
		}
		findings = append(findings, finding)
	}
	return findings
}

// userOf returns the user of a chain, 0 if it is nobody's.
func userOf(chain domain.Chain) domain.UserID {
	if id, ok := chain.UserID(); ok {
		return id
	}
	return 0
}
