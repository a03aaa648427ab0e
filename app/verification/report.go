package verification

import (
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// Report is what an examination has found.
type Report struct {
	// Source is where the history was read.
	Source   Source
	Database string
	// WithKey says that MACs were checked.
	WithKey bool
	Walked
	// Waived are faults that somebody answers for; Faults has the others.
	Waived []WaivedFault
	// Trail is what the trail is at Through; with a user only what is theirs.
	Trail    domain.Seal
	Findings []domain.Finding
	// Dropped counts the findings beyond the first 100,000.
	Dropped int64
	// Gaps are the times that no changefeed has sent, as far as the source
	// knows of them.
	Gaps []query.Gap
}

// Source is a kind of place where the history can be read.
type Source string

// The sources.
const (
	SourceKafka  Source = "kafka"
	SourceFolder Source = "folder" // an export of the topics
	SourceTable  Source = "table"  // the audit log's, and the tables it speaks of
)

// Clean reports whether nothing is wrong and nothing was left unjudged up to
// Through, but for what is waived.
func (r Report) Clean() bool { return len(r.Findings) == 0 && r.Dropped == 0 && r.FaultCount == 0 }

// sealedTopics puts the partitions of topics into a seal's form.
func sealedTopics(partitions []projection.Partition) []domain.SealedTopic {
	var topics []domain.SealedTopic
	for _, p := range partitions {
		if last := len(topics) - 1; last < 0 || topics[last].Name != p.Topic {
			topics = append(topics, domain.SealedTopic{Name: p.Topic, ID: p.TopicID})
		}
		topic := &topics[len(topics)-1]
		topic.NextOffsets = append(topic.NextOffsets, p.End)
	}
	return topics
}
