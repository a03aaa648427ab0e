// Package change keeps the changes of transactions: durable before they can
// commit, in commit order once it is certain that no earlier commit can follow.
package change

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Txn is the part of a transaction that writes rows.
type Txn struct {
	StartTs uint64
	// CommitTs is 0 while the outcome is open.
	CommitTs uint64
	// Primary is the key that decides about the transaction's outcome.
	Primary   []byte
	Mutations []Mutation
}

// Mutation is the change of one key.
type Mutation struct {
	Key []byte
	// Value is the new value, empty for a delete; Old the one before, empty
	// for an insert.
	Value []byte
	Old   []byte
	// Schema refers to the definition of the key's table; 0 for a write that
	// is nobody's business, but tells what the row was before the next.
	Schema uint64
}

func (t *Txn) encode() []byte {
	buf := binary.AppendUvarint(nil, t.StartTs)
	buf = binary.AppendUvarint(buf, t.CommitTs)
	buf = appendBytes(buf, t.Primary)
	buf = binary.AppendUvarint(buf, uint64(len(t.Mutations)))
	for _, m := range t.Mutations {
		buf = binary.AppendUvarint(buf, m.Schema)
		buf = appendBytes(buf, m.Key)
		buf = appendBytes(buf, m.Value)
		buf = appendBytes(buf, m.Old)
	}
	return buf
}

func appendBytes(buf, b []byte) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(b))), b...)
}

var errTxn = errors.New("malformed transaction record")

func decodeTxn(data []byte) (*Txn, error) {
	d := decoder{rest: data}
	t := &Txn{StartTs: d.uvarint(), CommitTs: d.uvarint(), Primary: d.bytes()}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		t.Mutations = append(t.Mutations, Mutation{Schema: d.uvarint(), Key: d.bytes(), Value: d.bytes(), Old: d.bytes()})
	}
	if d.bad || len(d.rest) > 0 {
		return nil, fmt.Errorf("%w of %d bytes", errTxn, len(data))
	}
	return t, nil
}

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

func (d *decoder) take(n uint64) []byte {
	if uint64(len(d.rest)) < n {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}
