package domain

import "slices"

// ChainState is what a Verifier knows of a chain; its zero value is that of a
// chain without a link.
type ChainState struct {
	Head
	// Missing are the places before the head that have no link, in order.
	Missing []SeqRange `json:"missing,omitempty"`
	// CredentialReported says that a forged credential was reported and not
	// replaced since.
	CredentialReported bool `json:"credentialReported,omitempty"`
}

// SeqRange is a range of places in a chain, both ends included.
type SeqRange struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// maxMissing bounds how many ranges of a chain are remembered; of the oldest
// it is forgotten that they were missing.
const maxMissing = 32

// skip moves the head to the link, before which some are missing.
func (s *ChainState) skip(link Head) {
	s.Missing = append(s.Missing, SeqRange{From: s.Seq + 1, To: link.Seq - 1})
	if len(s.Missing) > maxMissing {
		s.Missing = slices.Delete(s.Missing, 0, len(s.Missing)-maxMissing)
	}
	s.Head = link
}

// fill reports whether the place was missing; it is no longer.
func (s *ChainState) fill(seq uint64) bool {
	for i, missing := range s.Missing {
		if seq < missing.From || seq > missing.To {
			continue
		}
		var rest []SeqRange
		if seq > missing.From {
			rest = append(rest, SeqRange{missing.From, seq - 1})
		}
		if seq < missing.To {
			rest = append(rest, SeqRange{seq + 1, missing.To})
		}
		s.Missing = slices.Replace(slices.Clone(s.Missing), i, i+1, rest...)
		return true
	}
	return false
}

// follow checks that a genuine event is the next link of its chain.
func (v *Verifier) follow(link *link, found report) {
	event, chain := link.event, link.event.Chain()
	state := v.chains[chain]
	this := Head{Seq: event.Seq, Hash: event.Hash}
	switch {
	case event.Seq == state.Seq+1:
		if event.PrevHash != state.Hash {
			found(link.AuditEntry, ChainEdit, "event %d of %s does not follow event %d as it is in the log", event.Seq, chain, state.Seq)
		}
		state.Head = this
	case event.Seq > state.Seq:
		found(link.AuditEntry, ChainGap, "events %d to %d of %s are missing", state.Seq+1, event.Seq-1, chain)
		state.skip(this)
	case state.fill(event.Seq):
		found(link.AuditEntry, ChainReorder, "event %d of %s was committed after event %d", event.Seq, chain, state.Seq)
	default:
		found(link.AuditEntry, ChainFork, "event %d of %s stands a second time, after event %d", event.Seq, chain, state.Seq)
		// The service goes on from here if it was the service that wrote it,
		// as after a restore from a backup; a row that was copied changes
		// nothing of the chain.
		if link.covered || event.AggregateType != AggregateUser {
			state.Head, state.Missing = this, nil
		}
	}
	v.chains[chain] = state
}

// note takes in what an event says of things that are not in the topics.
func (v *Verifier) note(link *link, found report) {
	event, state := link.event, v.chains[link.event.Chain()]
	switch event.Type {
	case LoginFailure:
		if event.failureReason() == BadCredential && !state.CredentialReported {
			state.CredentialReported = true
			found(link.AuditEntry, CredentialMAC, "the password hash of user %s was not written by the service", event.AggregateID)
		}
	case LoginSuccess, PasswordChanged, PasswordReset:
		state.CredentialReported = false
	case SessionForged:
		found(link.AuditEntry, SessionMAC, "a session of user %s was not written by the service: %s", event.AggregateID, event.Payload)
	case SchemaChangeAnnounced, SchemaChangeDone:
		v.announce(link)
	case DeadLetterWaived:
		v.waive(link)
	}
	v.chains[event.Chain()] = state
}
