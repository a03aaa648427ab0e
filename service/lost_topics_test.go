package service_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
	eventuallyComplete(t, client, token)
	before := wholeLog(t, client, token)
	stop()
	unread := stack.AddUser(t, config, "unread", domain.RoleUser)
	sent := time.Now()
	stack.Eventually(t, wait, func() error {
		feed, err := config.ChangefeedStatus(t.Context())
		if err == nil && !feed.CheckpointAt().After(sent) {
			err = fmt.Errorf("sent up to %s", feed.CheckpointAt())
		}
		return err
	})
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
	later := stack.AddUser(t, config, "later", domain.RoleUser)

	for _, step := range [][]string{{"topics", "ensure"}, {"changefeed", "ensure", "--replace"}} {
		if code, said := stack.RunCommand(t, config, "", step...); code != 0 {
			t.Fatalf("%v: exit code %d, %s", step, code, said)
		}
	}
	client, _ = stack.Run(t, config)
	token = login(t, client, "admin")
	eventuallyComplete(t, client, token)
	ids, of := map[string]bool{}, map[domain.UserID]int{}
	for _, entry := range wholeLog(t, client, token) {
		ids[entry.ID] = true
		of[domain.UserID(*entry.UserID)]++
	}
	for _, entry := range before {
		if !ids[entry.ID] {
			t.Errorf("entry %s is no longer there", entry.ID)
		}
	}
	if of[later] != 2 || of[unread] == 2 {
		t.Errorf("%d entries of the user made after the loss, want 2; %d of the one whose event is lost, want less", of[later], of[unread])
	}
	if page, err := client.Audit(t.Context(), token, "?limit=1"); err != nil || len(page.Gaps) != 0 {
		t.Errorf("gaps %+v, %v, want none: the changefeed has sent everything, once", page.Gaps, err)
	}
	code, said := stack.RunCommand(t, config, "", "audit", "verify", "--from", "table")
	if want := fmt.Sprintf("the outbox has event 1 of user/%d, the log has not", unread); code != 1 || !strings.Contains(said, want) {
		t.Errorf("audit verify: exit code %d, %s, want %s", code, said, want)
	}
	code, said = stack.RunCommand(t, config, "", "rebuild", "audit")
	if want := "the generation does not read a partition: " + old + "[0], which the live one does"; code == 0 || !strings.Contains(said, want) {
		t.Errorf("rebuild: exit code %d, %s, want %s", code, said, want)
	}
}
