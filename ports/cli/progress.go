package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress tells on standard error how far a long command is: on a terminal
// one line that is drawn anew, elsewhere a line from time to time, as JSON if
// asked for.
type progress struct {
	out      io.Writer
	what     string
	json     bool
	terminal bool
	every    time.Duration
	started  time.Time
	next     time.Time
	drawn    bool
}

// How often progress is told.
const (
	drawEvery = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

func (s session) progress(what string, asJSON bool) *progress {
	now := time.Now()
	p := &progress{out: s.stderr, what: what, json: asJSON, every: lineEvery, started: now}
	if file, ok := s.stderr.(*os.File); ok && !asJSON && term.IsTerminal(int(file.Fd())) {
		p.terminal, p.every = true, drawEvery
	}
	p.next = now.Add(p.every)
	return p
}

// update is a verification.Progress.
func (p *progress) update(done, total int64) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.every)
	rate := float64(done) / now.Sub(p.started).Seconds()
	left := time.Duration(float64(max(0, total-done)) / rate * float64(time.Second)).Round(time.Second)
	// Nothing depends on whether anybody sees it.
	if p.json {
		_ = json.NewEncoder(p.out).Encode(map[string]int64{
			"done": done, "total": total, "perSecond": int64(rate), "secondsLeft": int64(left.Seconds()),
		})
		return
	}
	text := fmt.Sprintf("%s: %d of %d (%d%%), %d/s, %s left", p.what, done, total, 100*done/max(1, total), int64(rate), left)
	if p.terminal {
		p.drawn = true
		_, _ = fmt.Fprint(p.out, "\r\x1b[K"+text) // to the line's beginning, and clear it
		return
	}
	_, _ = fmt.Fprintln(p.out, text)
}

// end clears the line.
func (p *progress) end() {
	if p.drawn {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
