package live

import (
	"context"
	"errors"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// maxFindings bounds how many findings are told at once.
const maxFindings = 500

// Join adds a viewer who sees what the filter chooses: all that follows a
// position (Position.String, from whichever process), or, without one, all that
// the log does not have at this moment. Where the position is of no use, the
// viewer is told to begin anew. The filter's times do not count. The errors are
// ErrFull, ErrUserFull, ErrEnded, and those of Kafka and the database. The
// viewer must Leave.
func (f *Feed) Join(ctx context.Context, user domain.UserID, filter query.AuditFilter, position string) (*Viewer, error) {
	if err := f.admit(user); err != nil {
		return nil, err
	}
	viewer := &Viewer{feed: f, user: user, filter: filter}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.life, cancel)()
	if err := f.place(ctx, viewer, position); err != nil {
		viewer.Leave()
		if f.life.Err() != nil {
			return nil, ErrEnded
		}
		return nil, err
	}
	return viewer, nil
}

func (f *Feed) admit(user domain.UserID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.over:
		return ErrEnded
	case f.viewers >= f.config.MaxViewers:
		return ErrFull
	case f.byUser[user] >= f.config.MaxPerUser:
		return ErrUserFull
	}
	f.viewers++
	f.byUser[user]++
	return nil
}

// place finds the viewer's place in the window, which it opens or fills back if
// need be: one viewer at a time, so that many who come at once read the topics
// once.
func (f *Feed) place(ctx context.Context, viewer *Viewer, position string) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	start, reason, err := f.startOf(ctx, position)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return ErrEnded
	}
	if f.window == nil {
		f.window = newWindow(f.config.Projection, f.config.Topics, start, "")
		signal(f.opened)
	}
	w := f.window
	f.mu.Unlock()
	filled, err := f.fill(ctx, w, start)
	if err != nil {
		return err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if filled != "" {
		start, reason = f.window.next.clone(), filled
	}
	viewer.window, viewer.cursor, viewer.skip, viewer.reset = f.window, f.window.first, start, reason
	return nil
}

// startOf returns where a viewer begins, and why that is not the position that
// was asked for.
func (f *Feed) startOf(ctx context.Context, text string) (start Position, reason string, err error) {
	var wanted Position
	if text != "" {
		wanted, err = parsePosition(text, len(f.config.Topics))
		if err != nil {
			text, reason = "", err.Error()
		}
	}
	f.mu.RLock()
	there := f.states()
	f.mu.RUnlock()
	known := there != nil
	if !known {
		if there, err = f.look(ctx); err != nil {
			return Position{}, "", err
		}
	}
	if text != "" {
		reason = fault(wanted, there, f.config.MaxReplay)
		if reason != "" && known {
			// Another process may have read further.
			if there, err = f.look(ctx); err != nil {
				return Position{}, "", err
			}
			reason = fault(wanted, there, f.config.MaxReplay)
		}
		if reason == "" {
			return wanted, "", nil
		}
	}
	start, err = f.fresh(ctx, there)
	return start, reason, err
}

// states returns the topics as the window knows them, nil without one.
func (f *Feed) states() []state {
	if f.window == nil {
		return nil
	}
	var there []state
	for topic, readers := range f.window.readers {
		one := state{name: f.window.topics[topic], id: f.window.next.topics[topic].id}
		for partition, reader := range readers {
			one.partitions = append(one.partitions, projection.Partition{
				Topic: one.name, Partition: int32(partition), End: reader.next,
			})
		}
		there = append(there, one)
	}
	return there
}

// fresh returns where the log ends at this moment: what a viewer sees that
// begins there, and reads the log afterwards, is without a gap. If the log is
// far behind, it is the end of the topics.
func (f *Feed) fresh(ctx context.Context, there []state) (Position, error) {
	checkpoints, err := f.config.Log.Checkpoints(ctx)
	if err != nil {
		return Position{}, err
	}
	verified, err := f.config.Log.VerifiedThrough(ctx)
	if err != nil {
		return Position{}, err
	}
	ends, log := Position{verified: verified}, Position{verified: verified}
	for _, topic := range there {
		end, read := topicPosition{id: topic.id}, topicPosition{id: topic.id}
		for _, p := range topic.partitions {
			end.next, read.next = append(end.next, p.End), append(read.next, p.End)
			at, ok := checkpoints[topic.name][p.Partition]
			if !ok {
				continue
			}
			if id, err := newTopicID(at.TopicID); err == nil && id == topic.id {
				read.next[p.Partition] = min(p.End, at.NextOffset)
			}
		}
		ends.topics, log.topics = append(ends.topics, end), append(log.topics, read)
	}
	if fault(log, there, f.config.MaxReplay) != "" {
		return ends, nil
	}
	return log, nil
}

// fill puts what lies between a position and the window before it, and says
// why it cannot, if so.
func (f *Feed) fill(ctx context.Context, w *window, start Position) (reason string, err error) {
	f.mu.RLock()
	low := w.low.clone()
	f.mu.RUnlock()
	items, err := f.between(ctx, w, start, low)
	if errors.Is(err, errLost) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	findings, err := f.findingsBetween(ctx, start.verified, low.verified)
	if err != nil {
		return "", err
	}
	items = append(items, findings...)
	f.mu.Lock()
	defer f.mu.Unlock()
	joint := lower(start, low)
	if joint.String() == low.String() {
		return "", nil
	}
	if f.window != w || w.low.String() != low.String() || !w.prepend(items, joint) {
		return "too much has come since", nil
	}
	return "", nil
}

func (f *Feed) findingsBetween(ctx context.Context, after, through uint64) ([]item, error) {
	if after >= through {
		return nil, nil
	}
	found, err := f.config.Log.FindingsBetween(ctx, after, through, maxFindings)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, finding := range found {
		items = append(items, newFindingItem(finding, through, f.config.Encoder))
	}
	return items, nil
}

// lower returns the lesser place in each partition.
func lower(a, b Position) Position {
	low := b.clone()
	for topic := range low.topics {
		for partition := range low.topics[topic].next {
			low.topics[topic].next[partition] = min(a.at(topic, partition), b.at(topic, partition))
		}
	}
	low.verified = min(a.verified, b.verified)
	return low
}

// between reads the records from one position up to another one and returns
// their items.
func (f *Feed) between(ctx context.Context, w *window, from, to Position) ([]item, error) {
	p := newPast(f.config, from, to)
	if p.left == 0 {
		return nil, nil
	}
	if err := f.config.Source.Follow(ctx, p.partitions(w.topics), p.take); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p.items(), nil
}
