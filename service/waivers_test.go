package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/app/command"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
)

func TestADeadLetterIsWaivedOnce(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	at := poisoned(t, config, "poison")
	for field, texts := range map[string][2]string{"reason": {" ", "Alice"}, "by": {"none", ""}} {
		if _, err := config.WaiveDeadLetter(t.Context(), "", at, texts[0], texts[1]); err == nil || !strings.Contains(err.Error(), field+": must not be empty") {
			t.Errorf("without %s: %v", field, err)
		}
	}
	waive(t, config, at)
	_, err := config.WaiveDeadLetter(t.Context(), "", at, "again", "Bob")
	if !errors.Is(err, command.ErrWaived) || !strings.Contains(err.Error(), "by Alice") {
		t.Errorf("waived again: %v", err)
	}
	token := login(t, client, "admin")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		for _, entry := range entries {
			if entry.EventType == string(domain.DeadLetterWaived) && strings.Contains(*entry.New["payload"], `"by":"Alice"`) {
				return nil
			}
		}
		return errors.New("the waiver is not in the log")
	})
	stack.RequireNoFindings(t, config)
}

func TestAMessageIsWaivedForEveryProjectionThatHasItAsADeadLetter(t *testing.T) {
	config := stack.New(t)
	receive(t, &config)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	all := []string{projection.AuditName, projection.LoginsName, projection.NotificationsName}
	at := poisoned(t, config, "poison", projection.NotificationsName)
	waiver, err := config.WaiveDeadLetter(t.Context(), "", at, "a test wrote it", "Alice")
	if err != nil || !slices.Equal(waiver.Projections, all) {
		t.Fatalf("waived for %v, %v", waiver.Projections, err)
	}
	awaitState(t, config, at, projection.DeadLetterWaived, all)
}

func TestAWaivedDeadLetterThatIsUnderstoodIsNone(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	stack.RequireNoFindings(t, config)
	at := misunderstood(t, config)
	waive(t, config, at)
	if retried, err := retry(t, config, nil); err != nil || len(retried) != 1 || retried[0].Reason != "" {
		t.Errorf("retried %+v, %v", retried, err)
	}
	requireCount(t, config, 1, 0, 0)
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{}); err != nil || !rebuilt.Equal {
		t.Errorf("%+v, %v", rebuilt, err)
	}
}

func TestAVerificationIsCleanButForOpenDeadLetters(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	at := poisoned(t, config, "poison")
	eventuallyComplete(t, client, login(t, client, "admin"))
	if report := verify(t, config); report.Clean || len(report.Faults) != 1 {
		t.Errorf("while it is open: %+v", report)
	}
	waive(t, config, at)
	eventuallyComplete(t, client, login(t, client, "admin"))
	for _, from := range []string{"kafka", "table", export(t, config)} {
		report := requireClean(t, config, "--from", from)
		if len(report.Faults) != 0 || len(report.Waived) != 1 || report.Waived[0].Offset != at.Offset || report.Waived[0].By != "Alice" {
			t.Errorf("from %s: %+v", from, report)
		}
	}
	code, stdout, _ := helfy(t, config, "audit", "verify")
	if code != 0 || !strings.Contains(stdout, fmt.Sprintf("waived: %s[0]@%d: ", at.Topic, at.Offset)) || !strings.Contains(stdout, "(by Alice: a test wrote it)\n") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	config.KeyFile = ""
	if report := verify(t, config); report.Clean || len(report.Waived) != 0 || report.MACsChecked {
		t.Errorf("without the key, by which a waiver is known to be genuine: %+v", report)
	}
}

// forgeWaiver writes a waiver by SQL: a genuine one, but of another record.
const forgeWaiver = `INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
	SELECT UUID(), aggregatetype, aggregateid, type,
	       REPLACE(REPLACE(payload, '"offset":FROM,', '"offset":TO,'), SHA2('genuine', 256), SHA2('forged', 256)),
	       metadata, seq + 1, hash, hash, key_id, NOW(6)
	FROM outbox WHERE type = 'DEAD_LETTER_WAIVED'`

func TestAForgedWaiverIsAFindingAndWaivesNothing(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	genuine, forged := poisoned(t, config, "genuine"), poisoned(t, config, "forged")
	waive(t, config, genuine)
	exec(t, config, strings.NewReplacer("FROM,", fmt.Sprint(genuine.Offset, ","), "TO,", fmt.Sprint(forged.Offset, ",")).Replace(forgeWaiver))
	found := stack.VerifiedFindings(t, config)
	if len(found) != 1 || found[0].Kind != domain.BadMAC {
		t.Errorf("found %+v", found)
	}
	requireCount(t, config, 1, 1, 1)
	awaitDeadLetter(t, config, forged, projection.DeadLetterOpen)
}
