package domain

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// trail is an audit log in the making: what the service and others commit.
type trail struct {
	t        *testing.T
	keyring  *Keyring
	user     *User
	commitTs uint64
	commits  [][]AuditEntry
}

func newTrail(t *testing.T) *trail {
	t.Helper()
	tr := &trail{t: t, keyring: newKeyring(t, keyA), commitTs: TSOOfTime(noon)}
	user := newUser(t, tr.keyring)
	tr.commit(tr.change(nil, tr.row(user.State())), tr.event(user.Pending().Events[0]))
	tr.user = stored(user, tr.keyring)
	return tr
}

// commit adds a transaction.
func (tr *trail) commit(entries ...AuditEntry) {
	tr.commitTs += 1 << tsoLogicalBits
	for i := range entries {
		entries[i].CommitTs = tr.commitTs
	}
	tr.commits = append(tr.commits, entries)
}

// serve lets the service do something with the user and returns what it
// commits.
func (tr *trail) serve(do func(*User)) []AuditEntry {
	before := tr.row(tr.user.State())
	do(tr.user)
	entries := []AuditEntry{tr.change(before, tr.row(tr.user.State()))}
	for _, event := range tr.user.Pending().Events {
		entries = append(entries, tr.event(event))
	}
	tr.user = stored(tr.user, tr.keyring)
	return entries
}

func (tr *trail) fail() []AuditEntry {
	return tr.serve(func(u *User) {
		u.FailLogin(WrongPassword, Occurrence{EventID: "e" + strconv.Itoa(len(tr.commits)), At: noon})
	})
}

func (tr *trail) row(state UserState) map[string]string {
	return map[string]string{
		"id": state.ID.String(), "username": state.Username.String(), "role": string(state.Role), "status": string(state.Status),
		"event_seq": strconv.FormatUint(state.Head.Seq, 10), "event_hash": state.Head.Hash,
	}
}

// bent returns the user's row with some columns written by hand.
func (tr *trail) bent(columns ...string) map[string]string {
	row := tr.row(tr.user.State())
	for i := 0; i < len(columns); i += 2 {
		row[columns[i]] = columns[i+1]
	}
	return row
}

func (tr *trail) change(before, after map[string]string) AuditEntry {
	entry := AuditEntry{Table: "users", Source: SourceChange, Old: tr.json(before), New: tr.json(after)}
	row := after
	if row == nil {
		row = before
	}
	id, err := strconv.ParseInt(row["id"], 10, 64)
	if err != nil {
		tr.t.Fatal(err)
	}
	entry.RowKey, entry.UserID, entry.Username = row["id"], UserID(id), row["username"]
	return entry
}

func (tr *trail) event(event Event) AuditEntry {
	entry := AuditEntry{Table: "outbox", RowKey: event.ID, Source: SourceEvent, EventType: event.Type, Seq: event.Seq}
	if id, err := strconv.ParseInt(event.AggregateID, 10, 64); err == nil && event.AggregateType == AggregateUser {
		entry.UserID = UserID(id)
	}
	entry.New = tr.json(map[string]string{
		"id": event.ID, "aggregatetype": event.AggregateType, "aggregateid": event.AggregateID, "type": string(event.Type),
		"payload": event.Payload, "metadata": event.Metadata, "seq": strconv.FormatUint(event.Seq, 10),
		"prev_hash": event.PrevHash, "hash": event.Hash, "key_id": event.KeyID, "occurred_at": FormatTime(event.OccurredAt),
	})
	return entry
}

func (tr *trail) json(row map[string]string) json.RawMessage {
	if row == nil {
		return nil
	}
	text, err := json.Marshal(row)
	if err != nil {
		tr.t.Fatal(err)
	}
	return text
}

// verify returns the findings of the whole trail as kind and detail.
func (tr *trail) verify(keyring *Keyring) []Finding {
	var findings []Finding
	verifier := NewVerifier(keyring)
	for _, entries := range tr.commits {
		findings = append(findings, verifier.Commit(entries)...)
	}
	return findings
}

// wants fails unless the findings are those kinds, in their order.
func (tr *trail) wants(kinds ...FindingKind) []Finding {
	tr.t.Helper()
	findings := tr.verify(tr.keyring)
	var got []FindingKind
	for _, finding := range findings {
		got = append(got, finding.Kind)
	}
	if !slices.Equal(got, kinds) {
		tr.t.Errorf("got %v, want %v: %+v", got, kinds, findings)
	}
	return findings
}

func TestWhatTheServiceDoesIsNoFinding(t *testing.T) {
	tr := newTrail(t)
	tr.commit(tr.fail()...)
	tr.commit(tr.serve(func(u *User) {
		if err := u.LogIn(NewSession{ID: "s", Token: NewSecret("t"), TTL: time.Hour}, Occurrence{EventID: "in", At: noon}); err != nil {
			t.Fatal(err)
		}
	})...)
	tr.commit(tr.serve(func(u *User) { // two events in one transaction
		u.FailLogin(WrongPassword, Occurrence{EventID: "a", At: noon})
		u.FailLogin(WrongPassword, Occurrence{EventID: "b", At: noon})
	})...)
	event, _ := FailUnknownLogin(tr.keyring, Head{}, MaskName(tr.keyring, "nobody"), Occurrence{EventID: "u", At: noon})
	tr.commit(tr.event(event))
	tr.wants()
	if findings := tr.verify(nil); len(findings) != 0 {
		t.Errorf("without keys: %+v", findings)
	}
}

func TestEachBendIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*trail)
		want []FindingKind
	}{
		"role set by hand": {func(tr *trail) {
			tr.commit(tr.change(tr.bent(), tr.bent("role", "admin")))
		}, []FindingKind{UnattributedChange}},
		"event_seq bumped too": {func(tr *trail) {
			tr.commit(tr.change(tr.bent(), tr.bent("role", "admin", "event_seq", "2")))
		}, []FindingKind{UnattributedChange}},
		"event_seq set back": {func(tr *trail) {
			tr.commit(tr.change(tr.bent(), tr.bent("event_seq", "0")))
		}, []FindingKind{UnattributedChange}},
		"event_hash set by hand in the service's own change": {func(tr *trail) {
			entries := tr.fail()
			entries[0] = tr.change(tr.bent("event_seq", "1"), tr.bent("event_hash", "00"))
			tr.commit(entries...)
		}, []FindingKind{UnattributedChange}},
		"row inserted": {func(tr *trail) {
			tr.commit(tr.change(nil, tr.bent("id", "99", "event_seq", "1")))
		}, []FindingKind{UnattributedChange}},
		"row inserted without a seq": {func(tr *trail) {
			tr.commit(tr.change(nil, tr.bent("id", "99", "event_seq", "0")))
		}, []FindingKind{UnattributedChange}},
		"row deleted": {func(tr *trail) {
			tr.commit(tr.change(tr.bent(), nil))
		}, []FindingKind{UnattributedChange}},
		"primary key changed": {func(tr *trail) {
			tr.commit(tr.change(tr.bent(), nil), tr.change(nil, tr.bent("id", "99")))
		}, []FindingKind{UnattributedChange, UnattributedChange}},
		"forged event": {func(tr *trail) {
			event, _ := newKeyring(tr.t, keyB).Append(tr.user.State().Head, tr.next())
			tr.commit(tr.event(event))
		}, []FindingKind{BadMAC, EventWithoutChange}},
		"forged event with a forged change": {func(tr *trail) {
			event, head := tr.keyring.Append(tr.user.State().Head, tr.next())
			event.Payload = "{}"
			tr.commit(tr.event(event), tr.change(tr.bent(), tr.bent("event_seq", "2", "event_hash", head.Hash)))
		}, []FindingKind{BadMAC, UnattributedChange, EventWithoutChange}},
		"event without its change": {func(tr *trail) {
			tr.commit(tr.fail()[1])
		}, []FindingKind{EventWithoutChange}},
		"event lost with its change": {func(tr *trail) {
			tr.fail()
			tr.commit(tr.fail()...)
		}, []FindingKind{ChainGap}},
		"event committed late": {func(tr *trail) {
			late := tr.fail()
			tr.commit(tr.fail()...)
			tr.commit(late...)
		}, []FindingKind{ChainGap, ChainReorder}},
		"event copied": {func(tr *trail) {
			again := tr.fail()
			tr.commit(again...)
			tr.commit(slices.Clone(again[1:])...)
			tr.commit(tr.fail()...)
		}, []FindingKind{EventWithoutChange, ChainFork}},
		"chain begun anew from an older head": {func(tr *trail) {
			older := tr.user.State()
			tr.commit(tr.fail()...)
			tr.user = LoadUser(older, tr.keyring)
			tr.commit(tr.serve(func(u *User) { u.FailLogin(WrongPassword, Occurrence{EventID: "fork", At: noon}) })...)
			tr.commit(tr.fail()...)
		}, []FindingKind{ChainFork}},
		"link to another event": {func(tr *trail) {
			state := tr.user.State()
			state.Head.Hash = strings.Repeat("0", 64)
			tr.user = LoadUser(state, tr.keyring)
			tr.commit(tr.fail()...)
		}, []FindingKind{ChainEdit}},
		"password hash written by hand": {func(tr *trail) {
			for range 3 { // reported once
				tr.commit(tr.serve(func(u *User) {
					u.FailLogin(BadCredential, Occurrence{EventID: "c" + strconv.Itoa(len(tr.commits)), At: noon})
				})...)
			}
		}, []FindingKind{CredentialMAC}},
		"password hash written by hand again, after the password was set": {func(tr *trail) {
			for _, set := range []EventType{PasswordReset, PasswordChanged} {
				tr.commit(tr.serve(func(u *User) { u.FailLogin(BadCredential, Occurrence{EventID: "before " + string(set), At: noon}) })...)
				tr.commit(tr.serve(func(u *User) { u.record(set, Occurrence{EventID: string(set), At: noon}, struct{}{}) })...)
			}
			tr.commit(tr.serve(func(u *User) { u.FailLogin(BadCredential, Occurrence{EventID: "last", At: noon}) })...)
		}, []FindingKind{CredentialMAC, CredentialMAC, CredentialMAC}},
		"schema changed": {func(tr *trail) {
			tr.commit(tr.ddl("TRUNCATE", "TRUNCATE TABLE users"))
		}, []FindingKind{UnannouncedDDL}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			c.bend(tr)
			tr.t = t
			for _, finding := range tr.wants(c.want...) {
				if finding.CommitTs == 0 || finding.Detail == "" || finding.Table == "" {
					t.Errorf("finding without coordinates: %+v", finding)
				}
			}
		})
	}
}

// next is an event that somebody without the key might write.
func (tr *trail) next() Event {
	return Event{
		ID: "forged", AggregateType: AggregateUser, AggregateID: tr.user.State().ID.String(), Type: LoginSuccess,
		Payload: `{"userId":7}`, Metadata: `{"actor":"user:7"}`, OccurredAt: noon,
	}
}

func (tr *trail) ddl(kind, statement string) AuditEntry {
	return AuditEntry{Table: "users", Source: SourceChange, DDLType: kind, New: tr.json(map[string]string{"query": statement})}
}

func TestAFindingTellsOldAndNew(t *testing.T) {
	tr := newTrail(t)
	tr.commit(tr.change(tr.bent(), tr.bent("role", "admin")))
	if findings := tr.wants(UnattributedChange); !strings.Contains(findings[0].Detail, `role: "user" → "admin"`) {
		t.Errorf("detail %q", findings[0].Detail)
	}
}

func TestAnAnnouncedSchemaChangeIsNoFinding(t *testing.T) {
	tr := newTrail(t)
	var head Head
	announce := func(kind EventType, sql string) {
		var event Event
		event, head = ChangeSchema(tr.keyring, head, kind, SchemaChange{Migration: "00009_x.sql", Direction: "up", SQL: sql},
			Occurrence{EventID: "s" + strconv.Itoa(len(tr.commits)), At: noon})
		tr.commit(tr.event(event))
	}
	const alter = "alter table users add column Nick varchar(9) default 'A;B'"
	announce(SchemaChangeAnnounced, "-- +goose Up\nALTER TABLE users\n  ADD COLUMN Nick VARCHAR(9) /* short */ DEFAULT 'A;B';\nSELECT 1;")
	tr.commit(tr.ddl("ALTER", alter+";"))
	tr.wants()
	tr.commit(tr.ddl("TRUNCATE", "truncate table users"))
	tr.wants(UnannouncedDDL)
	announce(SchemaChangeDone, "")
	tr.commit(tr.ddl("ALTER", alter))
	tr.wants(UnannouncedDDL, UnannouncedDDL)
}

func TestAnAnnouncementDoesNotCoverWhatACommentRuns(t *testing.T) {
	for _, rest := range []string{" /*!, DROP COLUMN role */", " /*T! , DROP COLUMN role */", " /*T![ttl] , DROP COLUMN role */", "--1, DROP COLUMN role"} {
		tr := newTrail(t)
		event, _ := ChangeSchema(tr.keyring, Head{}, SchemaChangeAnnounced,
			SchemaChange{Migration: "m", SQL: "ALTER TABLE users ADD COLUMN age INT DEFAULT 1 -- years\n;"}, Occurrence{EventID: "s", At: noon})
		tr.commit(tr.event(event))
		tr.commit(tr.ddl("ALTER", "ALTER TABLE users ADD COLUMN age INT DEFAULT 1"))
		tr.wants()
		tr.commit(tr.ddl("ALTER", "ALTER TABLE users ADD COLUMN age INT DEFAULT 1"+rest))
		tr.wants(UnannouncedDDL)
	}
}

func TestAnAnnouncementDoesNotLastForEver(t *testing.T) {
	tr := newTrail(t)
	event, _ := ChangeSchema(tr.keyring, Head{}, SchemaChangeAnnounced, SchemaChange{Migration: "m", SQL: "DROP TABLE users"},
		Occurrence{EventID: "s", At: noon})
	tr.commit(tr.event(event))
	tr.commitTs += uint64((announcementTTL + time.Minute).Milliseconds()) << tsoLogicalBits
	tr.commit(tr.ddl("DROP", "DROP TABLE users"))
	tr.wants(UnannouncedDDL)
}

func TestAVerifierGoesOnWhereAnotherStopped(t *testing.T) {
	tr := newTrail(t)
	for range 4 {
		tr.commit(tr.fail()...)
	}
	tr.fail() // lost
	tr.commit(tr.fail()...)
	tr.commit(tr.fail()...)
	want := tr.wants(ChainGap)
	var got []Finding
	states := map[Chain]ChainState{}
	for _, entries := range tr.commits {
		verifier := NewVerifier(tr.keyring)
		for chain, state := range states {
			verifier.SetChain(chain, state)
		}
		got = append(got, verifier.Commit(entries)...)
		for chain, state := range verifier.Chains() {
			text, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			var kept ChainState
			if err := json.Unmarshal(text, &kept); err != nil {
				t.Fatal(err)
			}
			states[chain] = kept
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzSplitSQL(f *testing.F) {
	f.Add("SELECT 'a;b' -- c\n; /* d */ SELECT `e`")
	f.Add("'\\")
	f.Fuzz(func(t *testing.T, text string) {
		for _, statement := range splitSQL(text) {
			if again := splitSQL(statement); !strings.ContainsAny(statement, "'\"`#-/") && !slices.Equal(again, []string{statement}) {
				t.Errorf("%q became %q, then %q", text, statement, again)
			}
		}
	})
}
