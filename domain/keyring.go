package domain

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

// Keyring holds the keys that seal chains, credentials and sessions. They
// never enter the database. It is safe for concurrent use.
type Keyring struct {
	current string
	keys    map[string][]byte
	ids     []string // in their order
}

// ReadKeyring reads one key a line, 64 hex digits each. The first one seals;
// all of them verify, so that a key can be replaced without losing the past.
// Empty lines and lines that begin with # are skipped.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	ring := &Keyring{keys: map[string][]byte{}}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := hex.DecodeString(line)
		if err != nil || len(key) != KeySize {
			// The line is a secret: say where it stands, not what it says.
			return nil, fmt.Errorf("line %d: want %d hex digits", number, 2*KeySize)
		}
		id := KeyID(key)
		if ring.current == "" {
			ring.current = id
		}
		if ring.keys[id] == nil {
			ring.ids = append(ring.ids, id)
		}
		ring.keys[id] = key
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if ring.current == "" {
		return nil, errors.New("no key in it")
	}
	return ring, nil
}

// KeyID names a key without telling it.
func KeyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("helfy-key-id-v1\x00"), key...))
	return hex.EncodeToString(sum[:8])
}

// IDs returns the ids of all keys, that of the one that seals first.
func (k *Keyring) IDs() []string { return slices.Clone(k.ids) }

// Has reports whether the keyring has the key of an id.
func (k *Keyring) Has(id string) bool { return k.keys[id] != nil }

// Seal returns the HMAC-SHA256 of the fields under the current key, as 64 hex
// digits, and that key's id. The label keeps the uses of a key apart.
func (k *Keyring) Seal(label string, fields ...string) (id, mac string) {
	return k.current, seal(k.keys[k.current], label, fields)
}

// Verify reports whether mac is what Seal gave for the same label and fields
// under the key id. An unknown key id is false.
func (k *Keyring) Verify(id, mac, label string, fields ...string) bool {
	key, ok := k.keys[id]
	return ok && hmac.Equal([]byte(mac), []byte(seal(key, label, fields)))
}

func seal(key []byte, label string, fields []string) string {
	mac := hmac.New(sha256.New, key)
	writeFields(mac, label)
	writeFields(mac, fields...)
	return hex.EncodeToString(mac.Sum(nil))
}

// writeFields writes each field behind its length, so that no two lists of
// fields give the same bytes.
func writeFields(w hash.Hash, fields ...string) {
	for _, field := range fields {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		w.Write(length[:])
		w.Write([]byte(field))
	}
}
