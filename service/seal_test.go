package service_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// exportedLine is a record of an export.
type exportedLine struct {
	Offset    int64  `json:"offset"`
	Timestamp string `json:"timestamp"`
	Value     string `json:"value"`
}

// rewrite lets change look at every record of an export and take another
// value for it, or false to drop it. The manifest tells the new hashes.
func rewrite(t *testing.T, dir string, change func(topic string, line exportedLine) (value string, keep bool)) {
	t.Helper()
	path := filepath.Join(dir, "manifest.json")
	var manifest map[string]any
	if err := json.Unmarshal(readFile(t, path), &manifest); err != nil {
		t.Fatal(err)
	}
	for _, topic := range manifest["topics"].([]any) {
		name := topic.(map[string]any)["name"].(string)
		for _, partition := range topic.(map[string]any)["partitions"].([]any) {
			p := partition.(map[string]any)
			file := filepath.Join(dir, p["file"].(string))
			count := 0
			var out bytes.Buffer
			zipped := gzip.NewWriter(&out)
			for _, line := range unzip(t, file) {
				value, keep := change(name, line)
				if !keep {
					continue
				}
				count++
				line.Value = value
				text, err := json.Marshal(line)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Fprintf(zipped, "%s\n", text); err != nil {
					t.Fatal(err)
				}
			}
			if err := zipped.Close(); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(out.Bytes())
			p["count"], p["sha256"] = count, hex.EncodeToString(sum[:])
			writeFile(t, file, out.Bytes())
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, text)
}

func unzip(t *testing.T, path string) []exportedLine {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	var lines []exportedLine
	for decoder := json.NewDecoder(zipped); decoder.More(); {
		var line exportedLine
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// isAlices reports whether a record is alice's event of a seq. Her id is 2.
func isAlices(value string, seq int) bool {
	return strings.Contains(value, `"aggregateid":"2"`) && strings.Contains(value, `"aggregatetype":"user"`) &&
		strings.Contains(value, `"seq":"`+strconv.Itoa(seq)+`"`)
}

func TestWhatIsBentInAnExportIsNamedWithItsOffset(t *testing.T) {
	config, _ := busy(t)
	for name, c := range map[string]struct {
		change func(value string) (string, bool)
		kinds  string
		fault  string // its reason
	}{
		"nothing": {func(value string) (string, bool) { return value, true }, "", ""},
		"payload edited": {func(value string) (string, bool) {
			return strings.Replace(value, `\"alice\"`, `\"malice\"`, 1), true
		}, "bad-mac chain-gap event-without-change unattributed-change", ""},
		"seq changed": {func(value string) (string, bool) {
			return strings.Replace(value, `"seq":"2"`, `"seq":"3"`, 1), true
		}, "bad-mac chain-gap event-without-change unattributed-change", ""},
		"message dropped": {func(string) (string, bool) { return "", false }, "chain-gap unattributed-change", "the record is missing"},
		"message cut":     {func(value string) (string, bool) { return value[:40], true }, "chain-gap unattributed-change", "canal-json"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := export(t, config)
			bentAt := int64(-1)
			rewrite(t, dir, func(topic string, line exportedLine) (string, bool) {
				if topic != config.EventsTopic || !isAlices(line.Value, 2) {
					return line.Value, true
				}
				bentAt = line.Offset
				return c.change(line.Value)
			})
			report := verify(t, config, "--from", dir)
			if got := strings.Join(report.kinds(), " "); got != c.kinds {
				t.Errorf("kinds %q, want %q: %+v", got, c.kinds, report.Findings)
			}
			found := false
			for _, f := range report.Findings {
				found = found || f.Topic == config.EventsTopic && f.Offset == bentAt
			}
			for _, f := range report.Faults {
				found = found || f.Topic == config.EventsTopic && f.Offset == bentAt && strings.HasPrefix(f.Reason, c.fault)
			}
			if found != (name != "nothing") || bentAt < 0 {
				t.Errorf("offset %d is not named: %+v", bentAt, report)
			}
		})
	}
}

// seal makes keys and a seal and returns the flags that compare with it.
func seal(t *testing.T, config service.Config, from string) []string {
	t.Helper()
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key"), filepath.Join(dir, "seal.json")
	if code, _, stderr := helfy(t, config, "key", "create-seal", key); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := helfy(t, config, "audit", "seal", "--from", from, "--key", key, "--out", file); code != 0 {
		t.Fatal(stderr)
	}
	return []string{"--seal", file, "--public-key", key + ".pub"}
}

func TestASealHoldsWhileHistoryGrows(t *testing.T) {
	config, client := busy(t)
	for _, from := range []string{"kafka", "table"} {
		flags := seal(t, config, from)
		use(t, client)
		for _, other := range []string{"kafka", "table", export(t, config)} {
			requireClean(t, config, append(flags, "--from", other)...)
		}
	}
}

func TestASealIsNotBelievedWithoutItsKey(t *testing.T) {
	config, _ := busy(t)
	flags := seal(t, config, "kafka")
	other := seal(t, config, "kafka")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"another key":  {[]string{flags[0], flags[1], other[2], other[3]}, "signature"},
		"no key":       {flags[:2], "--public-key"},
		"no seal":      {flags[2:], "--seal"},
		"for one user": {append(flags, "--user", "alice"), "one user"},
	} {
		if code, _, stderr := helfy(t, config, append([]string{"audit", "verify"}, c.args...)...); code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
	if code, _, stderr := helfy(t, config, "audit", "seal", "--key", flags[3], "--out", filepath.Join(t.TempDir(), "x")); code != 1 {
		t.Errorf("a seal without a private key: exit code %d, %s", code, stderr)
	}
}

func TestASealOfLaterThanTheHistoryIsAMismatch(t *testing.T) {
	config, client := busy(t)
	dir := export(t, config)
	use(t, client)
	report := requireOutcome(t, config, []string{"seal-mismatch"}, append(seal(t, config, "kafka"), "--from", dir)...)
	if !strings.Contains(report.Findings[0].Detail, "before the seal's watermark") {
		t.Errorf("finding %+v", report.Findings)
	}
}

// Whoever has the key that seals events can write another history that is
// whole in itself.
func TestASealShowsHistoryThatAKeyHolderRewrote(t *testing.T) {
	config, _ := busy(t)
	flags := seal(t, config, "kafka")
	dir := export(t, config)
	forgeChain(t, config, dir)
	requireClean(t, config, "--from", dir)
	report := requireOutcome(t, config, []string{"seal-mismatch", "seal-mismatch"}, append(flags, "--from", dir)...)
	if f := report.Findings[0]; f.UserID != 2 || f.RowKey != "user/2" || !strings.Contains(report.Findings[1].Detail, "digest") {
		t.Errorf("findings %+v", report.Findings)
	}
}

// forgeChain rewrites alice's second event, and after it all links and hashes.
func forgeChain(t *testing.T, config service.Config, dir string) {
	t.Helper()
	keyring, err := stack.Keyring(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	events := map[uint64]domain.Event{}
	each := func(change func(*canaljson.Change)) {
		rewrite(t, dir, func(_ string, line exportedLine) (string, bool) {
			message, err := canaljson.Decode([]byte(line.Value))
			if err != nil {
				t.Fatal(err)
			}
			if row, ok := message.(*canaljson.Change); ok {
				change(row)
			}
			value, err := canaljson.Encode(message)
			if err != nil {
				t.Fatal(err)
			}
			return string(value), true
		})
	}
	each(func(c *canaljson.Change) {
		if event := eventOf(t, c); event.Chain() == (domain.Chain{AggregateType: "user", AggregateID: "2"}) {
			events[event.Seq] = event
		}
	})
	// The old hashes and payloads, and what stands in their place.
	forged := map[string]string{}
	head := domain.Head{}
	for seq := uint64(1); seq <= uint64(len(events)); seq++ {
		event := events[seq]
		old := event
		if seq == 2 {
			event.Payload = strings.Replace(event.Payload, "alice", "ALICE", 1)
			forged[old.Payload] = event.Payload
		}
		event, head = keyring.Append(head, event)
		forged[old.Hash] = event.Hash
	}
	each(func(c *canaljson.Change) {
		for _, row := range []canaljson.Row{c.Old, c.New} {
			for i, cell := range row {
				if by, ok := forged[cell.Text]; ok {
					row[i].Text = by
				}
			}
		}
	})
}

// eventOf reads an outbox row; that of a users row has no chain.
func eventOf(t *testing.T, c *canaljson.Change) domain.Event {
	t.Helper()
	if c.Table != "outbox" {
		return domain.Event{}
	}
	row, err := c.New.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	seq, _ := c.New.Get("seq")
	number, err := strconv.ParseUint(seq.Text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	event, err := domain.AuditEntry{New: row, Seq: number}.Event()
	if err != nil {
		t.Fatal(err)
	}
	return event
}
