package notification

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helfy/app/projection"
	"helfy/domain"
)

// history is of a user who signs in from here and there, and is deleted.
func history() []projection.Notable {
	var events []projection.Notable
	for i, from := range []struct{ ip, device string }{
		{"192.0.2.1", "curl"}, {"192.0.2.2", "curl"}, {"198.51.100.1", "curl"}, {"198.51.100.1", "Firefox on Linux"}, {"192.0.2.1", "curl"}, {"", "unknown"},
	} {
		events = append(events, projection.Notable{
			EventID: fmt.Sprint("event", i), CommitTs: uint64(i + 1), Type: domain.LoginSuccess, UserID: 1, Username: "alice", IP: from.ip, Device: from.device,
		})
	}
	return append(events,
		projection.Notable{EventID: "locked", CommitTs: 7, Type: domain.UserLocked, UserID: 1, Username: "alice", Failures: 3},
		projection.Notable{EventID: "deleted", CommitTs: 8, Type: domain.UserDeleted, UserID: 1},
		projection.Notable{EventID: "again", CommitTs: 9, Type: domain.LoginSuccess, UserID: 1, IP: "203.0.113.1", Device: "curl"},
	)
}

// idsOf returns the ids of the notifications that messages make.
func idsOf(t *testing.T, messages []Message) (all []string) {
	t.Helper()
	for _, message := range messages {
		notification, err := message.To(Webhook)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, notification.ID)
	}
	return all
}

func eventsOf(messages []Message) (all []string) {
	for _, message := range messages {
		all = append(all, message.Data.EventID)
	}
	return all
}

func TestOnlyWhatIsNewIsToldOf(t *testing.T) {
	decision := Decide(Places{}, 0, history())
	if got, want := eventsOf(decision.Messages), []string{"event2", "event3", "event5", "locked"}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
	if got := decision.Messages[0].Data.New; !slices.Equal(got, []PlaceKind{Network}) {
		t.Errorf("new are %v", got)
	}
	want := []Place{{1, Network, "203.0.113.0/24"}, {1, Device, "curl"}}
	if !reflect.DeepEqual(decision.Learned, want) || !slices.Equal(decision.Forgotten, []domain.UserID{1}) {
		t.Errorf("learned %v and forgot %v", decision.Learned, decision.Forgotten)
	}
}

func TestWhatWasCommittedBeforeIsLearnedOnly(t *testing.T) {
	decision := Decide(Places{}, 3, history()[:6])
	if got, want := eventsOf(decision.Messages), []string{"event3", "event5"}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
}

// However the topic is cut into flushes, and whatever comes again, the
// notifications are the same.
func TestRepeatsTellNothingElse(t *testing.T) {
	events := history()[:7]
	want := idsOf(t, Decide(Places{}, 0, events).Messages)
	for from := range events {
		for to := from + 1; to <= len(events); to++ {
			known := Places{}
			told := idsOf(t, Decide(known, 0, events[:to]).Messages)
			told = append(told, idsOf(t, Decide(known, 0, events[from:]).Messages)...)
			slices.Sort(told)
			unique := slices.Compact(told)
			sorted := slices.Sorted(slices.Values(want))
			if !slices.Equal(unique, sorted) {
				t.Errorf("events to %d and again from %d: told are %v, want %v", to, from, unique, sorted)
			}
		}
	}
}

func TestANotificationHasTheSameIdWheneverItIsMade(t *testing.T) {
	finding := domain.Finding{Kind: domain.BadMAC, CommitTs: 7, Table: "outbox", RowKey: "x", Detail: "one"}
	first, err := OfFinding(finding).To(Mail)
	if err != nil {
		t.Fatal(err)
	}
	// What a rebuild may find otherwise is not what it is.
	finding.Topic, finding.Offset, finding.Detail = "t", 9, "another"
	if again, err := OfFinding(finding).To(Mail); err != nil || again.ID != first.ID {
		t.Errorf("got %s and %s, %v", first.ID, again.ID, err)
	}
	for name, other := range map[string]domain.Finding{
		"kind": {Kind: domain.ChainGap, CommitTs: 7, Table: "outbox", RowKey: "x"}, "commit": {Kind: domain.BadMAC, CommitTs: 8, Table: "outbox", RowKey: "x"},
		"table": {Kind: domain.BadMAC, CommitTs: 7, Table: "users", RowKey: "x"}, "row": {Kind: domain.BadMAC, CommitTs: 7, Table: "outbox", RowKey: "y"},
	} {
		if got, err := OfFinding(other).To(Mail); err != nil || got.ID == first.ID {
			t.Errorf("another %s has the same id, %v", name, err)
		}
	}
	if hook, err := OfFinding(finding).To(Webhook); err != nil || hook.ID == first.ID {
		t.Errorf("another channel has the same id, %v", err)
	}
}

func TestTheTextOfANotificationPlaysNoTricks(t *testing.T) {
	message := ofEvent(NewPlace, projection.Notable{
		EventID: "e\x1b[2J", UserID: 1, Username: "al\r\nBcc: eve@example.com\u202e", IP: "192.0.2.1", Device: "curl", CommitTs: domain.TSOOfTime(domain.TimeOfTSO(1 << 60)),
	})
	message.Data.New = []PlaceKind{Network, Device}
	notification, err := message.To(Mail)
	if err != nil {
		t.Fatal(err)
	}
	subject, body, err := Text(notification)
	if err != nil || strings.ContainsAny(subject, "\r\n\u202e") || strings.ContainsAny(body, "\r\x1b\u202e") {
		t.Errorf("got %q, %q, %v", subject, body, err)
	}
	for _, want := range []string{"192.0.2.1", "192.0.2.0/24", "curl", "network", "device", notification.ID} {
		if !strings.Contains(body, want) {
			t.Errorf("the text lacks %q:\n%s", want, body)
		}
	}
	var payload map[string]any
	if err := json.Unmarshal(notification.Body, &payload); err != nil || payload["id"] != notification.ID || payload["type"] != "user.login.new_place" {
		t.Errorf("got %s, %v", notification.Body, err)
	}
}
