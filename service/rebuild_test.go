package service_test

import (
	"errors"
	"strings"
	"testing"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func rebuild(t *testing.T, config service.Config, options projection.RebuildOptions) (projection.Rebuilt, error) {
	t.Helper()
	rebuilt, err := config.Rebuild(t.Context(), projection.AuditName, options, nil)
	t.Logf("rebuilt %+v, %v", rebuilt, err)
	return rebuilt, err
}

func wholeLog(t *testing.T, client *stack.Client, token string) []stack.Entry {
	t.Helper()
	eventuallyComplete(t, client, token)
	entries, err := client.WholeAudit(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestARebuiltLogTakesThePlaceOfTheLiveOneAndGivesItBack(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login := func() string {
		token, err := client.Login(t.Context(), "admin", "admin")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for range 5 {
		login()
	}
	token := login()
	before := wholeLog(t, client, token)

	rebuilt, err := rebuild(t, config, projection.RebuildOptions{})
	if err != nil || !rebuilt.Switched || !rebuilt.Equal || rebuilt.Generation != 2 || rebuilt.Live != 1 {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	after := wholeLog(t, client, token)
	if len(after) != len(before) {
		t.Errorf("%d entries became %d", len(before), len(after))
	}
	login()
	more := wholeLog(t, client, token)
	if len(more) != len(before)+2 {
		t.Errorf("a login after the switch: %d entries, want %d", len(more), len(before)+2)
	}
	if number, err := config.Rollback(t.Context(), projection.AuditName); err != nil || number != 1 {
		t.Fatalf("rolled back to %d, %v", number, err)
	}
	if back := wholeLog(t, client, token); len(back) != len(more) {
		t.Errorf("after the rollback %d entries, want %d", len(back), len(more))
	}
}

func TestARowChangedByHandMakesARebuildDiffer(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token, err := client.Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	eventuallyComplete(t, client, token)
	exec(t, config, "UPDATE projection_audit_entries SET username = 'mallory' WHERE event_type = 'LOGIN_SUCCESS'")
	rebuilt, err := rebuild(t, config, projection.RebuildOptions{})
	if !errors.Is(err, projection.ErrDiffers) || rebuilt.Switched || rebuilt.New == rebuilt.Old {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
}

func TestAnUnknownProjectionIsRefusedWithTheNamesOfAll(t *testing.T) {
	config := stack.New(t)
	_, err := config.Rollback(t.Context(), "adit")
	if !errors.Is(err, projection.ErrNoProjection) || !strings.Contains(err.Error(), `"adit"; there are: audit, logins`) {
		t.Error(err)
	}
}
