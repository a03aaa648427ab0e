package notification

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var policy = Policy{Tries: 10, For: 24 * time.Hour, First: 5 * time.Second, Max: time.Hour}

func TestWhatFollowsFromATry(t *testing.T) {
	away := errors.New("nobody answers")
	for name, test := range map[string]struct {
		try  int
		age  time.Duration
		err  error
		want State
	}{
		"accepted":               {1, 0, nil, Sent},
		"accepted at last":       {10, 25 * time.Hour, nil, Sent},
		"away":                   {1, 0, away, Pending},
		"away for long":          {9, time.Hour, away, Pending},
		"away at the last try":   {10, time.Hour, away, Dead},
		"away until the end":     {2, 24 * time.Hour, away, Dead},
		"away until nearly then": {9, 23*time.Hour + 30*time.Minute, away, Dead},
		"refused":                {4, 0, &Failure{Err: away, Refused: true}, Pending},
		"refused for long":       {5, 0, &Failure{Err: away, Refused: true}, Dead},
		"gone":                   {1, 0, &Failure{Err: away, Gone: true}, Dead},
		"asked to wait":          {1, 0, &Failure{Err: away, RetryAfter: time.Minute}, Pending},
		"asked to wait too long": {1, 23*time.Hour + 30*time.Minute, &Failure{Err: away, RetryAfter: 48 * time.Hour}, Dead},
	} {
		got := policy.outcome(Claimed{Tries: test.try, Age: test.age}, test.err)
		if got.State != test.want || (got.Pause > 0) != (test.want == Pending) || (got.Reason == "") != (test.err == nil) {
			t.Errorf("%s: got %+v, want %s", name, got, test.want)
		}
	}
}

func TestPausesGrowToABound(t *testing.T) {
	for try, most := range map[int]time.Duration{
		1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 6: 1215 * time.Second, 7: time.Hour, 8: time.Hour, 1 << 30: time.Hour,
	} {
		for range 100 {
			if got := policy.pause(try, 0); got > most || got < most*4/5 {
				t.Errorf("after try %d: %s, want at most %s less a fifth", try, got, most)
			}
		}
	}
}

func TestAReceiverIsLeftAloneAsItWantsWithinBounds(t *testing.T) {
	for wanted, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 100 * time.Hour: time.Hour} {
		if got := policy.pause(1, wanted); got != want {
			t.Errorf("wanted are %s, got %s", wanted, got)
		}
	}
	if got := policy.pause(3, time.Second); got < 30*time.Second {
		t.Errorf("a receiver makes the pause %s", got)
	}
}

func TestAReasonIsShortAndOfOneLine(t *testing.T) {
	got := policy.outcome(Claimed{Tries: 1}, errors.New("a\r\nb\x1b[31m"+strings.Repeat("ü", 1000))).Reason
	if len(got) > maxReason+10 || strings.ContainsAny(got, "\r\n\x1b") {
		t.Errorf("the reason is %q", got)
	}
}
