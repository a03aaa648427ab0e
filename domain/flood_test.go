package domain

import (
	"strings"
	"testing"
	"time"
)

func TestPastTheThresholdFailuresAreCounted(t *testing.T) {
	var flood Flood
	recorded := 0
	for i := range 10 {
		if flood.Take(noon.Add(time.Duration(i)*time.Second), WrongPassword, 4) {
			recorded++
		}
	}
	want := Flood{
		Recorded: 4, Counted: 6,
		From: noon.Add(4 * time.Second).Truncate(time.Microsecond), To: noon.Add(9 * time.Second).Truncate(time.Microsecond),
	}
	if recorded != 4 || flood != want {
		t.Errorf("%d recorded, %+v, want %+v", recorded, flood, want)
	}
}

func TestAFloodDoesNotHideAForgedCredential(t *testing.T) {
	var flood Flood
	for range 10 {
		flood.Take(noon, WrongPassword, 4)
	}
	if !flood.Take(noon, BadCredential, 4) {
		t.Error("the first one has no event")
	}
	if flood.Take(noon, BadCredential, 4) {
		t.Error("the second one has an event too: they are bounded")
	}
}

func TestTimesOfAFloodMayComeInAnyOrder(t *testing.T) {
	var flood Flood
	for _, offset := range []time.Duration{2, 0, 5, 1} {
		flood.Take(noon.Add(offset*time.Second), WrongPassword, -1)
	}
	if at := noon.Truncate(time.Microsecond); !flood.From.Equal(at) || !flood.To.Equal(at.Add(5*time.Second)) {
		t.Errorf("from %s to %s", flood.From, flood.To)
	}
}

func TestAThresholdOfZeroIsNeverPassed(t *testing.T) {
	var flood Flood
	for range 1000 {
		if !flood.Take(noon, WrongPassword, 0) {
			t.Fatal("not recorded")
		}
	}
}

func TestAFloodIsOneEventThatShowsNoName(t *testing.T) {
	keyring := newKeyring(t, keyA)
	flood := Flood{Recorded: 20, Counted: 7, From: noon, To: noon.Add(time.Second)}
	user := stored(newUser(t, keyring), keyring)
	user.RecordFlood(flood, Occurrence{EventID: "e2", At: noon})
	const members = `"reason":"flood","count":7,"from":"2026-01-02T12:00:00.123456789Z","to":"2026-01-02T12:00:01.123456789Z"}`
	if got, want := user.Pending().Events[0].Payload, `{"userId":7,"username":"alice",`+members; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	name := MaskName(keyring, "mallory")
	event, _ := RecordUnknownFlood(keyring, name.Chain, Head{}, flood, Occurrence{EventID: "e3", At: noon})
	if want := `{"username":"***",` + members; event.Payload != want || !keyring.VerifyEvent(event) {
		t.Errorf("got %s, want %s", event.Payload, want)
	}
	if strings.Contains(event.Payload, "ma") {
		t.Error("a name is shown")
	}
}
