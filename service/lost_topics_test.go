package service_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// What operators do whose Kafka has lost its disk, and every replica with it.
func TestALogGoesOnInTopicsOfOtherNamesWhenItsOwnAreLost(t *testing.T) {
	t.Parallel()
	rename := map[string]func(*service.Config) (old string){
		"both": func(c *service.Config) string {
			old := c.ChangesTopic
			c.ChangesTopic, c.EventsTopic = old+"-2", c.EventsTopic+"-2"
			return old
		},
		"the events": func(c *service.Config) string {
			old := c.EventsTopic
			c.EventsTopic += "-2"
			return old
		},
	}
	for name, rename := range rename {
		t.Run(name, func(t *testing.T) { goOnInOtherTopics(t, rename) })
	}
}

func goOnInOtherTopics(t *testing.T, rename func(*service.Config) (old string)) {
	config, client, token, stop := newLog(t)
	login(t, client, "admin")
	awaitComplete(t, client, token)
	before := wholeLog(t, client, token)
	stop()
	stack.RemoveChangefeed(t.Context(), t, config)
	stack.AddUser(t, config, "missed", domain.RoleUser) // what nobody sends
	whole := config
	old := rename(&config)
	administrate(t, config, func(admin sarama.ClusterAdmin) (err error) {
		for _, topic := range []string{whole.ChangesTopic, whole.EventsTopic} {
			if topic != config.ChangesTopic && topic != config.EventsTopic {
				err = errors.Join(err, admin.DeleteTopic(topic))
			}
		}
		return err
	})
	if _, err := config.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.EnsureChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, _ = stack.Run(t, config)
	token = login(t, client, "admin")
	awaitComplete(t, client, token)
	after := wholeLog(t, client, token)
	if len(after) != len(before)+2 {
		t.Fatalf("%d entries, want %d and 2 of the login after it", len(after), len(before))
	}
	for i, entry := range before {
		if after[i+2].ID != entry.ID {
			t.Errorf("entry %d is %s, want %s", i, after[i+2].ID, entry.ID)
		}
	}
	page, err := client.Audit(t.Context(), token, "?limit=1")
	if err != nil || len(page.Gaps) != 1 {
		t.Errorf("gaps %+v, %v, want the one in which nobody sent anything", page.Gaps, err)
	}
	if code, said := stack.RunCommand(t, config, "", "audit", "verify", "--from", "table"); code != 1 || !strings.Contains(said, "the outbox has event 1 of user/2, the log has not") {
		t.Errorf("audit verify: exit code %d, %s", code, said)
	}
	code, said := stack.RunCommand(t, config, "", "rebuild", "audit")
	if want := "the generation does not read a partition: " + old + "[0], which the live one does"; code == 0 || !strings.Contains(said, want) {
		t.Errorf("rebuild: exit code %d, %s, want %s", code, said, want)
	}
}
