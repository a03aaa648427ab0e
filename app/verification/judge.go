package verification

import (
	"cmp"
	"slices"
	"strings"

	"helfy/domain"
)

// maxFindings bounds the findings that are kept.
const maxFindings = 100_000

// Judge finds what is wrong with entries that come in the order of their
// commits, and sums them up. It is not safe for concurrent use.
type Judge struct {
	verifier *domain.Verifier
	digest   domain.Digest
	stops    []stop
	name     string
	ids      map[domain.UserID]bool
	findings []domain.Finding
	count    int64
	through  uint64
}

// stop is a moment at which somebody wants to know what the trail was.
type stop struct {
	watermark uint64
	look      func(domain.Seal) []domain.Finding
}

// NewJudge returns a judge at the beginning of the trail. Without a keyring
// it does not check MACs.
func NewJudge(keyring *domain.Keyring) *Judge {
	return &Judge{verifier: domain.NewVerifier(keyring), ids: map[domain.UserID]bool{}}
}

// Only lets the judge keep only findings of the users who ever had the name.
// It must be called before the first Commit.
func (j *Judge) Only(name string) { j.name = name }

// At calls look with what the trail is at a watermark: heads, entries and
// digest. What it returns are findings. It is not called if the trail ends
// before. It must be set before the watermark is passed.
func (j *Judge) At(watermark uint64, look func(domain.Seal) []domain.Finding) {
	j.stops = append(j.stops, stop{watermark, look})
}

// Commit judges all entries of one commitTs, in any order.
func (j *Judge) Commit(entries []domain.AuditEntry) {
	if len(entries) == 0 {
		return
	}
	slices.SortFunc(entries, func(a, b domain.AuditEntry) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.RowKey, b.RowKey))
	})
	commitTs := entries[0].CommitTs
	j.pass(commitTs - 1)
	for _, entry := range entries {
		j.digest.Add(entry)
		if entry.Username == j.name && entry.UserID != 0 && j.name != "" {
			j.ids[entry.UserID] = true
		}
	}
	j.through = commitTs
	j.Found(j.verifier.Commit(entries)...)
}

// Found adds findings of somebody else.
func (j *Judge) Found(findings ...domain.Finding) {
	j.count += int64(len(findings))
	j.findings = append(j.findings, findings[:min(len(findings), maxFindings-len(j.findings))]...)
}

// End says that there is no other entry up to the watermark.
func (j *Judge) End(through uint64) {
	j.pass(through)
	j.through = through
}

// pass calls whoever wants to know of a moment up to the watermark.
func (j *Judge) pass(through uint64) {
	var later []stop
	for _, s := range j.stops {
		if s.watermark > through {
			later = append(later, s)
			continue
		}
		j.Found(s.look(j.state(s.watermark))...)
	}
	j.stops = later
}

func (j *Judge) state(watermark uint64) domain.Seal {
	entries, digest := j.digest.Sum()
	return domain.Seal{Watermark: watermark, Heads: domain.SortedHeads(j.verifier.Chains()), Entries: entries, Digest: digest}
}

// Trail returns what the trail is at its end.
func (j *Judge) Trail() domain.Seal { return j.state(j.through) }

// Waivers returns the genuine waivers of dead letters that the trail has.
func (j *Judge) Waivers() []domain.Waived { return j.verifier.Waivers() }

// KnowsUser reports whether a user ever had the name given to Only.
func (j *Judge) KnowsUser() bool { return len(j.ids) > 0 }

// Findings returns what was found, in the order of commits, or of it what concerns the users given to
// Only. Of more than 100,000 findings the later ones are only counted, as
// dropped.
func (j *Judge) Findings() (findings []domain.Finding, dropped int64) {
	dropped = j.count - int64(len(j.findings))
	slices.SortStableFunc(j.findings, func(a, b domain.Finding) int { return cmp.Compare(a.CommitTs, b.CommitTs) })
	if j.name == "" {
		return j.findings, dropped
	}
	for _, finding := range j.findings {
		if j.ids[finding.UserID] {
			findings = append(findings, finding)
		}
	}
	return findings, dropped
}
