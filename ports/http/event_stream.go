package http

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"helfy/app/live"
)

const (
	// heartbeat is how often a silent stream shows that it is there.
	heartbeat = 15 * time.Second
	// recheck is how often a viewer's session is looked at, unless an event is
	// about its user; after uncheckedFor without an answer the stream ends.
	recheck      = 20 * time.Second
	uncheckedFor = 2 * time.Minute
	checkTimeout = 5 * time.Second
	// streamWrite is how long a viewer may leave what it was sent unread, once
	// all buffers between are full.
	streamWrite = 10 * time.Second
	// reconnect is how soon a browser comes back.
	reconnect = "retry: 1000\n"
)

// eventStream sends a viewer server-sent events:
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	viewer  *live.Viewer
	log     *slog.Logger
	// allowed returns errNotAllowed when the viewer may not watch any longer,
	// and another error when that is not known.
	allowed func(context.Context) error
	checked time.Time
	buffer  bytes.Buffer
}

func newEventStream(w http.ResponseWriter, viewer *live.Viewer, log *slog.Logger) *eventStream {
	return &eventStream{w: w, control: http.NewResponseController(w), viewer: viewer, log: log, checked: time.Now()}
}

// run sends until the viewer leaves or may not watch any longer, or the process
// is about to end.
func (s *eventStream) run(ctx context.Context) {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("X-Accel-Buffering", "no") // nginx
	s.buffer.WriteString(reconnect)
	// The bound of reading a request must not end what follows it.
	err := s.control.SetReadDeadline(time.Time{})
	if err == nil {
		err = s.send(ctx)
	}
	if errors.Is(err, live.ErrSlow) {
		s.viewer.Drop()
		s.log.WarnContext(ctx, "a viewer of the audit stream is too slow", "requestId", originOf(ctx).RequestID)
		return
	}
	s.log.DebugContext(ctx, "a stream ends", "reason", err)
}

var errNotAllowed = errors.New("the viewer may not watch any longer")

func (s *eventStream) send(ctx context.Context) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	check := time.NewTicker(recheck - rand.N(recheck/4)) // not those of all at once
	defer check.Stop()
	for {
		changed := s.viewer.Changed()
		batch, err := s.viewer.Take()
		if err != nil {
			return err
		}
		if err := s.write(batch); err != nil {
			return err
		}
		if batch.Concerned {
			if err := s.check(ctx); err != nil {
				return err
			}
		}
		if batch.Position == "" {
			continue // there is more
		}
		select {
		case <-changed:
		case <-beat.C:
			s.buffer.WriteString(":\n\n")
			err = s.flush()
		case <-check.C:
			err = s.check(ctx)
		case <-s.viewer.Ended():
			return live.ErrEnded
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// check returns an error when the viewer may not watch any longer, or when
// nobody has been able to tell for too long.
func (s *eventStream) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := s.allowed(ctx)
	switch {
	case err == nil:
		s.checked = time.Now()
		return nil
	case errors.Is(err, errNotAllowed), time.Since(s.checked) > uncheckedFor:
		return err
	}
	s.log.DebugContext(ctx, "cannot check the session of a stream, trying again", "error", err)
	return nil
}

// write sends a batch. What it ends with carries the position, so that a viewer
// whose filter chooses nothing comes back from near.
func (s *eventStream) write(batch live.Batch) error {
	if batch.Reset != "" {
		s.buffer.Write(newFrame("reset", "", resetNotice{batch.Reset}))
	}
	for _, frame := range batch.Frames {
		s.buffer.Write(frame)
	}
	if batch.Complete != nil || s.buffer.Len() > 0 {
		if batch.Position != "" {
			s.buffer.WriteString("id: " + batch.Position + "\n")
		}
		s.buffer.Write(batch.Complete)
		if batch.Complete == nil {
			s.buffer.WriteString("\n")
		}
	}
	return s.flush()
}

// flush sends what is in the buffer, or returns live.ErrSlow.
func (s *eventStream) flush() error {
	if s.buffer.Len() == 0 {
		return nil
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	_, err := s.w.Write(s.buffer.Bytes())
	s.buffer.Reset()
	if s.buffer.Cap() > keptBuffer {
		s.buffer = bytes.Buffer{}
	}
	if err == nil {
		err = s.control.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return live.ErrSlow
	}
	return err
}

// keptBuffer bounds what a viewer's buffer keeps between two batches.
const keptBuffer = 8 << 10
