package stack

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"

	"helfy/domain"
)

// CheckChains reads the outbox and returns what is wrong with the chains in
// it: a link that is missing, does not follow the one before or is not
// genuine, and a head that is not the last link.
func CheckChains(ctx context.Context, db *sql.DB, keyFile string) ([]string, error) {
	keyring, err := Keyring(keyFile)
	if err != nil {
		return nil, err
	}
	heads, faults, err := walk(ctx, db, keyring)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `
		SELECT CONCAT('user/', id), event_seq, event_hash FROM users
		UNION ALL SELECT CONCAT(aggregatetype, '/', aggregateid), event_seq, event_hash FROM event_chains`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var head domain.Head
		if err := rows.Scan(&name, &head.Seq, &head.Hash); err != nil {
			return nil, err
		}
		if heads[name] != head {
			faults = append(faults, fmt.Sprintf("%s: the head is %+v, the last event %+v", name, head, heads[name]))
		}
	}
	return faults, rows.Err()
}

// Keyring reads a key file.
func Keyring(keyFile string) (*domain.Keyring, error) {
	keys, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return domain.ReadKeyring(bytes.NewReader(keys))
}

func walk(ctx context.Context, db *sql.DB, keyring *domain.Keyring) (map[string]domain.Head, []string, error) {
	rows, err := db.QueryContext(ctx, `
		SELECT id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at
		FROM outbox ORDER BY aggregatetype, aggregateid, seq`)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	heads := map[string]domain.Head{}
	var faults []string
	for rows.Next() {
		var e domain.Event
		err := rows.Scan(&e.ID, &e.AggregateType, &e.AggregateID, &e.Type, &e.Payload, &e.Metadata, &e.Seq, &e.PrevHash, &e.Hash, &e.KeyID, &e.OccurredAt)
		if err != nil {
			return nil, nil, err
		}
		name := e.AggregateType + "/" + e.AggregateID
		if head := heads[name]; e.Seq != head.Seq+1 || e.PrevHash != head.Hash {
			faults = append(faults, fmt.Sprintf("%s: event %s (seq %d) does not follow %+v", name, e.ID, e.Seq, head))
		}
		if !keyring.VerifyEvent(e) {
			faults = append(faults, fmt.Sprintf("%s: event %s (seq %d) is not genuine", name, e.ID, e.Seq))
		}
		heads[name] = domain.Head{Seq: e.Seq, Hash: e.Hash}
	}
	return heads, faults, rows.Err()
}
