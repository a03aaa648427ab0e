package tracing

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestACollectorThatIsAwayIsToldOfOnceAMinute(t *testing.T) {
	var text bytes.Buffer
	now := time.Unix(0, 0)
	c := newComplaints(slog.New(slog.NewTextHandler(&text, nil)))
	c.now = func() time.Time { return now }
	for range 150 { // seconds
		c.Handle(errors.New("connection refused"))
		now = now.Add(time.Second)
	}
	if got := strings.Count(text.String(), "\n"); got != 3 {
		t.Errorf("got %d lines:\n%s", got, &text)
	}
	if !strings.Contains(text.String(), "failuresBefore=59") {
		t.Errorf("the failures between are not counted:\n%s", &text)
	}
}
