package projection

import (
	"strings"
	"testing"
	"time"

	"helfy/canaljson"
	"helfy/domain"
)

// loginEvent is an outbox row at 1000 ms, as it came to Kafka at 1012 ms.
func loginEvent(eventType domain.EventType, payload string) (Record, *canaljson.Change) {
	change := outboxInsert()
	change.CommitTs = domain.TSOOfTime(time.UnixMilli(1000)) + 5
	change.New[3].Text = string(eventType)
	change.New[5].Text = payload
	return Record{Topic: "t", At: time.UnixMilli(1012)}, change
}

func TestWhatAnEventCounts(t *testing.T) {
	for name, test := range map[string]struct {
		eventType domain.EventType
		payload   string
		measure   domain.LoginMeasure
		count     int64
		user      domain.UserID
	}{
		"a login":           {domain.LoginSuccess, `{"userId":1}`, domain.Logins, 1, 1},
		"a refused login":   {domain.LoginFailure, `{"reason":"wrong_password"}`, domain.LoginFailures, 1, 0},
		"many refused ones": {domain.LoginFailure, `{"reason":"flood","count":17}`, domain.LoginFailures, 17, 0},
		"a count of none":   {domain.LoginFailure, `{"reason":"locked","count":17}`, domain.LoginFailures, 1, 0},
		"a lock":            {domain.UserLocked, `{"failures":10}`, domain.Lockouts, 1, 0},
	} {
		record, change := loginEvent(test.eventType, test.payload)
		events, err := Logins{Database: "helfy"}.Project(record, change)
		want := LoginEvent{CommitTs: change.CommitTs, RowKey: "e1", Measure: test.measure, Count: test.count, UserID: test.user, Lag: 12}
		if err != nil || len(events) != 1 || events[0] != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, events, err, want)
		}
	}
}

func TestOtherMessagesCountNothing(t *testing.T) {
	_, logout := loginEvent(domain.Logout, `{}`)
	_, removed := loginEvent(domain.LoginSuccess, `{}`)
	removed.Operation = canaljson.Delete
	for name, message := range map[string]canaljson.Message{
		"another event": logout, "a removed row": removed, "another table": usersInsert(),
		"a schema change": &canaljson.DDL{Database: "helfy", Table: "outbox", CommitTs: 42},
	} {
		if events, err := (Logins{Database: "helfy"}).Project(Record{}, message); err != nil || len(events) != 0 {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
	}
}

func TestALoginEventThatCannotBeUnderstoodSaysWhy(t *testing.T) {
	for want, change := range map[string]func(*canaljson.Change){
		"commitTs":        func(c *canaljson.Change) { c.CommitTs = 0 },
		"database":        func(c *canaljson.Change) { c.Database = "other" },
		`column "type"`:   func(c *canaljson.Change) { c.New[3].Null = true },
		"want 1 to":       func(c *canaljson.Change) { c.New[5].Text = `{"reason":"flood"}` },
		"a flood of -3":   func(c *canaljson.Change) { c.New[5].Text = `{"reason":"flood","count":-3}` },
		"of 1000000001":   func(c *canaljson.Change) { c.New[5].Text = `{"reason":"flood","count":1000000001}` },
		"column \"paylo":  func(c *canaljson.Change) { c.New[5].Text = `[]` },
		"primary key":     func(c *canaljson.Change) { c.PrimaryKey = []string{"uuid"} },
		`"aggregateid"`:   func(c *canaljson.Change) { c.New[3].Text, c.New[2].Text = "LOGIN_SUCCESS", "x" },
		"longer than 255": func(c *canaljson.Change) { c.New[0].Text = strings.Repeat("x", 256) },
	} {
		record, message := loginEvent(domain.LoginFailure, `{"reason":"wrong_password"}`)
		change(message)
		events, err := Logins{Database: "helfy"}.Project(record, message)
		if err == nil || !strings.Contains(err.Error(), want) || len(events) != 0 {
			t.Errorf("got %+v, %v, want %s", events, err, want)
		}
	}
}
