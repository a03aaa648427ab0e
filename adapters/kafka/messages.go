package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"helfy/app/projection"
	"helfy/app/query"
)

var _ query.Messages = Cluster{}

// maxReads is how many runs of messages are read at a time, each of which may
// hold an answer of a broker.
const maxReads = 4

// Messages implements query.Messages. Places that follow each other are read
// as one.
func (c Cluster) Messages(ctx context.Context, places []projection.Place, take func(query.Message)) error {
	var lock sync.Mutex
	one := func(message query.Message) {
		lock.Lock()
		defer lock.Unlock()
		take(message)
	}
	partitions := map[partitionName]projection.Partition{}
	missing := map[string]string{}
	for _, at := range places {
		name := partitionName{at.Topic, at.Partition}
		if _, known := partitions[name]; known || missing[at.Topic] != "" {
			continue
		}
		all, err := c.Partitions(ctx, at.Topic)
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			missing[at.Topic] = "Kafka does not have the topic"
			continue
		}
		if err != nil {
			return err
		}
		partitions[name] = projection.Partition{} // unless it is there
		for _, p := range all {
			partitions[partitionName{p.Topic, p.Partition}] = p
		}
	}
	var group errgroup.Group
	group.SetLimit(maxReads)
	for len(places) > 0 {
		run := runOf(places)
		places = places[len(run):]
		if why := missing[run[0].Topic]; why != "" {
			miss(run, why, one)
			continue
		}
		partition := partitions[partitionName{run[0].Topic, run[0].Partition}]
		group.Go(func() error { c.readRun(ctx, partition, run, one); return nil })
	}
	return group.Wait()
}

type partitionName struct {
	topic     string
	partition int32
}

// runOf returns the first places that follow each other in one partition.
func runOf(places []projection.Place) []projection.Place {
	count := 1
	for count < len(places) {
		next := places[count-1]
		if next.Offset++; places[count] != next {
			break
		}
		count++
	}
	return places[:count]
}

func miss(places []projection.Place, why string, take func(query.Message)) {
	for _, at := range places {
		take(query.Message{Place: at, Missing: why})
	}
}

// readRun reads places that follow each other, as far as they can be read.
func (c Cluster) readRun(ctx context.Context, partition projection.Partition, run []projection.Place, take func(query.Message)) {
	first, last := run[0], run[len(run)-1]
	if partition.Topic == "" {
		miss(run, "Kafka does not have the partition", take)
		return
	}
	if first.Offset < partition.Earliest || last.Offset >= partition.End {
		miss(run, fmt.Sprintf("Kafka has the offsets from %d to %d there", partition.Earliest, partition.End-1), take)
		return
	}
	done := 0
	err := c.Read(ctx, partition, first.Offset, last.Offset+1, func(records []projection.Record) error {
		for _, r := range records {
			at := projection.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
			take(query.Message{Place: at, At: r.At, Value: r.Value})
			done++
		}
		return nil
	})
	if err != nil {
		miss(run[done:], "Kafka did not give it: "+err.Error(), take)
	}
}
