//go:build apachekafka

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/internal/stack"
	"helfy/service"
)

// replicas is how many brokers have each partition; one less must have a
// record before it is acknowledged.
const replicas = 3

func TestAClusterOutlivesADeadBrokerALostDiskAndRestarts(t *testing.T) {
	var cluster stack.Cluster
	config := stack.NewWith(t, func(c *service.Config) {
		cluster = stack.NewCluster(t, replicas)
		c.KafkaBrokers, c.ChangefeedBrokers = cluster.Addresses(), cluster.Addresses()
		c.KafkaReplication = replicas
	})
	logins := newLoad(t, config, 20)
	logins.clients, logins.pause = 4, 200*time.Millisecond // so few that nobody is sent away as busy
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	stack.Start(t, config, "consume")
	stack.Start(t, config, "consume")
	requireReplicated(t, config)

	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	logins.start(ctx, api)
	logins.waitFor(t, 100)
	dead := cluster[leader(t, config)-1]
	began := time.Now()
	dead.Kill()
	requireComplete(t, api)
	t.Logf("the broker that led a partition was killed (-9); the log was complete beyond that %s later", time.Since(began).Round(time.Millisecond))
	if rebuilt := runRebuild(t, config, "audit"); rebuilt.Records == 0 {
		t.Errorf("with one broker of %d dead: %+v", replicas, rebuilt)
	}
	dead.LoseDisk()
	dead.Start()
	dead.Await()
	requireReplicated(t, config)

	for _, broker := range cluster {
		broker.Stop()
		requireLeaders(t, config)
		broker.Start()
		broker.Await()
		requireReplicated(t, config)
	}
	endLoad()
	logins.wait.Wait()
	for _, answer := range logins.answers {
		if answer.kind != "200" {
			t.Errorf("a login was answered %s", answer.kind)
		}
	}
	requireExactlyOnce(t, config, api, logins)
	runRebuild(t, config, "audit")
	runRebuild(t, config, "logins")
	requireExactlyOnce(t, config, api, logins)
}

// leader returns the node that leads partition 0 of the events.
func leader(t *testing.T, config service.Config) (node int32) {
	t.Helper()
	describe(t, config, func(partition *sarama.PartitionMetadata) {
		if partition.ID == 0 {
			node = partition.Leader
		}
	})
	return node
}

// requireReplicated waits until every replica of the topics is in sync, as an
// operator must before the next broker is stopped.
func requireReplicated(t *testing.T, config service.Config) {
	t.Helper()
	stack.Eventually(t, patience, func() (err error) {
		describe(t, config, func(partition *sarama.PartitionMetadata) {
			if len(partition.Isr) != replicas {
				err = fmt.Errorf("partition %d has %v in sync", partition.ID, partition.Isr)
			}
		})
		return err
	})
}

// requireLeaders waits until each partition is led by a broker that is in sync,
// while one is stopped.
func requireLeaders(t *testing.T, config service.Config) {
	t.Helper()
	stack.Eventually(t, patience, func() (err error) {
		describe(t, config, func(partition *sarama.PartitionMetadata) {
			if len(partition.Isr) != replicas-1 || !slices.Contains(partition.Isr, partition.Leader) {
				err = fmt.Errorf("partition %d is led by %d, with %v in sync", partition.ID, partition.Leader, partition.Isr)
			}
		})
		return err
	})
}

// describe looks at each partition of the topics.
func describe(t *testing.T, config service.Config, look func(*sarama.PartitionMetadata)) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	topics, err := admin.DescribeTopics([]string{config.ChangesTopic, config.EventsTopic})
	if err := errors.Join(err, admin.Close()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		for _, partition := range topic.Partitions {
			look(partition)
		}
	}
}
