package route

import (
	"slices"

	filter "github.com/pingcap/tidb/pkg/util/table-filter"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

// Router finds the topic and partition of a row. The first dispatcher whose
// matcher fits decides.
type Router struct {
	defaultTopic string
	rules        []rule
}

type rule struct {
	tables     filter.Filter
	topic      string
	partition  partitioner
	dispatcher changefeed.Dispatcher
}

// NewRouter checks the dispatchers.
func NewRouter(d *changefeed.Definition) (*Router, error) {
	r := &Router{defaultTopic: d.Target.Topic}
	dispatchers := append(slices.Clone(d.Config.Sink.Dispatchers), changefeed.Dispatcher{Matcher: []string{"*.*"}})
	for _, d2 := range dispatchers {
		tables, err := matcher(d2.Matcher, d.Config.CaseSensitive)
		if err != nil {
			return nil, err
		}
		partition, err := newPartitioner(&d2)
		if err != nil {
			return nil, err
		}
		if d2.Topic == "" {
			d2.Topic = d.Target.Topic
		}
		if err := checkTopic(d2.Topic); err != nil {
			return nil, err
		}
		r.rules = append(r.rules, rule{tables: tables, topic: d2.Topic, partition: partition, dispatcher: d2})
	}
	return r, nil
}

func (r *Router) rule(t *row.Table) rule {
	i := slices.IndexFunc(r.rules, func(rule rule) bool { return rule.tables.MatchTable(t.Schema, t.Name) })
	return r.rules[i] // the last rule fits all
}

// Topic is where the table's rows go.
func (r *Router) Topic(t *row.Table) string { return topicName(r.rule(t).topic, t) }

// Hash is the number from which the row's partition follows by modulo.
func (r *Router) Hash(e *row.Event) (uint64, error) { return r.rule(e.Table).partition(e) }

// Topics lists the topics that get watermarks: the default one, those that
// the dispatchers name, and those of the given tables.
func (r *Router) Topics(tables []*row.Table) []string {
	topics := []string{r.defaultTopic}
	for _, rule := range r.rules {
		if isFixed(rule.topic) {
			topics = append(topics, rule.topic)
		}
	}
	for _, t := range tables {
		topics = append(topics, r.Topic(t))
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// Check returns an error if the table lacks what its dispatcher asks for.
func (r *Router) Check(t *row.Table) error {
	d := r.rule(t).dispatcher
	if d.Partition == "columns" {
		for _, name := range d.Columns {
			if t.Offset(name) < 0 {
				return changefeed.Errorf(changefeed.ErrDispatcher, "column %s not found in table %s.%s", name, t.Schema, t.Name)
			}
		}
	}
	if d.Partition == "index-value" && d.Index != "" {
		index, ok := t.Indexes[d.Index]
		if !ok || !index.Unique {
			return changefeed.Errorf(changefeed.ErrDispatcher, "index %s of table %s.%s is missing or not unique", d.Index, t.Schema, t.Name)
		}
	}
	return nil
}
