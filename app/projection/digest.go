package projection

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Sum adds rows up to a digest: the sum of their SHA-256 modulo 2^256, which
// does not depend on their order. Its zero value is that of no rows.
type Sum struct {
	rows  int64
	words [4]uint64 // the least significant one first
}

// Add adds a row. A nil field is another one than an empty one.
func (s *Sum) Add(fields ...[]byte) {
	hash := sha256.New()
	for _, field := range fields {
		// Each field behind its length, so that no two rows give the same bytes.
		length := uint64(len(field)) + 1
		if field == nil {
			length = 0
		}
		hash.Write(binary.BigEndian.AppendUint64(nil, length))
		hash.Write(field)
	}
	row := hash.Sum(nil)
	s.rows++
	carry := uint64(0)
	for i := range s.words {
		s.words[i], carry = bits.Add64(s.words[i], binary.BigEndian.Uint64(row[24-8*i:]), carry)
	}
}

// Digest returns the digest of the rows so far.
func (s *Sum) Digest() Digest {
	sum := make([]byte, 0, 32)
	for i := range s.words {
		sum = binary.BigEndian.AppendUint64(sum, s.words[3-i])
	}
	return Digest{Rows: s.rows, Sum: hex.EncodeToString(sum)}
}
