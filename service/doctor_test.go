package service_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// diagnosed returns what the checks found that are not well.
func diagnosed(t *testing.T, config service.Config) map[string]query.Diagnosis {
	t.Helper()
	bad := map[string]query.Diagnosis{}
	for _, one := range config.Doctor(t.Context()) {
		if one.Status != query.CheckOK {
			bad[one.Check] = one
		}
		if one.Found == "" || (one.Advice == "") != (one.Status == query.CheckOK) {
			t.Errorf("%+v must say what was found, and what to do unless all is well", one)
		}
	}
	return bad
}

// wellRunning is a configuration whose parts are all well.
func wellRunning(t *testing.T) service.Config {
	t.Helper()
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	stack.Eventually(t, wait, func() error {
		if bad := diagnosed(t, config); len(bad) > 0 {
			return fmt.Errorf("not well: %+v", bad)
		}
		return nil
	})
	return config
}

func TestTheDoctorFindsNothingWhereAllIsWell(t *testing.T) {
	config := wellRunning(t)
	names := []string{}
	for _, one := range config.Doctor(t.Context()) {
		names = append(names, one.Check)
	}
	want := "key file, TiDB, privileges, migrations, Kafka, topics, TiCDC, changefeed, gaps, consumers, projections"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("checks are %s, want %s", got, want)
	}
}

func TestTheDoctorNamesWhatIsWrongAndWhatToDo(t *testing.T) {
	config := wellRunning(t)
	for name, c := range map[string]struct {
		change func(*service.Config)
		status query.CheckStatus
		// checks must fail, in the order of their names; found and advice are of
		// the first.
		check, found, advice string
	}{
		"no key":             {func(c *service.Config) { c.KeyFile = "" }, query.CheckFail, "key file", "HELFY_KEY_FILE", "HELFY_KEY_FILE"},
		"TiDB away":          {func(c *service.Config) { c.TiDBPort = 1 }, query.CheckFail, "TiDB", "refused", "start TiDB"},
		"no such account":    {func(c *service.Config) { c.TiDBUser = "nobody" }, query.CheckFail, "TiDB", "TIDB_USER", "TIDB_USER"},
		"no such database":   {func(c *service.Config) { c.TiDBDatabase += "x" }, query.CheckFail, "migrations", "migrations are due", "helfy migrate up"},
		"Kafka away":         {func(c *service.Config) { c.KafkaBrokers = []string{"127.0.0.1:1"} }, query.CheckFail, "Kafka", "no Kafka broker answers", "start Kafka"},
		"a topic is missing": {func(c *service.Config) { c.EventsTopic += "x" }, query.CheckFail, "topics", "there is no topic", "helfy topics ensure"},
		"other partitions":   {func(c *service.Config) { c.KafkaPartitions++ }, query.CheckFail, "topics", "partitions, want", "KAFKA_PARTITIONS"},
		"TiCDC away":         {func(c *service.Config) { c.TiCDCURL = "http://127.0.0.1:1" }, query.CheckFail, "TiCDC", "refused", "start TiCDC"},
		"unknown feed":       {func(c *service.Config) { c.TiCDCURL = "http://127.0.0.1:1" }, query.CheckFail, "changefeed", "state unknown", "the check of TiCDC"},
		"another feed":       {func(c *service.Config) { c.ChangefeedID += "x" }, query.CheckFail, "changefeed", "state missing", "helfy changefeed ensure"},
		"nobody reads":       {func(c *service.Config) { c.ConsumerGroup += "x" }, query.CheckFail, "consumers", "nobody reads", "helfy consume"},
	} {
		t.Run(name, func(t *testing.T) {
			other := config
			c.change(&other)
			bad := diagnosed(t, other)
			got, ok := bad[c.check]
			if !ok || got.Status != c.status || !strings.Contains(got.Found, c.found) || !strings.Contains(got.Advice, c.advice) {
				t.Errorf("%s: want it to find %q and advise %q, got %+v", c.check, c.found, c.advice, bad)
			}
		})
	}
}

func TestTheDoctorNamesThePrivilegesThatAnAccountLacks(t *testing.T) {
	config := wellRunning(t)
	for command, account := range map[string]string{"serve": service.APIAccount, "consume": service.ConsumerAccount} {
		as := stack.As(config, command)
		if as.TiDBUser != account {
			t.Fatalf("%s runs as %s", command, as.TiDBUser)
		}
		bad, lacks := diagnosed(t, as)["privileges"]
		if lacks {
			t.Errorf("%s: %+v", account, bad)
		}
	}
	consumer := stack.As(config, "consume")
	exec(t, config, "REVOKE INSERT ON "+config.TiDBDatabase+".projection_audit_entries FROM "+service.ConsumerAccount)
	if got := diagnosed(t, consumer)["privileges"]; got.Status != query.CheckFail || !strings.Contains(got.Found, "helfy_consumer lacks INSERT on projection_audit_entries") || !strings.Contains(got.Advice, "helfy tidb accounts ensure") {
		t.Errorf("got %+v", got)
	}
}

func TestTheDoctorSeesWhatHappensToTheParts(t *testing.T) {
	for name, c := range map[string]struct {
		harm                 func(*testing.T, service.Config)
		status               query.CheckStatus
		check, found, advice string
	}{
		"others may read the key": {func(t *testing.T, c service.Config) {
			if err := os.Chmod(c.KeyFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, query.CheckFail, "key file", "0644", "chmod 600"},
		"a migration is due": {func(t *testing.T, c service.Config) {
			exec(t, c, "DELETE FROM goose_db_version ORDER BY version_id DESC LIMIT 1")
		}, query.CheckFail, "migrations", "1 migrations are due", "helfy migrate up"},
		"finite retention": {func(t *testing.T, c service.Config) { alterTopic(t, c, c.EventsTopic, "retention.ms", "604800000") },
			query.CheckFail, "topics", "retention.ms=604800000", "kafka-configs"},
		"compaction": {func(t *testing.T, c service.Config) { alterTopic(t, c, c.ChangesTopic, "cleanup.policy", "compact") },
			query.CheckFail, "topics", "cleanup.policy=compact", "kafka-configs"},
		"the changefeed is paused": {func(t *testing.T, c service.Config) {
			if err := c.PauseChangefeed(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, query.CheckFail, "changefeed", "state stopped", "helfy changefeed resume"},
		"the changefeed is gone": {func(t *testing.T, c service.Config) { stack.RemoveChangefeed(t.Context(), t, c) },
			query.CheckFail, "changefeed", "state removed", "helfy changefeed ensure"},
		"the changefeed differs": {func(t *testing.T, c service.Config) {
			putInPlace(t, c, func(request map[string]any) { request["target_ts"] = tsoIn(3600e9) })
		}, query.CheckFail, "changefeed", "target_ts", "--replace"},
		"a gap": {func(t *testing.T, c service.Config) {
			exec(t, c, "UPDATE changefeeds SET late = TRUE")
		}, query.CheckWarn, "gaps", "from the beginning", "docs/operations.md"},
		"a dead letter": {func(t *testing.T, c service.Config) { stack.Produce(t, c, c.EventsTopic, 0, "no message") },
			query.CheckWarn, "projections", "could not understand", "helfy deadletters"},
	} {
		t.Run(name, func(t *testing.T) {
			config := wellRunning(t)
			c.harm(t, config)
			stack.Eventually(t, wait, func() error {
				bad := diagnosed(t, config)
				got, ok := bad[c.check]
				if !ok || got.Status != c.status || !strings.Contains(got.Found, c.found) || !strings.Contains(got.Advice, c.advice) {
					return fmt.Errorf("%s: want it to find %q and advise %q, got %+v", c.check, c.found, c.advice, bad)
				}
				if len(bad) > 1 {
					return fmt.Errorf("want nothing else, got %+v", bad)
				}
				return nil
			})
		})
	}
}

func TestTheDoctorSeesThatTiDBKeepsOldRows(t *testing.T) {
	config := stack.NewOwn(t).Config()
	exec(t, config, "SET GLOBAL tidb_ttl_job_enable = OFF")
	got := diagnosed(t, config)["TiDB"]
	if got.Status != query.CheckWarn || !strings.Contains(got.Found, "tidb_ttl_job_enable is off") || !strings.Contains(got.Advice, "tidb_ttl_job_enable = ON") {
		t.Errorf("got %+v", got)
	}
}

// alterTopic sets one setting of a topic.
func alterTopic(t *testing.T, config service.Config, topic, name, value string) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	err = admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{name: &value}, false)
	if err := errors.Join(err, admin.Close()); err != nil {
		t.Fatal(err)
	}
}
