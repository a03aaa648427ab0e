package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"helfy/app/projection"
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
	before   int64 // what was done when it started
	begun    bool
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

// from says what was done before, by an earlier run; only the first call counts.
func (p *progress) from(done int64) {
	if !p.begun {
		p.begun, p.before, p.started = true, done, time.Now()
	}
}

// stage tells of work that has no measure. It is told at once if there is
// trouble.
func (p *progress) stage(name projection.Stage, text string, trouble error) {
	now := time.Now()
	if now.Before(p.next) && trouble == nil && !p.terminal {
		return
	}
	p.next = now.Add(p.every)
	line := map[string]string{"kind": "progress", "stage": string(name)}
	text = p.what + ": " + text
	if trouble != nil {
		text += ": " + strings.ReplaceAll(trouble.Error(), "\n", "; ")
		line["error"] = trouble.Error()
	}
	if p.json {
		_ = json.NewEncoder(p.out).Encode(line)
		return
	}
	p.draw(text)
	if p.terminal && trouble != nil {
		p.drawn = false
		_, _ = fmt.Fprintln(p.out) // it stays, and may be longer than a line
	}
}

// update is a verification.Progress.
func (p *progress) update(done, total int64) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.every)
	rate := float64(done-p.before) / now.Sub(p.started).Seconds()
	left := int64(-1) // not known
	if rate > 0 {
		left = int64(float64(max(0, total-done)) / rate)
	}
	// Nothing depends on whether anybody sees it.
	if p.json {
		_ = json.NewEncoder(p.out).Encode(map[string]any{
			"kind": "progress", "done": done, "total": total, "perSecond": int64(rate), "secondsLeft": left,
		})
		return
	}
	text := fmt.Sprintf("%s: %d of %d (%d%%), %d/s", p.what, done, total, 100*done/max(1, total), int64(rate))
	if left >= 0 {
		text += fmt.Sprintf(", %s left", time.Duration(left)*time.Second)
	}
	p.draw(text)
}

// draw puts a text in the terminal's line, or in one of its own.
func (p *progress) draw(text string) {
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
