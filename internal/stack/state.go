package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/service"
)

// logState says how far the change feed, Kafka and the projections are, for
// whoever looks into a test that has failed.
func logState(t testing.TB, config service.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	feed := NewClient(config.TiCDCURL)
	_, status, err := feed.Do(ctx, http.MethodGet, "/api/v2/changefeeds/"+config.ChangefeedID, "", "")
	t.Logf("changefeed: %s, %v", status, err)
	var state strings.Builder
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		partitions, err := config.Kafka().Partitions(ctx, topic)
		if err != nil {
			t.Logf("topic %s: %v", topic, err)
		}
		for _, p := range partitions {
			fmt.Fprintf(&state, "%s has %d to %d\n", p, p.Earliest, p.End)
		}
	}
	logGroups(t, config)
	rows, err := DB(t, config).QueryContext(ctx, `
		SELECT CONCAT_WS(' ', projection, topic, kafka_partition, 'next', next_offset, 'watermark', watermark)
		FROM projection_checkpoints ORDER BY 1`)
	if err != nil {
		t.Logf("checkpoints: %v", err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Logf("checkpoints: %v", err)
		}
		state.WriteString(line + "\n")
	}
	t.Logf("%s%v", state.String(), rows.Err())
}

// describeGroups asks for the consumer groups of the audit log, one of each
// topic.
func describeGroups(config service.Config) (groups []*sarama.GroupDescription, err error) {
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	return admin.DescribeConsumerGroups([]string{config.ConsumerGroup + "." + config.ChangesTopic, config.ConsumerGroup + "." + config.EventsTopic})
}

// AwaitMembers waits until so many consumers read each topic for the audit log,
// each of them some of its partitions.
func AwaitMembers(t testing.TB, config service.Config, members int) {
	t.Helper()
	Eventually(t, 2*setupTimeout, func() error {
		groups, err := describeGroups(config)
		if err != nil {
			return err
		}
		for _, group := range groups {
			if group.State != "Stable" || len(group.Members) != members {
				return fmt.Errorf("consumer group %s is %s with %d members, want %d", group.GroupId, group.State, len(group.Members), members)
			}
			for id, member := range group.Members {
				assignment, err := member.GetMemberAssignment()
				if err != nil {
					return fmt.Errorf("consumer group %s: member %s: %w", group.GroupId, id, err)
				}
				if assignment == nil || len(assignment.Topics) == 0 {
					return fmt.Errorf("consumer group %s: member %s reads nothing", group.GroupId, id)
				}
			}
		}
		return nil
	})
}

// logGroups tells the members of the consumer groups and what they read.
func logGroups(t testing.TB, config service.Config) {
	groups, err := describeGroups(config)
	if err != nil {
		t.Logf("consumer groups: %v", err)
	}
	for _, group := range groups {
		t.Logf("consumer group %s is %s", group.GroupId, group.State)
		for id, member := range group.Members {
			assignment, err := member.GetMemberAssignment()
			t.Logf("  member %s: %+v, %v", id, assignment, err)
		}
	}
}
