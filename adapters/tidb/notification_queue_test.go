package tidb_test

import (
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/notification"
	"helfy/internal/stack"
)

func TestAClaimWhoseCommitIsLostTakesNoMoreThanItMay(t *testing.T) {
	for name, cut := range map[string]stack.Cut{"before the server sees it": stack.CutBeforeCommit, "after the server has it": stack.CutAfterCommit} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			db := stack.DB(t, config)
			for id := range 5 {
				_, err := db.ExecContext(t.Context(), `
					INSERT INTO notifications (id, channel, type, body, state, created_at, began_at, next_try_at)
					VALUES (?, ?, 'login', '{}', ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`,
					id, notification.Webhook, notification.Pending)
				if err != nil {
					t.Fatal(err)
				}
			}
			viaProxy, proxy := stack.ViaProxy(t, config)
			queue := tidb.NewNotifications(stack.DB(t, viaProxy))
			proxy.CutNext(cut)
			claimed, err := queue.Claim(t.Context(), notification.Webhook, 2, time.Minute)
			if err != nil || len(claimed) != 2 || proxy.Cuts.Load() != 1 {
				t.Fatalf("claimed %+v after %d cuts, %v", claimed, proxy.Cuts.Load(), err)
			}
			for _, one := range claimed {
				if one.Tries != 1 {
					t.Errorf("%s is at its try %d", one.ID, one.Tries)
				}
			}
			var taken int
			err = db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM notifications WHERE claim IS NOT NULL").Scan(&taken)
			if err != nil || taken != 2 {
				t.Errorf("%d are claimed, %v", taken, err)
			}
		})
	}
}
