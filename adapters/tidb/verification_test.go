package tidb_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// writer writes what commits make of the log, as the consumer does.
type writer struct {
	t        testing.TB
	store    *tidb.ProjectionStore[domain.AuditEntry]
	keyring  *domain.Keyring
	users    map[domain.UserID]*domain.User
	commitTs uint64
	offset   int64
}

func newWriter(t testing.TB, config service.Config) *writer {
	t.Helper()
	keyring, err := stack.Keyring(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, store: tidb.NewAuditStore(stack.DB(t, config)), keyring: keyring, users: map[domain.UserID]*domain.User{},
		commitTs: domain.TSOOfTime(time.Now())}
	_, err = w.store.Open(t.Context(), []projection.Partition{{Topic: topic, TopicID: "id"}, {Topic: other, TopicID: "id"}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// refuse returns the entries of a refused login of a user, who is made if
// there is none of that id.
func (w *writer) refuse(id domain.UserID) []domain.AuditEntry {
	w.t.Helper()
	w.commitTs++
	occurrence := domain.Occurrence{EventID: strconv.FormatUint(w.commitTs, 10), At: time.Now()}
	user, known := w.users[id]
	var before map[string]string
	if known {
		before = cells(user)
		user.FailLogin(domain.WrongPassword, occurrence)
	} else {
		name, err := domain.NewUsername("user-" + id.String())
		if err != nil {
			w.t.Fatal(err)
		}
		user = domain.RegisterUser(id, name, domain.RoleUser, "", w.keyring, occurrence)
	}
	w.users[id] = domain.LoadUser(user.State(), w.keyring)
	entries := []domain.AuditEntry{w.change(id, before, cells(user))}
	for _, e := range user.Pending().Events {
		entries = append(entries, domain.AuditEntry{
			CommitTs: w.commitTs, Table: "outbox", RowKey: e.ID, Source: domain.SourceEvent, EventType: e.Type, UserID: id, Seq: e.Seq,
			Topic: other, New: w.json(map[string]string{
				"id": e.ID, "aggregatetype": e.AggregateType, "aggregateid": e.AggregateID, "type": string(e.Type),
				"payload": e.Payload, "metadata": e.Metadata, "seq": strconv.FormatUint(e.Seq, 10),
				"prev_hash": e.PrevHash, "hash": e.Hash, "key_id": e.KeyID, "occurred_at": domain.FormatTime(e.OccurredAt),
			}),
		})
	}
	return entries
}

// promote returns the entry of a role that somebody gives a user by hand.
func (w *writer) promote(id domain.UserID) domain.AuditEntry {
	w.commitTs++
	before, after := cells(w.users[id]), cells(w.users[id])
	after["role"] = string(domain.RoleAdmin)
	return w.change(id, before, after)
}

func cells(user *domain.User) map[string]string {
	state := user.State()
	return map[string]string{
		"id": state.ID.String(), "username": state.Username.String(), "role": string(state.Role), "status": string(state.Status),
		"event_seq": strconv.FormatUint(state.Head.Seq, 10), "event_hash": state.Head.Hash,
	}
}

func (w *writer) change(id domain.UserID, before, after map[string]string) domain.AuditEntry {
	return domain.AuditEntry{
		CommitTs: w.commitTs, Table: "users", RowKey: id.String(), Source: domain.SourceChange, UserID: id, Username: after["username"],
		Topic: topic, Old: w.json(before), New: w.json(after),
	}
}

func (w *writer) json(row map[string]string) json.RawMessage {
	if row == nil {
		return nil
	}
	text, err := json.Marshal(row)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// flush writes entries and then the watermark of both topics, which makes the
// log complete.
func (w *writer) flush(entries ...domain.AuditEntry) {
	w.t.Helper()
	flush := func(rows []domain.AuditEntry, watermark uint64) {
		items := []item{
			{Record: projection.Record{Topic: topic, Offset: w.offset}, Rows: rows, Watermark: watermark},
			{Record: projection.Record{Topic: other, Offset: w.offset}, Watermark: watermark},
		}
		w.offset++
		if _, err := w.store.Flush(w.t.Context(), items); err != nil {
			w.t.Fatal(err)
		}
	}
	for len(entries) > 0 {
		size := min(len(entries), 500)
		flush(entries[:size], 0)
		entries = entries[size:]
	}
	flush(nil, w.commitTs)
	if _, err := w.store.Generations().Confirm(w.t.Context(), map[int]uint64{projection.FirstGeneration: w.commitTs}); err != nil {
		w.t.Fatal(err)
	}
}

// verify advances until nothing is left, and returns the new findings.
func (w *writer) verify(ctx context.Context, verification tidb.Verification) (added []domain.Finding, err error) {
	for {
		progress, err := verification.Advance(ctx, func(chunk findings.Chunk) findings.Verdict {
			return findings.Judge(w.keyring, chunk)
		})
		added = append(added, progress.New...)
		if err != nil || !progress.More {
			return added, err
		}
	}
}

// verification returns that of a configuration, and all findings that are
// stored, the newest first.
func verification(t testing.TB, config service.Config) (tidb.Verification, func() []domain.Finding) {
	t.Helper()
	db := stack.DB(t, config)
	log := tidb.NewAuditLog(db, topic, other)
	return tidb.NewVerification(db, log), func() []domain.Finding {
		t.Helper()
		found, err := log.Findings(t.Context(), query.FindingFilter{}, nil, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		all := make([]domain.Finding, len(found))
		for i, f := range found {
			all[i] = f.Finding
		}
		return all
	}
}

// load returns so many commits of some users, each hundredth by hand, and how
// many those are.
func (w *writer) load(commits, users int) (entries []domain.AuditEntry, bent int) {
	for i := range commits {
		id := domain.UserID(i%users + 1)
		entries = append(entries, w.refuse(id)...)
		if i%100 == 99 {
			entries = append(entries, w.promote(id))
			bent++
		}
	}
	return entries, bent
}

func TestManyVerifyAtOnceAndEachFindingIsNewOnce(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	entries, bent := w.load(5000, 300)
	w.flush(entries...)
	store, stored := verification(t, config)
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		added []domain.Finding
	)
	for range 4 {
		wait.Go(func() {
			mine, err := w.verify(t.Context(), store)
			for tidb.IsOutage(err) { // another one has held the lock for long
				var more []domain.Finding
				more, err = w.verify(t.Context(), store)
				mine = append(mine, more...)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			added = append(added, mine...)
		})
	}
	wait.Wait()
	if len(added) != bent || len(stored()) != bent {
		t.Errorf("%d findings were new, %d are stored, want %d", len(added), len(stored()), bent)
	}
}

func TestATransactionLargerThanAChunkIsVerifiedWhole(t *testing.T) {
	const size = 4500
	config := stack.New(t)
	w := newWriter(t, config)
	var entries []domain.AuditEntry
	for i := range size {
		entries = append(entries, w.refuse(domain.UserID(i+1))...)
	}
	for i := range entries {
		entries[i].CommitTs = w.commitTs
	}
	w.flush(entries...)
	w.flush(w.promote(1))
	store, stored := verification(t, config)
	if _, err := w.verify(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if found := stored(); len(found) != 1 || found[0].Kind != domain.UnattributedChange || found[0].UserID != 1 {
		t.Errorf("findings are %+v", found)
	}
}

func TestVerificationThatIsInterruptedGoesOnAndFindsTheSame(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	entries, bent := w.load(3000, 100)
	w.flush(entries...)
	viaProxy, proxy := stack.ViaProxy(t, config)
	store, stored := verification(t, viaProxy)
	var added []domain.Finding
	for _, cut := range []stack.Cut{stack.CutBeforeCommit, stack.CutAfterCommit, stack.CutNothing} {
		proxy.CutNext(cut)
		progress, err := store.Advance(t.Context(), func(chunk findings.Chunk) findings.Verdict {
			return findings.Judge(w.keyring, chunk)
		})
		if err != nil {
			t.Fatal(err)
		}
		added = append(added, progress.New...)
	}
	if proxy.Cuts.Load() != 2 {
		t.Fatalf("the proxy has cut %d connections, want 2", proxy.Cuts.Load())
	}
	rest, err := w.verify(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if added = append(added, rest...); len(added) != bent || len(stored()) != bent {
		t.Errorf("%d findings were new, %d are stored, want %d", len(added), len(stored()), bent)
	}
}

func TestARepeatDoesNotMakeVerificationBeginAnew(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	entries, _ := w.load(20, 3)
	w.flush(entries...)
	store, stored := verification(t, config)
	if _, err := w.verify(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	w.flush(entries...)
	w.flush(w.promote(1))
	once, err := w.verify(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(once, stored()) || len(once) != 1 {
		t.Errorf("found %+v, stored are %+v", once, stored())
	}
	var pass int
	err = stack.DB(t, config).QueryRowContext(t.Context(), "SELECT pass FROM projection_audit_verification").Scan(&pass)
	if err != nil || pass != 0 {
		t.Errorf("verification began anew %d times, %v", pass, err)
	}
}

func TestAMarkThatSomebodyMovesAheadMakesVerificationBeginAnew(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	entries, bent := w.load(500, 3)
	w.flush(entries...)
	if _, err := stack.DB(t, config).ExecContext(t.Context(),
		"UPDATE projection_audit_verification SET verified_through = 18446744073709551615"); err != nil {
		t.Fatal(err)
	}
	store, stored := verification(t, config)
	if _, err := w.verify(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if found := stored(); len(found) != bent {
		t.Errorf("%d findings, want %d", len(found), bent)
	}
}

func TestWhatCannotBeReadOfVerificationMakesItBeginAnew(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	store, stored := verification(t, config)
	total := 0
	for _, statement := range []string{
		"DO 1", "UPDATE projection_audit_verification SET state = 'x'", "UPDATE projection_audit_chains SET state = '[]'",
	} {
		if _, err := stack.DB(t, config).ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		entries, bent := w.load(200, 3)
		w.flush(entries...)
		if _, err := w.verify(t.Context(), store); err != nil {
			t.Fatalf("after %s: %v", statement, err)
		}
		if total += bent; len(stored()) != total || bent == 0 {
			t.Errorf("after %s: %d findings, want %d", statement, len(stored()), total)
		}
	}
}

// The rest of a split UPDATE that was a dead letter.
func TestAHalfThatComesLateMakesVerificationBeginAnew(t *testing.T) {
	config := stack.New(t)
	w := newWriter(t, config)
	w.flush(w.refuse(1)...)
	late := w.refuse(1)
	whole := late[0]
	late[0].Old = nil // as if it were an INSERT
	w.flush(late...)
	store, stored := verification(t, config)
	if _, err := w.verify(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if found := stored(); len(found) != 1 {
		t.Fatalf("findings are %+v", found)
	}
	whole.New = nil
	w.flush(whole)
	if _, err := w.verify(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if found := stored(); len(found) != 0 {
		t.Errorf("findings are %+v", found)
	}
}

// BenchmarkVerification measures how many entries are verified in a second.
func BenchmarkVerification(b *testing.B) {
	config := stack.New(b)
	w := newWriter(b, config)
	entries, _ := w.load(10_000, 500)
	w.flush(entries...)
	store, _ := verification(b, config)
	db := stack.DB(b, config)
	for b.Loop() {
		if _, err := w.verify(b.Context(), store); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if _, err := db.ExecContext(b.Context(),
			"UPDATE projection_audit_verification SET pass = pass + 1, verified_through = 0, state = '{}'"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(len(entries)*b.N)/b.Elapsed().Seconds(), "entries/s")
}
