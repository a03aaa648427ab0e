package domain

import (
	"strings"
	"testing"
)

func newWaiver() Waiver {
	return Waiver{
		Projections: []string{"audit"}, Topic: "user-events", TopicID: "00000000-0000-0000-0000-000000000001", Partition: 2, Offset: 9,
		Digest: strings.Repeat("0a", 32), Reason: "written by a test", By: "Alice",
	}
}

func TestAWaiverNamesWhatIsWrongWithIt(t *testing.T) {
	if err := newWaiver().Check(); err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]func(*Waiver){
		"projections: 0":     func(w *Waiver) { w.Projections = nil },
		"projections: 17":    func(w *Waiver) { w.Projections = make([]string, 17) },
		"projections: must":  func(w *Waiver) { w.Projections = []string{""} },
		"projections: 33":    func(w *Waiver) { w.Projections = []string{strings.Repeat("p", 33)} },
		"topic: must":        func(w *Waiver) { w.Topic = "" },
		"topic: 250":         func(w *Waiver) { w.Topic = strings.Repeat("t", 250) },
		"topicId: must":      func(w *Waiver) { w.TopicID = "" },
		"partition":          func(w *Waiver) { w.Partition = -1 },
		"offset":             func(w *Waiver) { w.Offset = -1 },
		"digest: must":       func(w *Waiver) { w.Digest = strings.Repeat("0A", 32) },
		"reason: must":       func(w *Waiver) { w.Reason = " \u00a0" },
		"reason: 501":        func(w *Waiver) { w.Reason = strings.Repeat("ü", 501) },
		"reason: must be on": func(w *Waiver) { w.Reason = "one\x1b[2Jline" },
		"by: must not":       func(w *Waiver) { w.By = "" },
		"by: 65":             func(w *Waiver) { w.By = strings.Repeat("b", 65) },
		"by: must be one":    func(w *Waiver) { w.By = "\xff" },
	} {
		waiver := newWaiver()
		bend(&waiver)
		if err := waiver.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error that has %q, got %v", name, err)
		}
	}
}

// waivers returns those of a trail to which an event was added.
func (tr *trail) waivers(keyring *Keyring, event Event) []Waived {
	tr.commit(tr.event(event))
	verifier := NewVerifier(keyring)
	for _, entries := range tr.commits {
		verifier.Commit(entries)
	}
	return verifier.Waivers()
}

func TestASealedWaiverCounts(t *testing.T) {
	tr := newTrail(t)
	event, _ := WaiveDeadLetter(tr.keyring, Head{}, newWaiver(), Occurrence{EventID: "w", At: noon})
	got := tr.waivers(tr.keyring, event)
	if len(got) != 1 || got[0].EventID != "w" || got[0].CommitTs != tr.commitTs || marshal(got[0].Waiver) != marshal(newWaiver()) {
		t.Errorf("got %+v", got)
	}
}

func TestAWaiverDoesNotCount(t *testing.T) {
	for name, bend := range map[string]func(*trail, *Event) *Keyring{
		"changed by hand": func(tr *trail, e *Event) *Keyring {
			e.Payload = strings.Replace(e.Payload, `"offset":9`, `"offset":8`, 1)
			return tr.keyring
		},
		"sealed with a key that is not at hand": func(tr *trail, _ *Event) *Keyring { return newKeyring(tr.t, keyB) },
		"that cannot be checked":                func(*trail, *Event) *Keyring { return nil },
		"in another chain": func(tr *trail, e *Event) *Keyring {
			e.AggregateID = "other"
			*e, _ = tr.keyring.Append(Head{}, *e)
			return tr.keyring
		},
		"of another form": func(tr *trail, e *Event) *Keyring {
			e.Payload = `{"topic":7}`
			*e, _ = tr.keyring.Append(Head{}, *e)
			return tr.keyring
		},
		"without a reason": func(tr *trail, e *Event) *Keyring {
			e.Payload = strings.Replace(e.Payload, `"written by a test"`, `""`, 1)
			*e, _ = tr.keyring.Append(Head{}, *e)
			return tr.keyring
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			event, _ := WaiveDeadLetter(tr.keyring, Head{}, newWaiver(), Occurrence{EventID: "w", At: noon})
			keyring := bend(tr, &event)
			if got := tr.waivers(keyring, event); len(got) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}
