package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
)

// checkConsumers looks whether anybody reads the topics, and whether Kafka has
// what they need.
func (c Config) checkConsumers(ctx context.Context, db *sql.DB) (all []query.Diagnosis) {
	var groups []string
	registered := c.projections(db, nil)
	for _, one := range registered {
		for _, topic := range one.topics() {
			groups = append(groups, c.group(one.name())+"."+topic)
		}
	}
	members, err := c.Kafka().Members(ctx, groups...)
	if err != nil {
		return fail("look at the check of Kafka", "%v", err)
	}
	var idle []string
	for i, group := range groups {
		if members[i] == 0 {
			idle = append(idle, group)
		}
	}
	if idle != nil {
		all = fail("start helfy consume (or helfy run), and look at its log", "nobody reads for %s", strings.Join(idle, ", "))
	}
	observer, err := c.Kafka().Observer()
	if err != nil {
		return append(all, fail("look at the check of Kafka", "%v", err)...)
	}
	defer observer.Close()
	for _, one := range registered {
		if err := one.completeness(observer).Stalled(ctx); errors.Is(err, projection.ErrRetention) {
			all = append(all, fail("docs/operations.md, When Kafka does not hold what is needed", "%s cannot read on: %v", one.name(), err)...)
		}
	}
	if all == nil {
		return ok("%d groups, each with somebody who reads", len(groups))
	}
	return all
}

// checkProjections looks whether the live generations keep up and are whole.
func (c Config) checkProjections(ctx context.Context) []query.Diagnosis {
	generations, err := c.Projections(ctx, false)
	if err != nil {
		return fail("look at the checks of TiDB, Kafka and of migrations", "%v", err)
	}
	var all []query.Diagnosis
	var whole []string
	for _, one := range generations {
		if one.State != projection.Live {
			continue
		}
		if faults := checkGeneration(one); faults != nil {
			all = append(all, faults...)
			continue
		}
		whole = append(whole, fmt.Sprintf("%s (generation %d)", one.Projection, one.Generation))
	}
	if whole != nil {
		all = append(ok("complete but for seconds: %s", strings.Join(whole, ", ")), all...)
	}
	if all == nil {
		return fail("start helfy consume (or helfy run)", "no projection has begun")
	}
	return all
}

func checkGeneration(one query.GenerationStatus) (all []query.Diagnosis) {
	const slow = "look at the checks of the changefeed and of consumers; if both are well, more consumers or partitions are needed"
	if one.CompleteThrough == nil {
		return fail(slow, "%s has no watermark yet, and %d messages to read", one.Projection, one.Lag)
	}
	switch age := time.Since(*one.CompleteThrough).Round(time.Millisecond); {
	case age > lateLog:
		all = fail(slow, "%s is complete through %s ago, with %d messages to read", one.Projection, age, one.Lag)
	case age > slowLog:
		all = warn(slow, "%s is complete through %s ago, with %d messages to read", one.Projection, age, one.Lag)
	}
	if one.DeadLetters > 0 {
		all = append(all, warn("helfy deadletters shows them; retry them after an upgrade, or waive them", "%s lacks %d messages that it could not understand", one.Projection, one.DeadLetters)...)
	}
	return all
}
