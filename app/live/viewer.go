package live

import (
	"errors"
	"sync"

	"helfy/app/query"
	"helfy/domain"
)

// ErrSlow says that what comes next for a viewer is no longer kept.
var ErrSlow = errors.New("the viewer is too slow")

// Viewer is somebody who watches. Changed may be called by any goroutine, the
// rest by one at a time.
type Viewer struct {
	feed   *Feed
	user   domain.UserID
	filter query.AuditFilter
	window *window
	// cursor is the number of the next item, and skip the position of what was
	// seen before.
	cursor int64
	skip   Position
	reset  string
	told   int64
	leave  sync.Once
}

// batchItems bounds how many items are looked at for one batch.
const batchItems = 256

// Batch is what a viewer gets next, in this order.
type Batch struct {
	// Reset says why what follows does not continue what came before, empty if
	// it does.
	Reset string
	// Frames are entries and findings.
	Frames [][]byte
	// Complete is what Encoder made of how complete the log is, nil if nothing
	// new is known.
	Complete []byte
	// Position is that of who has seen all of this, empty if there is more,
	// which the next batch has.
	Position string
	// Concerned says that an event is about the viewer's own user.
	Concerned bool
}

// Changed returns a channel that is closed when there may be something new
// since the call.
func (v *Viewer) Changed() <-chan struct{} {
	v.feed.mu.RLock()
	defer v.feed.mu.RUnlock()
	return v.feed.changed
}

// Ended returns a channel that is closed when the process is about to end.
func (v *Viewer) Ended() <-chan struct{} { return v.feed.life.Done() }

// Take returns what has come since the last call. It does not wait. The errors
// are ErrSlow and ErrEnded.
func (v *Viewer) Take() (Batch, error) {
	v.feed.mu.RLock()
	defer v.feed.mu.RUnlock()
	if v.feed.over {
		return Batch{}, ErrEnded
	}
	w := v.feed.window
	batch := Batch{Reset: v.reset}
	v.reset = ""
	if w != v.window {
		batch.Reset = w.reset
		v.window, v.cursor, v.skip = w, w.first, Position{}
	}
	if v.cursor < w.first {
		return Batch{}, ErrSlow
	}
	from := int(v.cursor - w.first)
	to := min(len(w.items), from+batchItems)
	for i := from; i < to; i++ {
		one := &w.items[i]
		if v.skip.topics != nil && one.seenAt(v.skip) {
			continue
		}
		batch.Concerned = batch.Concerned || v.concerned(one)
		if v.wants(one) {
			batch.Frames = append(batch.Frames, one.frame)
		}
	}
	v.cursor = w.first + int64(to)
	if to < len(w.items) {
		return batch, nil
	}
	batch.Position = w.text
	if v.told != v.feed.told {
		v.told, batch.Complete = v.feed.told, v.feed.complete
	}
	return batch, nil
}

func (v *Viewer) wants(i *item) bool {
	if i.topic >= 0 {
		return v.filter.Matches(i.entry)
	}
	return v.filter.MatchesFinding(i.finding)
}

// concerned reports whether an item may mean that the viewer may see no more.
func (v *Viewer) concerned(i *item) bool {
	if i.topic < 0 || i.entry.Source != domain.SourceEvent || i.entry.UserID != v.user {
		return false
	}
	// The two that others can make many of end no session.
	return i.entry.EventType != domain.AuditRead && i.entry.EventType != domain.LoginFailure
}

// Drop counts the viewer as one that was too slow.
func (v *Viewer) Drop() {
	v.feed.mu.Lock()
	defer v.feed.mu.Unlock()
	v.feed.dropped++
}

// Leave ends watching. Further calls do nothing.
func (v *Viewer) Leave() {
	v.leave.Do(func() {
		f := v.feed
		f.mu.Lock()
		defer f.mu.Unlock()
		f.viewers--
		if f.byUser[v.user]--; f.byUser[v.user] == 0 {
			delete(f.byUser, v.user)
		}
		if f.viewers == 0 {
			signal(f.left)
		}
	})
}
