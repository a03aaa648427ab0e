package docs_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// wait is how long something may take to be projected, the session timeout of
// a consumer that was killed included.
const wait = 40 * time.Second

// recipes is a service that the recipes were followed for.
type recipes struct {
	t       *testing.T
	config  service.Config
	db      *sql.DB
	program string
	process *stack.Process
	client  *stack.Client
}

func (r *recipes) start() {
	r.t.Helper()
	if r.client == nil {
		r.client = stack.NewClient(stack.StartProgram(r.t, r.program, r.config, "serve").Address(r.t))
	}
	r.process = stack.StartProgram(r.t, r.program, r.config, "consume")
}

func (r *recipes) logIn(name string, times int) (token string) {
	r.t.Helper()
	for range times {
		var err error
		if token, err = r.client.Login(r.t.Context(), name, name); err != nil {
			r.t.Fatal(err)
		}
	}
	return token
}

// counts reads the projection.
func (r *recipes) counts() (map[domain.UserID]int, error) {
	rows, err := r.db.QueryContext(r.t.Context(), `
		SELECT user_id, logins FROM projection_logins_per_user
		WHERE generation = (SELECT generation FROM projection_generations WHERE projection = 'logins_per_user' AND state = 'live')`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[domain.UserID]int{}
	for rows.Next() {
		var user domain.UserID
		var logins int
		if err := rows.Scan(&user, &logins); err != nil {
			return nil, err
		}
		counts[user] = logins
	}
	return counts, rows.Err()
}

// requireCounts waits until the projection has read everything that is in the
// topic now, and compares.
func (r *recipes) requireCounts(want map[domain.UserID]int) {
	r.t.Helper()
	r.readUp()
	if got, err := r.counts(); err != nil || !maps.Equal(got, want) {
		r.t.Fatalf("logins are %v, want %v, %v", got, want, err)
	}
}

func (r *recipes) readUp() {
	r.t.Helper()
	// A login is in the topic some milliseconds after its answer.
	r.awaitEvents()
	partitions, err := r.config.Kafka().Partitions(r.t.Context(), r.config.EventsTopic)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range partitions {
		stack.Eventually(r.t, wait, func() error {
			var next int64
			err := r.db.QueryRowContext(r.t.Context(), `
				SELECT MIN(next_offset) FROM projection_checkpoints
				WHERE projection = 'logins_per_user' AND topic = ? AND kafka_partition = ?`, p.Topic, p.Partition).Scan(&next)
			if err == nil && next < p.End {
				err = fmt.Errorf("%s is read up to %d of %d", p, next, p.End)
			}
			return err
		})
	}
}

func (r *recipes) awaitEvents() {
	r.t.Helper()
	stack.Eventually(r.t, wait, func() error {
		var stored int
		if err := r.db.QueryRowContext(r.t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&stored); err != nil {
			return err
		}
		ids := map[string]bool{}
		for _, change := range readChanges(r.t, r.config, r.config.EventsTopic) {
			ids[newEvent(r.t, change).row["id"]] = true
		}
		if len(ids) != stored {
			return fmt.Errorf("%d events of %d are in Kafka", len(ids), stored)
		}
		return nil
	})
}

// repeat sends every record of the topic again, as TiCDC does after a restart.
func (r *recipes) repeat() {
	r.t.Helper()
	settings := sarama.NewConfig()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(r.config.KafkaBrokers, settings)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() {
		if err := producer.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	for _, record := range readTopic(r.t, r.config, r.config.EventsTopic) {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic: record.Topic, Partition: record.Partition, Value: sarama.ByteEncoder(record.Value),
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *recipes) exec(statement string) {
	r.t.Helper()
	if _, err := r.db.ExecContext(r.t.Context(), statement); err != nil {
		r.t.Fatal(err)
	}
}

func TestTheRecipesWork(t *testing.T) {
	config := stack.New(t)
	r := &recipes{t: t, config: config, db: stack.DB(t, config), program: follow(t).build(t)}
	r.helfy(append([]string{"tidb", "accounts", "ensure"}, stack.PasswordFiles(t)...)...)
	r.helfy("migrate", "up")
	alice := stack.AddUser(t, r.config, "alice", domain.RoleAdmin)
	bob := stack.AddUser(t, r.config, "bob", domain.RoleUser)
	r.start()
	want := map[domain.UserID]int{alice: 5, bob: 3}
	token := r.logIn("alice", 5)
	r.logIn("bob", 3)
	if _, err := r.client.Login(t.Context(), "bob", "wrong"); err == nil {
		t.Fatal("a wrong password was taken")
	}

	r.requireCounts(want)
	r.checkRoute(token)

	r.repeat() // messages that come again
	r.requireCounts(want)

	r.process.Kill() // messages that are read again
	r.exec("UPDATE projection_checkpoints SET next_offset = first_offset WHERE projection = 'logins_per_user'")
	r.start()
	r.requireCounts(want)

	r.rebuild()
	r.requireCounts(want)
	r.logIn("bob", 2)
	want[bob] += 2
	r.requireCounts(want)
	r.helfy("rollback", "logins_per_user")
	r.requireCounts(want)
	r.helfy("projections", "prune", "logins_per_user")
	r.requireCounts(want)
	r.checkGroups()
	r.checkNoDeadLetters()
}

func (r *recipes) helfy(args ...string) {
	r.t.Helper()
	run(r.t, ".", stack.Environ(r.config), r.program, args...)
}

// rebuild finds a counter that was changed by hand, and then none.
func (r *recipes) rebuild() {
	r.t.Helper()
	r.exec("UPDATE projection_logins_per_user SET logins = logins + 1")
	command := exec.CommandContext(r.t.Context(), r.program, "rebuild", "logins_per_user", "--verify", "--diff")
	command.Env = append(os.Environ(), stack.Environ(r.config)...)
	out, err := command.CombinedOutput()
	if err == nil || strings.Count(string(out), `"table":"projection_logins_per_user"`) != 2 {
		r.t.Fatalf("%v: %s", err, out)
	}
	r.exec("UPDATE projection_logins_per_user SET logins = logins - 1")
	r.helfy("rebuild", "logins_per_user")
}

// checkRoute calls the route and looks for its event in the log.
func (r *recipes) checkRoute(token string) {
	t := r.t
	t.Helper()
	response, body, err := r.client.Do(t.Context(), http.MethodPost, "/api/terms", token, `{"version":"2026-11"}`)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("status %v, %s, %v", response, body, err)
	}
	if response, _, err := r.client.Do(t.Context(), http.MethodPost, "/api/terms", token, `{"version":""}`); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("no version: %v, %v", response, err)
	}
	stack.Eventually(t, wait, func() error {
		page, err := r.client.Audit(t.Context(), token, "?eventType=TERMS_ACCEPTED")
		if err == nil && len(page.Entries) != 1 {
			err = fmt.Errorf("%d entries, want 1", len(page.Entries))
		}
		return err
	})
	for _, change := range readChanges(t, r.config, r.config.EventsTopic) {
		if e := newEvent(t, change); e.row["type"] == "TERMS_ACCEPTED" && e.payload["version"] != "2026-11" {
			t.Errorf("payload is %v", e.payload)
		}
	}
}

// checkGroups looks that each group has committed what it read: the audit
// projection under the names that it always had.
func (r *recipes) checkGroups() {
	t, config := r.t, r.config
	t.Helper()
	broker := config.Kafka()
	for group, topic := range map[string]string{
		config.ConsumerGroup + "." + config.ChangesTopic:                config.ChangesTopic,
		config.ConsumerGroup + "." + config.EventsTopic:                 config.EventsTopic,
		config.ConsumerGroup + ".logins_per_user." + config.EventsTopic: config.EventsTopic,
	} {
		stack.Eventually(t, wait, func() error {
			partitions, err := broker.Partitions(t.Context(), topic)
			if err != nil {
				return err
			}
			committed, err := broker.Committed(t.Context(), group, partitions)
			for i, offset := range committed {
				if offset < 0 {
					err = errors.Join(err, fmt.Errorf("group %s has committed nothing in %s", group, partitions[i]))
				}
			}
			return err
		})
	}
}

func (r *recipes) checkNoDeadLetters() {
	r.t.Helper()
	var letters int
	err := r.db.QueryRowContext(r.t.Context(), "SELECT COUNT(*) FROM projection_dead_letters").Scan(&letters)
	if err != nil || letters != 0 {
		r.t.Errorf("%d dead letters, %v", letters, err)
	}
}
