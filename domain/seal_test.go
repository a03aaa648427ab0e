package domain

import (
	"strings"
	"testing"
)

func sealOf(tr *trail) Seal {
	verifier := NewVerifier(tr.keyring)
	var digest Digest
	for _, entries := range tr.commits {
		verifier.Commit(entries)
		for _, entry := range entries {
			digest.Add(entry)
		}
	}
	seal := Seal{Watermark: tr.commitTs, Heads: SortedHeads(verifier.Chains()), Topics: []SealedTopic{{"t", "id", []int64{5, 7}}}}
	seal.Entries, seal.Digest = digest.Sum()
	return seal
}

func TestHistoryAsItWasSealedHasNoMismatch(t *testing.T) {
	tr := newTrail(t)
	tr.commit(tr.fail()...)
	seal := sealOf(tr)
	if len(seal.Heads) != 1 || seal.Heads[0].Seq != 2 || seal.Entries != 4 || len(seal.Digest) != 64 {
		t.Fatalf("seal %+v", seal)
	}
	if found := seal.Mismatches(sealOf(tr)); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestEachDifferenceToASealIsNamed(t *testing.T) {
	other := Chain{AggregateType: "unknown", AggregateID: "3"}
	for name, c := range map[string]struct {
		bend func(*Seal)
		want string
		user UserID
	}{
		"chain gone":      {func(s *Seal) { s.Heads = nil }, "is gone", 7},
		"chain shorter":   {func(s *Seal) { s.Heads[0].Seq = 1 }, "ends at event 1, it was sealed with 2", 7},
		"chain longer":    {func(s *Seal) { s.Heads[0].Seq = 4 }, "events 3 to 4 that were not there", 7},
		"chain rewritten": {func(s *Seal) { s.Heads[0].Hash = "other" }, "event 2 has the hash other", 7},
		"chain added":     {func(s *Seal) { s.Heads = append(s.Heads, SealedHead{other, Head{1, "h"}}) }, "has no such chain", 0},
		"changes differ":  {func(s *Seal) { s.Digest = "other" }, "digest", 0},
		"entries differ":  {func(s *Seal) { s.Entries++ }, "4 entries", 0},
		"records gone":    {func(s *Seal) { s.Topics[0].NextOffsets = []int64{5, 6} }, "t[1] had records up to offset 6", 0},
		"partition gone":  {func(s *Seal) { s.Topics[0].NextOffsets = []int64{5} }, "t[1] had records up to offset 6", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			tr.commit(tr.fail()...)
			today := sealOf(tr)
			c.bend(&today)
			found := sealOf(tr).Mismatches(today)
			if len(found) != 1 || found[0].Kind != SealMismatch || !strings.Contains(found[0].Detail, c.want) || found[0].UserID != c.user {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestATopicThatWasMadeAnewCountsItsRecordsAnew(t *testing.T) {
	tr := newTrail(t)
	today := sealOf(tr)
	today.Topics[0].ID, today.Topics[0].NextOffsets = "another", []int64{0, 0}
	if found := sealOf(tr).Mismatches(today); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestADigestTellsEntriesApart(t *testing.T) {
	base := AuditEntry{CommitTs: 1, Table: "users", RowKey: "1", New: []byte("{}")}
	digests := map[string]bool{}
	for _, bend := range []func(*AuditEntry){
		func(*AuditEntry) {}, func(e *AuditEntry) { e.CommitTs++ }, func(e *AuditEntry) { e.Table, e.RowKey = "users1", "" },
		func(e *AuditEntry) { e.New = nil }, func(e *AuditEntry) { e.Old = []byte{} }, func(e *AuditEntry) { e.Old, e.New = e.New, nil },
		func(e *AuditEntry) { e.DDLType = "TRUNCATE" },
	} {
		entry := base
		bend(&entry)
		var digest Digest
		digest.Add(entry)
		_, sum := digest.Sum()
		digests[sum] = true
	}
	if len(digests) != 7 {
		t.Errorf("7 different entries have %d digests", len(digests))
	}
}
