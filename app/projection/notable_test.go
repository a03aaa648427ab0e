package projection

import (
	"strings"
	"testing"
	"time"

	"helfy/canaljson"
	"helfy/domain"
)

func notables(t *testing.T, message canaljson.Message) []Notable {
	t.Helper()
	rows, err := Notables{}.Project(Record{Topic: "t"}, message)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestALoginIsNotable(t *testing.T) {
	change := outboxInsert()
	change.New[6].Text = `{"ip":"192.0.2.1","userAgent":"curl/8"}`
	want := Notable{EventID: "e1", CommitTs: 42, Type: domain.LoginSuccess, UserID: 1, Username: "admin", IP: "192.0.2.1", Device: "curl"}
	if got := notables(t, change); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestALockIsNotable(t *testing.T) {
	change := outboxInsert()
	change.New[3].Text = string(domain.UserLocked)
	change.New[5].Text = `{"username":"admin","failures":10,"until":"2026-11-22T18:03:14.820586Z","network":"192.0.2.0/24"}`
	got := notables(t, change)[0]
	if got.Failures != 10 || got.LockedNetwork != "192.0.2.0/24" || !got.Until.Equal(time.Date(2026, 11, 22, 18, 3, 14, 820586000, time.UTC)) {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsNotNotable(t *testing.T) {
	other, nobody, pruned := outboxInsert(), outboxInsert(), outboxInsert()
	other.New[3].Text = string(domain.Logout)
	nobody.New[1].Text = domain.AggregateUnknown
	pruned.Operation, pruned.Old, pruned.New = canaljson.Delete, pruned.New, nil
	for name, message := range map[string]canaljson.Message{
		"another event": other, "an event of nobody": nobody, "a pruned event": pruned, "a change of a user": usersInsert(),
		"a schema change": &canaljson.DDL{Table: "users"},
	} {
		if got := notables(t, message); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestANotableEventThatCannotBeUnderstood(t *testing.T) {
	for want, bend := range map[string]func(*canaljson.Change){
		`commitTs`:        func(c *canaljson.Change) { c.CommitTs = 0 },
		`"type"`:          func(c *canaljson.Change) { c.New[3].Null = true },
		`"aggregatetype"`: func(c *canaljson.Change) { c.New[1].Null = true },
		`"aggregateid"`:   func(c *canaljson.Change) { c.New[2].Text = "x" },
		`"id"`:            func(c *canaljson.Change) { c.New[0].Text = strings.Repeat("x", 37) },
		`"payload"`:       func(c *canaljson.Change) { c.New[5].Text = `{"until":"x"}` },
		`"metadata"`:      func(c *canaljson.Change) { c.New[6].Text = `{"ip":"` + strings.Repeat("1", 46) + `"}` },
	} {
		change := outboxInsert()
		bend(change)
		if rows, err := (Notables{}).Project(Record{}, change); err == nil || !strings.Contains(err.Error(), want) || rows != nil {
			t.Errorf("want an error that names %s, got %v, %v", want, rows, err)
		}
	}
}
