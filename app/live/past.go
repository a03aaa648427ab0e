package live

import (
	"cmp"
	"fmt"
	"slices"

	"helfy/app/projection"
)

// pastReader reads what lies between two positions.
type pastReader struct {
	config   Config
	from, to Position
	readers  [][]*partitionReader
	// left is how many partitions are not read to the end yet.
	left  int
	found []pastRead
	bytes int
	// order is the greatest commitTs so far in each partition.
	order [][]uint64
}

// pastRead is an entry of the past.
type pastRead struct {
	read
	topic, partition int
	// order is the greatest commitTs so far in its partition, and resume where
	// that is to be read on after this.
	order  uint64
	resume int64
}

func newPast(config Config, from, to Position) *pastReader {
	p := &pastReader{config: config, from: from.clone(), to: to}
	for topic := range to.topics {
		var readers []*partitionReader
		for partition, end := range to.topics[topic].next {
			at := min(from.at(topic, partition), end)
			p.from.move(topic, partition, at)
			readers = append(readers, &partitionReader{project: config.Projection, next: at})
			if at < end {
				p.left++
			}
		}
		p.readers = append(p.readers, readers)
		p.order = append(p.order, make([]uint64, len(readers)))
	}
	return p
}

// partitions returns from where to read, those that have something.
func (p *pastReader) partitions(topics []string) []projection.Partition {
	var all []projection.Partition
	for topic := range p.readers {
		for partition, reader := range p.readers[topic] {
			if reader.next < p.to.at(topic, partition) {
				all = append(all, projection.Partition{Topic: topics[topic], Partition: int32(partition), End: reader.next})
			}
		}
	}
	return all
}

func (p *pastReader) take(records []projection.Record) error {
	for _, record := range records {
		topic, partition := slices.Index(p.config.Topics, record.Topic), int(record.Partition)
		end := p.to.at(topic, partition)
		if record.Offset >= end {
			continue
		}
		reader := p.readers[topic][partition]
		whole, _, err := reader.take(record)
		if err != nil {
			return err
		}
		last := reader.next >= end
		if last {
			// Their other halves, if any, are where the window begins.
			whole = append(whole, reader.release(^uint64(0))...)
			p.left--
		}
		for _, one := range whole {
			p.add(topic, partition, one, reader.resume())
		}
	}
	if p.bytes > maxBytes || len(p.found) > maxItems {
		return fmt.Errorf("%w: too much has come since", errLost)
	}
	if p.left == 0 {
		return ErrEnough
	}
	return nil
}

func (p *pastReader) add(topic, partition int, one read, resume int64) {
	order := &p.order[topic][partition]
	*order = max(*order, one.entry.CommitTs)
	p.bytes += len(one.entry.Old) + len(one.entry.New)
	p.found = append(p.found, pastRead{read: one, topic: topic, partition: partition, order: *order, resume: resume})
}

// items returns what was found in the order of its commits, as far as that of
// each partition lets it be, each with the position of who has seen it.
func (p *pastReader) items() []item {
	slices.SortStableFunc(p.found, func(a, b pastRead) int { return cmp.Compare(a.order, b.order) })
	at := p.from.clone()
	var items []item
	for _, one := range p.found {
		at.move(one.topic, one.partition, one.resume)
		items = append(items, newEntryItem(one.topic, one.partition, one.read, at, p.config.Encoder))
	}
	return items
}
