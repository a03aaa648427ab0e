package cli

import (
	"strconv"
	"time"

	"helfy/app/query"
	"helfy/app/verification"
	"helfy/domain"
)

// report is a verification's outcome as it is printed in JSON.
type report struct {
	Source          string        `json:"source"`
	Database        string        `json:"database"`
	User            string        `json:"user,omitempty"`
	Clean           bool          `json:"clean"`
	VerifiedThrough time.Time     `json:"verifiedThrough"`
	Watermark       string        `json:"watermark"`
	MACsChecked     bool          `json:"macsChecked"`
	SealChecked     bool          `json:"sealChecked"`
	Records         int64         `json:"records"`
	Entries         int64         `json:"entries"`
	Repeats         int64         `json:"repeats"`
	NotJudged       int64         `json:"notJudged"`
	Digest          string        `json:"digest"`
	Heads           []chain       `json:"heads"`
	Findings        []findingLine `json:"findings"`
	MoreFindings    int64         `json:"moreFindings"`
	Faults          []fault       `json:"faults"`
	FaultCount      int64         `json:"faultCount"`
	Waived          []waivedFault `json:"waived,omitempty"`
	Gaps            []query.Gap   `json:"gaps,omitempty"`
	found           []domain.Finding
	Proves          []string `json:"proves"`
}

type chain struct {
	AggregateType string `json:"aggregatetype"`
	AggregateID   string `json:"aggregateid"`
	Seq           uint64 `json:"seq"`
	Hash          string `json:"hash"`
}

type fault struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Reason    string `json:"reason"`
}

// waivedFault is a fault that somebody answers for.
type waivedFault struct {
	fault
	By     string `json:"by"`
	Waiver string `json:"waiver"`
}

func newReport(r verification.Report, user string, sealed bool) report {
	out := report{
		Source: string(r.Source), Database: r.Database, User: user, Clean: r.Clean(),
		VerifiedThrough: domain.TimeOfTSO(r.Through), Watermark: strconv.FormatUint(r.Through, 10),
		MACsChecked: r.WithKey, SealChecked: sealed, Records: r.Records, Entries: r.Entries, Repeats: r.Repeats, NotJudged: r.Above,
		Digest: r.Trail.Digest, MoreFindings: r.Dropped, FaultCount: r.FaultCount, Gaps: r.Gaps, Proves: proves(r, sealed), found: r.Findings,
		Heads: []chain{}, Findings: []findingLine{}, Faults: []fault{},
	}
	for _, head := range r.Trail.Heads {
		out.Heads = append(out.Heads, chain{head.AggregateType, head.AggregateID, head.Seq, head.Hash})
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, newFindingLine(f))
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, fault{f.Topic, f.Partition, f.Offset, f.Reason})
	}
	for _, w := range r.Waived {
		out.Waived = append(out.Waived, waivedFault{fault{w.Topic, w.Partition, w.Offset, w.Reason}, w.Waiver.By, w.Waiver.Reason})
	}
	return out
}

// proves says what the outcome means, and what it does not.
func proves(r verification.Report, sealed bool) []string {
	var lines []string
	but := ""
	if !r.Clean() {
		but = ", but for what is named above"
	}
	if r.WithKey {
		lines = append(lines, "Proves, up to the time above"+but+": every event was sealed by a holder of the key and none is missing within a chain; "+
			"every change of a user has its events; every schema change was announced.")
	} else {
		lines = append(lines, "MACs were NOT checked, as there is no HELFY_KEY_FILE: shown is only that the events of each chain follow each other "+
			"and that every change has its events. Whoever could write here could have made all of it up.")
	}
	switch r.Source {
	case verification.SourceTable:
		lines = append(lines, "This reads what the projection stored, and the outbox rows, heads, credentials and sessions beside it. "+
			"It does not prove that Kafka says the same: --from kafka does.")
	case verification.SourceKafka:
		lines = append(lines, "This reads Kafka alone. It does not see edits of outbox rows, credentials and sessions in the database: --from table does.")
	case verification.SourceFolder:
		lines = append(lines, "This reads the export alone: its manifest shows accidents, but whoever can write the folder can write the manifest too. "+
			"It does not see the database or what Kafka has now.")
	}
	if sealed {
		return append(lines, "Compared with the seal, the history up to the seal's watermark is what it was when it was sealed, unless a seal-mismatch is named above. "+
			"What came later is protected by the key alone.")
	}
	return append(lines, "It does not prove that a holder of the key has not rewritten history, nor that nothing was cut off at the end: "+
		"a seal that was kept elsewhere does (--seal).")
}
