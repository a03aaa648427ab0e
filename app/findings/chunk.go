// Package findings derives what is wrong with the audit log from its entries,
// as they come.
package findings

import (
	"context"

	"helfy/domain"
)

// Chunk is a part of the log that is verified at once: all entries of one or
// more commits.
type Chunk struct {
	// Entries are in the order of their commitTs.
	Entries []domain.AuditEntry
	// Chains has the state of each chain that the entries touch and that is
	// known from earlier ones, Announcements what those left open.
	Chains        map[domain.Chain]domain.ChainState
	Announcements []domain.Announcement
}

// Verdict is what a chunk says. It depends on nothing but the chunk and the
// keys.
type Verdict struct {
	Findings      []domain.Finding
	Chains        map[domain.Chain]domain.ChainState
	Announcements []domain.Announcement
	// Waivers are those that the chunk has.
	Waivers []domain.Waived
}

// Progress is what one step has done.
type Progress struct {
	// New are the findings that were not there before.
	New []domain.Finding
	// More says that another step would find something to do.
	More bool
}

// Store keeps the log, its findings and how far it is verified.
type Store interface {
	// Advance lets judge work on the next chunk of the log, not beyond the
	// point up to which it is complete, and stores the verdict together with
	// how far it goes, all of it or nothing. judge may be called several
	// times. Several processes may call Advance: they take turns. An entry
	// that comes late makes verification begin anew; findings that it no
	// longer confirms are removed then.
	Advance(ctx context.Context, judge func(Chunk) Verdict) (Progress, error)
}

// Judge verifies a chunk.
func Judge(keyring *domain.Keyring, chunk Chunk) Verdict {
	verifier := domain.NewVerifier(keyring)
	for chain, state := range chunk.Chains {
		verifier.SetChain(chain, state)
	}
	verifier.SetAnnouncements(chunk.Announcements)
	var found []domain.Finding
	entries := chunk.Entries
	for len(entries) > 0 {
		size := 1
		for size < len(entries) && entries[size].CommitTs == entries[0].CommitTs {
			size++
		}
		found = append(found, verifier.Commit(entries[:size])...)
		entries = entries[size:]
	}
	return Verdict{Findings: found, Chains: verifier.Chains(), Announcements: verifier.Announcements(), Waivers: verifier.Waivers()}
}
