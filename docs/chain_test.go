package docs_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/service"
)

const chainSection = "The chain"

// keyOf returns the only line of a configuration's key file.
func keyOf(t *testing.T, config service.Config) string {
	t.Helper()
	text, err := os.ReadFile(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// exampleKey returns the key that the page's examples were sealed with.
func exampleKey(t *testing.T, p page) string {
	t.Helper()
	for _, text := range p.all("") {
		if len(text) == 2*domain.KeySize {
			return text
		}
	}
	t.Fatal("the page shows no key")
	return ""
}

// hash follows the page: it reads the label and the order of the columns from
// the list there and knows nothing of the domain.
func hash(t *testing.T, p page, key string, row map[string]string) string {
	t.Helper()
	secret, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	for i, item := range p.ordered[chainSection] {
		text := code(strings.TrimPrefix(item, "the label "))
		if i > 0 {
			value, ok := row[text]
			if !ok {
				t.Fatalf("the row has no column %q", text)
			}
			text = value
		}
		length := len(text)
		mac.Write([]byte{0, 0, 0, 0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)})
		mac.Write([]byte(text))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func keyID(t *testing.T, key string) string {
	t.Helper()
	secret, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append([]byte("helfy-key-id-v1\x00"), secret...))
	return hex.EncodeToString(sum[:8])
}

// checkChain verifies events as the page says, and that each follows the one
// before it where both are there.
func checkChain(t *testing.T, p page, key string, events []event) {
	t.Helper()
	if items := p.ordered[chainSection]; len(items) != 11 {
		t.Fatalf("the list is %v, want a label and ten columns", items)
	}
	hashes := map[string]string{}
	name := func(e event, seq uint64) string {
		return e.row["aggregatetype"] + "/" + e.row["aggregateid"] + "/" + strconv.FormatUint(seq, 10)
	}
	for _, e := range events {
		if got := hash(t, p, key, e.row); got != e.row["hash"] {
			t.Errorf("event %s: hash is %s, by the page %s", e.row["id"], e.row["hash"], got)
		}
		if got := keyID(t, key); got != e.row["key_id"] {
			t.Errorf("event %s: key is %s, by the page %s", e.row["id"], e.row["key_id"], got)
		}
		hashes[name(e, seqOf(t, e))] = e.row["hash"]
	}
	links := 0
	for _, e := range events {
		before, ok := hashes[name(e, seqOf(t, e)-1)]
		if ok {
			links++
		}
		if (ok || seqOf(t, e) == 1) && before != e.row["prev_hash"] {
			t.Errorf("event %s: prev_hash is %q, the event before has %q", e.row["id"], e.row["prev_hash"], before)
		}
	}
	if links == 0 {
		t.Error("no two events follow each other")
	}
}

func seqOf(t *testing.T, e event) uint64 {
	t.Helper()
	seq, err := strconv.ParseUint(e.row["seq"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestTheExamplesFormTheChainThatThePageDescribes(t *testing.T) {
	p := read(t, eventsPage)
	var events []event
	for _, text := range p.all("json message") {
		events = append(events, newEvent(t, decode(t, text)))
	}
	key := exampleKey(t, p)
	checkChain(t, p, key, events)
	events[0].row["payload"] += " "
	if hash(t, p, key, events[0].row) == events[0].row["hash"] {
		t.Error("another payload has the same hash")
	}
	keyring, err := domain.ReadKeyring(strings.NewReader(key))
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := keyring.Seal("any"); id != keyID(t, key) {
		t.Errorf("the service calls the key %s, the page %s", id, keyID(t, key))
	}
}
