package cli

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"helfy/app/projection"
	"helfy/domain"
)

// deadLetterLine is a dead letter as it is printed in JSON.
type deadLetterLine struct {
	Projection string                     `json:"projection"`
	Generation int                        `json:"generation"`
	Topic      string                     `json:"topic"`
	TopicID    string                     `json:"topicId"`
	Partition  int32                      `json:"partition"`
	Offset     int64                      `json:"offset"`
	State      projection.DeadLetterState `json:"state"`
	Reason     string                     `json:"reason"`
	Size       int64                      `json:"size"`
	Digest     string                     `json:"digest"`
	SentAt     *time.Time                 `json:"sentAt"`
	SeenAt     *time.Time                 `json:"seenAt"`
	Waiver     *waiverLine                `json:"waiver,omitempty"`
}

type waiverLine struct {
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	EventID     string    `json:"eventId"`
	CommittedAt time.Time `json:"committedAt"`
}

func newDeadLetterLine(d projection.DeadLetter) deadLetterLine {
	line := deadLetterLine{
		Projection: d.Projection, Generation: d.Generation, Topic: d.Topic, TopicID: d.TopicID, Partition: d.Partition, Offset: d.Offset,
		State: d.State(), Reason: d.Reason, Size: d.Size, Digest: d.Digest,
	}
	if !d.InKafkaAt.IsZero() {
		line.SentAt = &d.InKafkaAt
	}
	if !d.SeenAt.IsZero() {
		line.SeenAt = &d.SeenAt
	}
	if w := d.Waived; w != nil {
		line.Waiver = &waiverLine{Reason: w.Reason, By: w.By, EventID: w.EventID, CommittedAt: domain.TimeOfTSO(w.CommitTs)}
	}
	return line
}

// shownDeadLetter has the bytes too.
type shownDeadLetter struct {
	deadLetterLine
	Altered bool   `json:"altered"`
	Value   []byte `json:"value"`
}

func newShownDeadLetter(d projection.DeadLetter) shownDeadLetter {
	return shownDeadLetter{deadLetterLine: newDeadLetterLine(d), Altered: d.Altered(), Value: d.Value}
}

// printDeadLetter prints what is known of a dead letter, and the first of its
// bytes below; limit 0 means all.
func printDeadLetter(w io.Writer, d projection.DeadLetter, as string, limit int) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\nprojection  %s, generation %d\nstate       %s\nreason      %s\nsent        %s\nsize        %d bytes\ndigest      %s\n",
		d.Place, d.Projection, d.Generation, d.State(), printable(d.Reason), sentAt(d), d.Size, d.Digest)
	if !d.SeenAt.IsZero() {
		fmt.Fprintf(&text, "seen        %s\n", d.SeenAt.Format(time.RFC3339))
	}
	if waived := d.Waived; waived != nil {
		fmt.Fprintf(&text, "waived      by %s, %s: %s\n", printable(waived.By),
			domain.TimeOfTSO(waived.CommitTs).Format(time.RFC3339), printable(waived.Reason))
	}
	if d.Altered() {
		text.WriteString("warning     the bytes below are not those of the digest: somebody has changed them in the table\n")
	}
	shown := d.Value
	if limit > 0 && len(shown) > limit {
		shown = shown[:limit]
	}
	text.WriteString("\n" + render(shown, as) + "\n")
	if missing := d.Size - int64(len(shown)); missing > 0 {
		fmt.Fprintf(&text, "... and %d bytes more, of which %d are kept\n", missing, len(d.Value)-len(shown))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// render writes bytes so that a terminal takes nothing in them for a command.
func render(value []byte, as string) string {
	if as == "auto" {
		as = "hex"
		if utf8.Valid(trimRune(value)) {
			as = "text"
		}
	}
	switch as {
	case "base64":
		return base64.StdEncoding.EncodeToString(value)
	case "hex":
		return strings.TrimSuffix(hex.Dump(value), "\n")
	default:
		return escape(string(value))
	}
}

// trimRune removes the beginning of a character that was cut off.
func trimRune(value []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(value); cut++ {
		if tail := value[len(value)-cut:]; utf8.RuneStart(tail[0]) && !utf8.FullRune(tail) {
			return value[:len(value)-cut]
		}
	}
	return value
}

// escape writes what is not to be shown as Go does in quotes; line ends stay.
func escape(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		quoted := strconv.QuoteToGraphic(line)
		lines[i] = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	}
	return strings.Join(lines, "\n")
}

func sentAt(d projection.DeadLetter) string {
	if d.InKafkaAt.IsZero() {
		return "-"
	}
	return d.InKafkaAt.Format(time.RFC3339)
}

// shorten cuts a text to so many characters.
func shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
