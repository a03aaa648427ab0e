// Package change captures the changes of transactions: durable before they
// are prewritten, in commit order once it is certain that no earlier commit
// can follow.
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

// Mutation is the new value of one key.
type Mutation struct {
	Key []byte
	// Value is empty when Delete is set.
	Value  []byte
	Delete bool
}

func (t *Txn) encode() []byte {
	buf := binary.AppendUvarint(nil, t.StartTs)
	buf = binary.AppendUvarint(buf, t.CommitTs)
	buf = appendBytes(buf, t.Primary)
	buf = binary.AppendUvarint(buf, uint64(len(t.Mutations)))
	for _, m := range t.Mutations {
		op := byte(0)
		if m.Delete {
			op = 1
		}
		buf = appendBytes(append(buf, op), m.Key)
		buf = appendBytes(buf, m.Value)
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
		op := d.byte()
		t.Mutations = append(t.Mutations, Mutation{Delete: op == 1, Key: d.bytes(), Value: d.bytes()})
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

func (d *decoder) byte() byte {
	if b := d.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
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
