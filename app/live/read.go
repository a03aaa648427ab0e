package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/app/projection"
)

const (
	// minPause and maxPause bound the pause after a failure.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	// lookTimeout bounds a look at the topics.
	lookTimeout = 10 * time.Second
)

// read follows the topics until ctx ends.
func (f *Feed) read(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil { // interrupted
			err = f.review(ctx, nil)
		} else {
			f.config.Logger.WarnContext(ctx, "the audit stream cannot read on, looking at the topics", "error", err)
			err = f.review(ctx, err)
		}
		if err != nil && ctx.Err() == nil {
			f.config.Logger.WarnContext(ctx, "the audit stream cannot look at the topics, trying again", "error", err)
		}
		if time.Since(began) > maxPause {
			pause = minPause
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// follow reads the window's partitions until something is wrong with them,
// somebody interrupts it, or ctx ends.
func (f *Feed) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.mu.Lock()
	f.interrupt = stop
	from := f.window.partitions()
	f.mu.Unlock()
	return f.config.Source.Follow(ctx, from, f.take)
}

// take adds records to the window.
func (f *Feed) take(records []projection.Record) error {
	if len(records) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.window.end()
	watermark, err := f.window.add(records, f.config.Encoder)
	for _, record := range records {
		if record.At.After(f.newest) {
			f.newest = record.At
		}
	}
	if f.window.end() != before {
		signal(f.dirty)
	}
	if watermark {
		signal(f.watermark)
	}
	return err
}

// review looks at the topics again: partitions that were added are read too,
// and where the window's records cannot go on there is another window.
func (f *Feed) review(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	there, err := f.look(ctx)
	if err != nil {
		return err
	}
	f.mu.RLock()
	reason := fault(f.window.raw(), there, 0)
	f.mu.RUnlock()
	if reason == "" && errors.Is(cause, errLost) {
		reason = cause.Error()
	}
	if reason != "" {
		f.config.Logger.WarnContext(ctx, "the audit stream begins anew", "reason", reason)
		start, err := f.fresh(ctx, there)
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.window = newWindow(f.config.Projection, f.config.Topics, start, reason)
		f.mu.Unlock()
		signal(f.dirty)
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for topic := range there {
		f.window.grow(f.config.Projection, topic, there[topic].partitions)
	}
	return nil
}

// raw returns where the readers of a window are.
func (w *window) raw() Position {
	position := w.next.clone()
	for topic, readers := range w.readers {
		for partition, reader := range readers {
			position.move(topic, partition, reader.next)
		}
	}
	return position
}

// state is a topic as it is.
type state struct {
	name       string
	id         topicID
	partitions []projection.Partition
}

// look returns the topics as they are in Kafka.
func (f *Feed) look(ctx context.Context) ([]state, error) {
	var there []state
	for _, topic := range f.config.Topics {
		partitions, err := f.config.Source.Partitions(ctx, topic)
		if err != nil {
			return nil, err
		}
		if len(partitions) == 0 {
			return nil, fmt.Errorf("topic %s has no partitions", topic)
		}
		id, err := newTopicID(partitions[0].TopicID)
		if err != nil {
			return nil, err
		}
		there = append(there, state{topic, id, partitions})
	}
	return there, nil
}

// fault says why the topics cannot be read from a position on, empty if they
// can: also if that is more than so many records away, 0 for any number.
func fault(from Position, there []state, most int) string {
	var distance int64
	for i, topic := range there {
		if from.topics[i].id != topic.id {
			return fmt.Sprintf("topic %s was made anew", topic.name)
		}
		if len(from.topics[i].next) > len(topic.partitions) {
			return fmt.Sprintf("topic %s has fewer partitions", topic.name)
		}
		for n, p := range topic.partitions {
			at := from.at(i, n)
			if n >= len(from.topics[i].next) {
				at = max(at, p.Earliest) // of a partition that was added, what there is
			}
			switch {
			case at < p.Earliest:
				return fmt.Sprintf("%s begins at offset %d, not at %d", p, p.Earliest, at)
			case at > p.End:
				return fmt.Sprintf("%s ends at offset %d, not at %d", p, p.End, at)
			}
			distance += p.End - at
		}
	}
	if most > 0 && distance > int64(most) {
		return fmt.Sprintf("%d records have come since, at most %d are read again", distance, most)
	}
	return ""
}
