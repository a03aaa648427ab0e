package cli

import (
	"fmt"
	"strings"
	"time"
)

// print writes the report for people: a line for each finding and each fault,
// then the sum.
func (r report) print(s session) error {
	var text strings.Builder
	for _, f := range r.found {
		if err := printFinding(&text, f); err != nil {
			return err
		}
	}
	if r.MoreFindings > 0 {
		fmt.Fprintf(&text, "... and %d findings more\n", r.MoreFindings)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(&text, "not judged: %s[%d]@%d: %s\n", f.Topic, f.Partition, f.Offset, printable(f.Reason))
	}
	if more := r.FaultCount - int64(len(r.Faults)); more > 0 {
		fmt.Fprintf(&text, "... and %d records more that could not be judged\n", more)
	}
	for _, w := range r.Waived {
		fmt.Fprintf(&text, "waived: %s[%d]@%d: %s (by %s: %s)\n", w.Topic, w.Partition, w.Offset, printable(w.Reason), printable(w.By), printable(w.Waiver))
	}
	fmt.Fprintf(&text, "read              %d records from %s, %d entries", r.Records, r.Source, r.Entries)
	if r.Repeats > 0 {
		fmt.Fprintf(&text, ", %d repeats", r.Repeats)
	}
	fmt.Fprintf(&text, "\nverified through  %s (commitTs %s)", r.VerifiedThrough.Format(time.RFC3339Nano), r.Watermark)
	if r.NotJudged > 0 {
		fmt.Fprintf(&text, "; %d later entries are beyond the last watermark", r.NotJudged)
	}
	fmt.Fprintf(&text, "\nheads             %d chains\ndigest            %s\n", len(r.Heads), r.Digest)
	fmt.Fprintf(&text, "findings          %d\nnot judged        %d records\n", int64(len(r.Findings))+r.MoreFindings, r.FaultCount)
	if len(r.Waived) > 0 {
		fmt.Fprintf(&text, "waived            %d records\n", len(r.Waived))
	}
	for _, gap := range r.Gaps {
		from := "the beginning"
		if gap.From != nil {
			from = gap.From.Format(time.RFC3339Nano)
		}
		fmt.Fprintf(&text, "gap               from %s to %s no changefeed has sent anything\n", from, gap.To.Format(time.RFC3339Nano))
	}
	for _, line := range r.Proves {
		fmt.Fprintf(&text, "%s\n", line)
	}
	_, err := s.stdout.Write([]byte(text.String()))
	return err
}
