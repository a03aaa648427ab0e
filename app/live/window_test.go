package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/canaljson"
	"helfy/domain"
)

// plain writes what a test looks at.
type plain struct{}

func (plain) Entry(_ string, e domain.AuditEntry) []byte {
	return []byte(e.Operation() + " " + e.ID())
}
func (plain) Finding(f query.Finding) []byte { return []byte(f.Kind) }
func (plain) Complete(Completeness) []byte   { return nil }

// alike is plain with the same frame for all entries.
type alike struct {
	plain
	frame []byte
}

func (a alike) Entry(string, domain.AuditEntry) []byte { return a.frame }

// change is a record of a change of a users row; old and after are usernames,
// empty for no row.
func change(offset int64, ts uint64, id, old, after string) projection.Record {
	row := func(name string) canaljson.Row {
		if name == "" {
			return nil
		}
		return canaljson.Row{{Name: "id", Text: id}, {Name: "username", Text: name}, {Name: "event_seq", Text: "1"}}
	}
	c := &canaljson.Change{
		Database: "helfy", Table: "users", PrimaryKey: []string{"id"}, CommitTs: ts, Old: row(old), New: row(after),
		Columns: []canaljson.Column{
			{Name: "id", SQLType: -5, MySQLType: "bigint"}, {Name: "username", SQLType: 12, MySQLType: "varchar"},
			{Name: "event_seq", SQLType: -5, MySQLType: "bigint unsigned"},
		},
		Operation: canaljson.Update,
	}
	switch {
	case old == "":
		c.Operation = canaljson.Insert
	case after == "":
		c.Operation = canaljson.Delete
	}
	return encoded(offset, c)
}

func encoded(offset int64, message canaljson.Message) projection.Record {
	value, err := canaljson.Encode(message)
	if err != nil {
		panic(err)
	}
	return projection.Record{Topic: "t", Offset: offset, Value: value}
}

func watermark(offset int64, ts uint64) projection.Record {
	return encoded(offset, &canaljson.Watermark{Ts: ts})
}

func emptyWindow() *window {
	return newWindow(projection.Audit{Database: "helfy"}, []string{"t"},
		Position{topics: []topicPosition{{id: topicID{1}, next: []int64{0}}}}, "")
}

func frames(w *window) (all []string) {
	for _, i := range w.items {
		all = append(all, string(i.frame))
	}
	return all
}

func TestTheHalvesOfAnUpdateAreOneEntry(t *testing.T) {
	for name, test := range map[string]struct {
		records []projection.Record
		want    []string
		// resume is from where the topic must be read again.
		resume int64
	}{
		"both halves": {
			[]projection.Record{change(0, 7, "1", "ann", ""), change(1, 7, "1", "", "anna")},
			[]string{"UPDATE users/1@7"}, 2,
		},
		"one half so far": {
			[]projection.Record{change(0, 7, "1", "ann", ""), change(1, 7, "2", "bob", "bob")},
			[]string{"UPDATE users/2@7"}, 0,
		},
		"a watermark before": {
			[]projection.Record{change(0, 7, "1", "ann", ""), watermark(1, 6)},
			nil, 0,
		},
		"a deletion": {
			[]projection.Record{change(0, 7, "1", "ann", ""), watermark(1, 7)},
			[]string{"DELETE users/1@7"}, 2,
		},
		"a row of the same key later": {
			[]projection.Record{change(0, 7, "1", "ann", ""), change(1, 8, "1", "", "anna"), watermark(2, 8)},
			[]string{"INSERT users/1@8", "DELETE users/1@7"}, 3,
		},
		"what nobody understands between": {
			[]projection.Record{change(0, 7, "1", "ann", ""), {Topic: "t", Offset: 1, Value: []byte("{")}, change(2, 7, "1", "", "anna")},
			[]string{"UPDATE users/1@7"}, 3,
		},
		"a repeat of both": {
			[]projection.Record{
				change(0, 7, "1", "ann", ""), change(1, 7, "1", "", "anna"), change(2, 7, "1", "ann", ""), change(3, 7, "1", "", "anna"),
			},
			[]string{"UPDATE users/1@7", "UPDATE users/1@7"}, 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := emptyWindow()
			if _, err := w.add(test.records, plain{}); err != nil {
				t.Fatal(err)
			}
			if got := frames(w); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := w.next.at(0, 0); got != test.resume {
				t.Errorf("goes on at %d, want %d", got, test.resume)
			}
		})
	}
}

func TestDeletionsDoNotPileUp(t *testing.T) {
	w := emptyWindow()
	for i := range int64(maxHeld + 1) {
		if _, err := w.add([]projection.Record{change(i, 7, fmt.Sprint(i), "ann", "")}, plain{}); err != nil {
			t.Fatal(err)
		}
	}
	if held := len(w.readers[0][0].held); held > maxHeld || len(w.items)+held != maxHeld+1 {
		t.Errorf("%d are held and %d told", held, len(w.items))
	}
}

func TestRecordsThatAreMissingAreNoticed(t *testing.T) {
	w := emptyWindow()
	_, err := w.add([]projection.Record{watermark(0, 1), watermark(2, 3)}, plain{})
	if err == nil || !strings.Contains(err.Error(), "t[0]@2 follows offset 0") {
		t.Errorf("got %v", err)
	}
}

func TestAWindowIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		encoder Encoder
		kept    int
	}{
		"by number": {alike{frame: make([]byte, 1)}, maxItems},
		"by size":   {alike{frame: make([]byte, maxBytes/10)}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			w := emptyWindow()
			const records = maxItems + 100
			for i := range int64(records) {
				if _, err := w.add([]projection.Record{change(i, 7, "1", "ann", "ann")}, test.encoder); err != nil {
					t.Fatal(err)
				}
			}
			if len(w.items) != test.kept || w.bytes > maxBytes {
				t.Errorf("%d items of %d bytes are kept, want %d", len(w.items), w.bytes, test.kept)
			}
			dropped := int64(records - test.kept)
			if w.first != dropped || w.low.at(0, 0) != dropped {
				t.Errorf("it begins with item %d, and %d for who was at offset %d", w.first, dropped, w.low.at(0, 0))
			}
		})
	}
}

func TestThePastComesInTheOrderOfItsCommits(t *testing.T) {
	config := Config{Topics: []string{"t", "u"}, Projection: projection.Audit{Database: "helfy"}, Encoder: plain{}}
	from := Position{topics: []topicPosition{{next: []int64{0}}, {next: []int64{5}}}}
	to := Position{topics: []topicPosition{{next: []int64{3}}, {next: []int64{7}}}}
	p := newPast(config, from, to)
	other := func(r projection.Record) projection.Record { r.Topic = "u"; return r }
	err := p.take([]projection.Record{
		change(0, 7, "1", "", "a"), change(1, 20, "2", "", "b"), change(2, 9, "3", "", "c"), change(3, 30, "9", "", "x"), // a repeat, and one too far
		other(change(5, 8, "4", "", "d")), other(change(6, 21, "5", "e", "")), // whose other half is not in the past
	})
	if err != ErrEnough { //nolint:errorlint // it is not wrapped
		t.Fatal(err)
	}
	want := []string{"INSERT users/1@7", "INSERT users/4@8", "INSERT users/2@20", "INSERT users/3@9", "DELETE users/5@21"}
	var got []string
	for _, i := range p.items() {
		got = append(got, string(i.frame))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
