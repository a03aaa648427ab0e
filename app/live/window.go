package live

import (
	"encoding/json"
	"fmt"
	"slices"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// The bounds of what is kept for viewers. One that falls behind them is cut
// off.
const (
	maxItems = 10_000
	maxBytes = 16 << 20
)

// item is something that viewers are told, in the form that they get.
type item struct {
	// topic, partition and offset are those of an entry's record; a finding
	// has no topic (-1), but the TSO up to which findings were known with it.
	topic, partition int
	offset           int64
	verified         uint64
	// entry and finding are what filters look at, without rows.
	entry   domain.AuditEntry
	finding domain.Finding
	frame   []byte
}

// seenAt reports whether whoever is at the position has the item already.
func (i *item) seenAt(p Position) bool {
	if i.topic < 0 {
		return i.verified <= p.verified
	}
	return i.offset < p.at(i.topic, i.partition)
}

// window is what was read last, in one order for all viewers.
type window struct {
	topics  []string
	readers [][]*partitionReader
	// items are numbered from first on; what comes before what is there gets
	// lower numbers.
	first int64
	items []item
	bytes int
	// low is where a viewer may be at least who finds all in items that
	// follows, and next where one is who has seen all; text is next as text.
	low, next Position
	text      string
	// reset says why the window is not the continuation of another one.
	reset string
}

// newWindow returns an empty window that begins at a position in these
// partitions of the topics.
func newWindow(project projection.Audit, topics []string, start Position, reset string) *window {
	w := &window{topics: topics, low: start.clone(), next: start.clone(), text: start.String(), reset: reset}
	for _, topic := range start.topics {
		var readers []*partitionReader
		for _, next := range topic.next {
			readers = append(readers, &partitionReader{project: project, next: next})
		}
		w.readers = append(w.readers, readers)
	}
	return w
}

// grow adds the partitions that a topic has got since.
func (w *window) grow(project projection.Audit, topic int, partitions []projection.Partition) {
	for _, p := range partitions[len(w.readers[topic]):] {
		w.readers[topic] = append(w.readers[topic], &partitionReader{project: project, next: p.Earliest})
		w.next.move(topic, int(p.Partition), p.Earliest)
	}
	w.text = w.next.String()
}

// partitions returns where each partition is to be read on, as its End.
func (w *window) partitions() []projection.Partition {
	var all []projection.Partition
	for topic, readers := range w.readers {
		for partition, reader := range readers {
			all = append(all, projection.Partition{Topic: w.topics[topic], Partition: int32(partition), End: reader.next})
		}
	}
	return all
}

// end returns the number of the next item.
func (w *window) end() int64 { return w.first + int64(len(w.items)) }

// add takes records in, and reports whether one is a watermark.
func (w *window) add(records []projection.Record, encoder Encoder) (watermark bool, err error) {
	for _, record := range records {
		topic := slices.Index(w.topics, record.Topic)
		if topic < 0 || int(record.Partition) >= len(w.readers[topic]) {
			return watermark, fmt.Errorf("%w: %s was not asked for", errLost, record)
		}
		reader := w.readers[topic][record.Partition]
		whole, isWatermark, err := reader.take(record)
		if err != nil {
			return watermark, err
		}
		watermark = watermark || isWatermark
		w.next.move(topic, int(record.Partition), reader.resume())
		for _, one := range whole {
			w.push(newEntryItem(topic, int(record.Partition), one, w.next, encoder))
		}
	}
	w.text = w.next.String()
	return watermark, nil
}

// addFindings takes in the findings of commits up to a TSO.
func (w *window) addFindings(found []query.Finding, through uint64, encoder Encoder) {
	w.next.verified = through
	for _, finding := range found {
		w.push(newFindingItem(finding, through, encoder))
	}
	w.text = w.next.String()
}

func newEntryItem(topic, partition int, one read, after Position, encoder Encoder) item {
	i := item{topic: topic, partition: partition, offset: one.offset, entry: one.entry, frame: encoder.Entry(after.String(), one.entry)}
	// A filter asks whether they are there.
	if i.entry.Old != nil {
		i.entry.Old = json.RawMessage{}
	}
	if i.entry.New != nil {
		i.entry.New = json.RawMessage{}
	}
	return i
}

func newFindingItem(finding query.Finding, through uint64, encoder Encoder) item {
	return item{topic: -1, verified: through, finding: finding.Finding, frame: encoder.Finding(finding)}
}

// push appends an item and drops the oldest ones beyond the bounds.
func (w *window) push(i item) {
	if i.frame == nil {
		return
	}
	w.items = append(w.items, i)
	w.bytes += len(i.frame)
	for len(w.items) > maxItems || w.bytes > maxBytes && len(w.items) > 1 {
		oldest := w.items[0]
		if oldest.topic < 0 {
			w.low.verified = max(w.low.verified, oldest.verified)
		} else if at := w.low.at(oldest.topic, oldest.partition); at <= oldest.offset {
			w.low.move(oldest.topic, oldest.partition, oldest.offset+1)
		}
		w.items[0] = item{}
		w.items, w.first, w.bytes = w.items[1:], w.first+1, w.bytes-len(oldest.frame)
	}
}

// prepend puts items before those that are there, and reports whether they fit.
func (w *window) prepend(items []item, low Position) bool {
	bytes := 0
	for i := range items {
		bytes += len(items[i].frame)
	}
	if len(w.items)+len(items) > maxItems || w.bytes+bytes > maxBytes {
		return false
	}
	w.items, w.first, w.bytes = slices.Concat(items, w.items), w.first-int64(len(items)), w.bytes+bytes
	w.low = low.clone()
	return true
}
