package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// Seal says what the trail was at a watermark, so that it can be held up
// against the history that is shown later.
type Seal struct {
	Database string
	// Watermark is the TSO through which it speaks.
	Watermark uint64
	Topics    []SealedTopic
	// Heads are the ends of all chains, by name. The chain of a user who was
	// deleted stays.
	Heads []SealedHead
	// Entries counts the audit entries up to the watermark, and Digest is
	// that of Digest over them: the chains know nothing of the changed rows.
	Entries uint64
	Digest  string
}

// SealedTopic is a topic as it was when it was sealed.
type SealedTopic struct {
	Name string
	// ID is Kafka's; a topic that is made anew has another one.
	ID string
	// NextOffsets has the offset behind the last record of each partition.
	NextOffsets []int64
}

// SealedHead is the end of a chain.
type SealedHead struct {
	Chain
	Head
}

// SortedHeads returns the ends of chains as a seal has them.
func SortedHeads(chains map[Chain]ChainState) []SealedHead {
	heads := make([]SealedHead, 0, len(chains))
	for chain, state := range chains {
		if state.Head != (Head{}) {
			heads = append(heads, SealedHead{chain, state.Head})
		}
	}
	slices.SortFunc(heads, func(a, b SealedHead) int { return a.Compare(b.Chain) })
	return heads
}

// Compare orders chains by aggregate type and id, as text.
func (c Chain) Compare(other Chain) int {
	return cmp.Or(strings.Compare(c.AggregateType, other.AggregateType), strings.Compare(c.AggregateID, other.AggregateID))
}

// Mismatches holds the seal up against another one that was made of today's
// history at the same watermark. Every difference is a finding.
func (s Seal) Mismatches(today Seal) []Finding {
	heads := make(map[Chain]Head, len(today.Heads))
	for _, head := range today.Heads {
		heads[head.Chain] = head.Head
	}
	var findings []Finding
	for _, sealed := range s.Heads {
		if detail := sealed.mismatch(heads[sealed.Chain]); detail != "" {
			findings = append(findings, s.finding(sealed.Chain, detail))
		}
		delete(heads, sealed.Chain)
	}
	for _, extra := range today.Heads {
		if head, ok := heads[extra.Chain]; ok {
			findings = append(findings, s.finding(extra.Chain, fmt.Sprintf("the seal has no such chain, the history has %d events", head.Seq)))
		}
	}
	if s.Entries != today.Entries || s.Digest != today.Digest {
		findings = append(findings, s.finding(Chain{}, fmt.Sprintf("the seal is of %d entries with digest %s, the history has %d with %s",
			s.Entries, s.Digest, today.Entries, today.Digest)))
	}
	return append(findings, s.shortened(today)...)
}

// mismatch says how the end of a chain differs, empty if it does not.
func (h SealedHead) mismatch(today Head) string {
	switch {
	case today == (Head{}):
		return fmt.Sprintf("the chain of %d events is gone", h.Seq)
	case today.Seq < h.Seq:
		return fmt.Sprintf("the chain ends at event %d, it was sealed with %d", today.Seq, h.Seq)
	case today.Seq > h.Seq:
		return fmt.Sprintf("the chain has events %d to %d that were not there when it was sealed", h.Seq+1, today.Seq)
	case today.Hash != h.Hash:
		return fmt.Sprintf("event %d has the hash %s, it was sealed with %s", h.Seq, today.Hash, h.Hash)
	default:
		return ""
	}
}

// shortened finds partitions that have fewer records. A topic that was made
// anew counts its records anew.
func (s Seal) shortened(today Seal) []Finding {
	var findings []Finding
	for _, topic := range s.Topics {
		for _, other := range today.Topics {
			if topic.Name != other.Name || topic.ID != other.ID {
				continue
			}
			for partition, next := range topic.NextOffsets {
				if partition >= len(other.NextOffsets) || other.NextOffsets[partition] < next {
					found := s.finding(Chain{}, fmt.Sprintf("%s[%d] had records up to offset %d when it was sealed", topic.Name, partition, next-1))
					found.Topic, found.Partition, found.Offset = topic.Name, int32(partition), next-1
					findings = append(findings, found)
				}
			}
		}
	}
	return findings
}

// OutOfReach is the finding for a history that ends before the watermark.
func (s Seal) OutOfReach(through uint64) Finding {
	return s.finding(Chain{}, fmt.Sprintf("the history ends at commitTs %d, before the seal's watermark: it cannot be compared", through))
}

func (s Seal) finding(chain Chain, detail string) Finding {
	found := Finding{Kind: SealMismatch, CommitTs: s.Watermark, Table: outboxTable, Detail: detail}
	if chain != (Chain{}) {
		found.RowKey, found.Detail = chain.String(), chain.String()+": "+detail
	}
	if id, ok := chain.UserID(); ok {
		found.UserID = id
	}
	return found
}

// outboxTable is the fed table of the events.
const outboxTable = "outbox"

// Digest sums up entries in the order of their commits, tables and keys. Its
// zero value is ready for use.
type Digest struct {
	count uint64
	sum   hash.Hash
}

// Add adds an entry.
func (d *Digest) Add(e AuditEntry) {
	if d.sum == nil {
		d.sum = sha256.New()
		writeFields(d.sum, "helfy-trail-v1")
	}
	d.count++
	writeFields(d.sum, strconv.FormatUint(e.CommitTs, 10), e.Table, e.RowKey, e.DDLType, optional(e.Old), optional(e.New))
}

// Sum returns how many entries were added and the SHA-256 of them, in hex,
// empty for none.
func (d *Digest) Sum() (entries uint64, digest string) {
	if d.sum == nil {
		return 0, ""
	}
	return d.count, hex.EncodeToString(d.sum.Sum(nil))
}

// optional tells no row from an empty one.
func optional(row []byte) string {
	if row == nil {
		return ""
	}
	return "+" + string(row)
}
