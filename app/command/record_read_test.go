package command_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"helfy/app/command"
	"helfy/domain"
)

// chains counts what is appended, by id, and fails when it is told to.
type chains struct {
	asked  int
	events map[string]domain.Event
	err    error
}

func (c *chains) Append(_ context.Context, _ domain.Chain, link func(domain.Head) (domain.Event, domain.Head)) error {
	c.asked++
	if c.err != nil {
		return c.err
	}
	event, _ := link(domain.Head{})
	c.events[event.ID] = event
	return nil
}

// nobody is a service without users.
type nobody struct{}

func (nobody) Account(context.Context, domain.Username, string) (command.Account, error) {
	return command.Account{}, command.ErrUserNotFound
}

// recorder returns a handler whose clock shows now.
func recorder(t *testing.T, now *time.Time) (command.RecordReadHandler, *chains) {
	t.Helper()
	keyring, err := domain.ReadKeyring(strings.NewReader(strings.Repeat("0a", domain.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	kept := &chains{events: map[string]domain.Event{}}
	return command.RecordReadHandler{
		Chains: kept, Names: nobody{}, Keyring: keyring, Now: func() time.Time { return *now }, Recent: &command.RecentReadings{},
	}, kept
}

func reading(user domain.UserID, filter map[string]string) command.RecordRead {
	return command.RecordRead{Reading: domain.Reading{UserID: user, Username: "a", Route: "GET /api/audit", Filter: filter}}
}

func record(t *testing.T, handler command.RecordReadHandler, reads ...command.RecordRead) {
	t.Helper()
	for _, read := range reads {
		if err := handler.Handle(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestTheDatabaseIsAskedOncePerReaderFilterAndMinute(t *testing.T) {
	now := noon
	handler, kept := recorder(t, &now)
	all, some := reading(1, map[string]string{}), reading(1, map[string]string{"user": "a", "ip": "::1"})
	record(t, handler, all, all, some, some, reading(2, map[string]string{}))
	if kept.asked != 3 || len(kept.events) != 3 {
		t.Errorf("asked %d times, %d events, want 3", kept.asked, len(kept.events))
	}
	now = noon.Add(59 * time.Second)
	record(t, handler, all, some)
	if kept.asked != 3 {
		t.Errorf("asked %d times within a minute, want 3", kept.asked)
	}
	now = noon.Add(time.Minute)
	record(t, handler, all)
	if len(kept.events) != 4 {
		t.Errorf("%d events, want one more in the next minute", len(kept.events))
	}
}

func TestAReadingHasTheSameIDOnEveryInstance(t *testing.T) {
	now := noon
	first, kept := recorder(t, &now)
	record(t, first, reading(1, map[string]string{"user": "a", "ip": "::1"}))
	second, other := recorder(t, &now)
	now = noon.Add(30 * time.Second)
	renamed := reading(1, map[string]string{"ip": "::1", "user": "a"})
	renamed.Reading.Username = "b"
	record(t, second, renamed)
	for id := range kept.events {
		if _, ok := other.events[id]; !ok {
			t.Errorf("%s is not among %v", id, other.events)
		}
	}
}

func TestWhatWasNotRecordedIsTriedAgain(t *testing.T) {
	now := noon
	handler, kept := recorder(t, &now)
	kept.err = errors.New("away")
	if err := handler.Handle(t.Context(), reading(1, nil)); !errors.Is(err, kept.err) {
		t.Fatalf("got %v", err)
	}
	kept.err = nil
	record(t, handler, reading(1, nil))
	if len(kept.events) != 1 {
		t.Errorf("%d events, want 1", len(kept.events))
	}
}

func TestMoreReadingsThanAreRememberedAreStillOneEventEach(t *testing.T) {
	now := noon
	handler, kept := recorder(t, &now)
	const many = 3000
	for range 2 {
		for i := range many {
			record(t, handler, reading(1, map[string]string{"userId": strconv.Itoa(i)}))
		}
	}
	if len(kept.events) != many || kept.asked <= many || kept.asked >= 2*many {
		t.Errorf("%d events, asked %d times: want %d events, and some asked for twice", len(kept.events), kept.asked, many)
	}
}
