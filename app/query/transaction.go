package query

import (
	"context"
	"errors"

	"helfy/domain"
)

// ErrNoTransaction says that the log has no entry of a commitTs.
var ErrNoTransaction = errors.New("no such transaction in the log")

// MAC says whether an event is sealed.
type MAC string

// What the MAC of an event can be.
const (
	// MACValid: a holder of the key has sealed it as it is.
	MACValid MAC = "valid"
	// MACInvalid: nobody has.
	MACInvalid MAC = "invalid"
	// MACUnknownKey: the key is not at hand.
	MACUnknownKey MAC = "unknown-key"
)

// TransactionEntry is an entry of a transaction.
type TransactionEntry struct {
	domain.AuditEntry
	// Event and MAC are those of an entry of source SourceEvent. Of a row that
	// was written by hand, Event has what can be understood.
	Event *domain.Event
	MAC   MAC
}

// Transaction is what is known of a commitTs. Two transactions can share one.
type Transaction struct {
	Entries []TransactionEntry
	// Findings are what is wrong with its entries.
	Findings []Finding
}

// ShowTransaction reads all entries of one commitTs. It is safe for
// concurrent use.
type ShowTransaction struct {
	Log      AuditLog
	Findings Findings
	Keyring  *domain.Keyring
}

// Handle returns what is known of a commitTs, at most MaxAuditPage entries and
// findings, or ErrNoTransaction.
func (s ShowTransaction) Handle(ctx context.Context, commitTs uint64) (transaction Transaction, err error) {
	entries, err := s.Log.Transaction(ctx, commitTs, MaxAuditPage)
	if err == nil && len(entries) == 0 {
		err = ErrNoTransaction
	}
	if err != nil {
		return transaction, err
	}
	transaction.Entries = make([]TransactionEntry, len(entries))
	for i, entry := range entries {
		transaction.Entries[i] = s.check(entry)
	}
	transaction.Findings, err = s.Findings.Findings(ctx, FindingFilter{CommitTs: commitTs}, nil, MaxAuditPage)
	return transaction, err
}

func (s ShowTransaction) check(entry domain.AuditEntry) TransactionEntry {
	if entry.Source != domain.SourceEvent {
		return TransactionEntry{AuditEntry: entry}
	}
	event, err := entry.Event()
	mac := MACInvalid
	switch {
	case err == nil && s.Keyring.VerifyEvent(event):
		mac = MACValid
	case err == nil && !s.Keyring.Has(event.KeyID):
		mac = MACUnknownKey
	}
	return TransactionEntry{AuditEntry: entry, Event: &event, MAC: mac}
}
