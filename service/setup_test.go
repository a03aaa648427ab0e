package service_test

import (
	"fmt"
	"strings"
	"testing"

	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
)

func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	config := stack.New(t)
	all, err := config.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, migration := range all {
		if migration.AppliedAt.IsZero() {
			t.Errorf("%s is due", migration.File)
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if file, err := config.MigrateDown(t.Context()); err != nil || file != all[i].File {
			t.Fatalf("took %q back, %v, want %s", file, err, all[i].File)
		}
	}
	if file, err := config.MigrateDown(t.Context()); err != nil || file != "" {
		t.Errorf("with none left: %q, %v", file, err)
	}
	var tables int
	err = stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name <> 'goose_db_version'",
		config.TiDBDatabase).Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v", tables, err)
	}
	if applied, err := config.Migrate(t.Context()); err != nil || len(applied) != len(all) {
		t.Errorf("ran %v, %v", applied, err)
	}
}

func TestWhatIsCommittedWhileTheChangefeedIsPausedComesAfterItIsResumed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, wait, func() error {
		status, err := config.ChangefeedStatus(t.Context())
		if err == nil && status.State != "stopped" {
			err = fmt.Errorf("state %s, want stopped", status.State)
		}
		return err
	})
	token := login(t, client, "admin")
	if _, _, err := config.EnsureChangefeed(t.Context()); err == nil {
		t.Error("a paused changefeed is not as it must be")
	}
	if err := config.ResumeChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventuallyEntries(t, client, token, 4)
	if status, err := config.ChangefeedStatus(t.Context()); err != nil || status.State != query.ChangefeedNormal {
		t.Errorf("status %+v, %v", status, err)
	}
}

func TestAnUnknownChangefeedIsNamed(t *testing.T) {
	config := stack.New(t)
	feed := config
	feed.ChangefeedID = "nobody"
	if status, err := feed.ChangefeedStatus(t.Context()); err != nil || status.State != query.ChangefeedMissing || !strings.Contains(status.Fault, "nobody") {
		t.Errorf("got %+v, %v", status, err)
	}
}

func TestUsersAreListed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	users, err := config.ListUsers(t.Context())
	if err != nil || len(users) != 2 {
		t.Fatalf("%+v, %v", users, err)
	}
	if users[0].Username != "admin" || users[0].ID != 1 || users[1].Role != domain.RoleUser || users[1].LastLoginAt != nil {
		t.Errorf("got %+v", users)
	}
}
