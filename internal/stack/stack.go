// Package stack gives tests the real parts: TiDB, Kafka and the change feed,
// as devstack runs them.
package stack

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"helfy/app/command"
	"helfy/domain"
	"helfy/service"
)

// setupTimeout bounds the making of databases, topics and changefeeds.
const setupTimeout = time.Minute

// New returns a configuration of the test's own on the running devstack:
// database, topics, changefeed, consumer group and key. They are ready, and
// gone when the test ends. From here on a test that is no subtest runs beside
// others: what it changes of the process or looks at of the parts must be its
// own.
func New(t testing.TB) service.Config {
	t.Helper()
	return NewWith(t, func(*service.Config) {})
}

// NewWith is New with a change of the configuration before anything is made.
func NewWith(t testing.TB, change func(*service.Config)) service.Config {
	t.Helper()
	if os.Getenv("DEVSTACK_CTL") == "" {
		t.Fatal("this test needs TiDB and Kafka: run it by go tool task test")
	}
	runBeside(t)
	config := newConfig(t)
	change(&config)
	setUp(t, config)
	return config
}

// newConfig returns the environment's configuration with names and a key of
// the test's own.
func newConfig(t testing.TB) service.Config {
	t.Helper()
	config, err := service.ReadConfig(os.Environ(), false)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ReplaceAll(uuid.NewString()[:18], "-", "")
	config.TiDBDatabase = "test_" + name
	config.ChangesTopic = "changes-" + name
	config.EventsTopic = "events-" + name
	config.ConsumerGroup = "audit-" + name
	config.ChangefeedID = "feed-" + name
	config.Host, config.Port = "127.0.0.1", 0
	config.Dev = true
	config.RatePerIP, config.RatePerName = 0, 0 // tests come from one address
	if _, test := t.(*testing.T); test {
		config.HashMemoryKiB, config.HashTime = 64, 1 // passwords that everybody knows need not cost 50 ms
	}
	config.KeyFile = filepath.Join(t.TempDir(), "key")
	if err := service.CreateKey(config.KeyFile); err != nil {
		t.Fatal(err)
	}
	return config
}

// setUp makes what a configuration needs, until the test ends.
func setUp(t testing.TB, config service.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	if err := makeDatabase(ctx, config); err != nil {
		t.Fatal(err)
	}
	if _, err := config.EnsureTopics(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.EnsureChangefeed(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logState(t, config)
		}
		tearDown(t, config)
	})
}

func tearDown(t testing.TB, config service.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	RemoveChangefeed(ctx, t, config)
	deleteTopics(t, config)
	dropDatabase(t, config)
	if err := revokeDatabase(ctx, config); err != nil {
		t.Errorf("take back privileges on %s: %v", config.TiDBDatabase, err)
	}
}

// deleteTopics frees what Kafka keeps: a broker with thousands of partitions is
// slow. The test may have left it dead.
func deleteTopics(t testing.TB, config service.Config) {
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Logf("the topics are left: %v", err)
		return
	}
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		if err := admin.DeleteTopic(topic); err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			t.Logf("topic %s is left: %v", topic, err)
		}
	}
	if err := admin.Close(); err != nil {
		t.Error(err)
	}
}

// RemoveChangefeed deletes the configuration's changefeed.
func RemoveChangefeed(ctx context.Context, t testing.TB, config service.Config) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, config.TiCDCURL+"/api/v2/changefeeds/"+config.ChangefeedID, nil)
	if err != nil {
		t.Error(err)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}

// AddUser makes a user whose password is its name.
func AddUser(t testing.TB, config service.Config, name string, role domain.Role) domain.UserID {
	t.Helper()
	id, err := config.CreateUser(t.Context(), command.CreateUser{
		Username: name, Password: domain.NewSecret(name), Role: role, Origin: domain.Origin{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Eventually waits until check returns nil, and fails with its last error
// after the timeout.
func Eventually(t testing.TB, timeout time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", timeout, err)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the test ended: %v", err)
		}
	}
}

// Pause lets a fault last for some time.
func Pause(t testing.TB, duration time.Duration) {
	t.Helper()
	select {
	case <-time.After(duration):
	case <-t.Context().Done():
		t.Fatal("the test ended")
	}
}
