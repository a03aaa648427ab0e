package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
)

// CreateKey writes a new key to a file that must not exist, readable by its
// owner only.
func CreateKey(path string) (err error) {
	var key [domain.KeySize]byte
	// crypto/rand.Read never returns an error: it ends the program instead.
	_, _ = rand.Read(key[:])
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := fmt.Fprintln(file, hex.EncodeToString(key[:])); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return file.Sync()
}

func (c Config) readKeyring() (*domain.Keyring, error) {
	if c.KeyFile == "" {
		return nil, errors.New("HELFY_KEY_FILE: needed; helfy key create FILE makes a key")
	}
	keyring, err := readKeyFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("HELFY_KEY_FILE: %w", err)
	}
	return keyring, nil
}

func readKeyFile(path string) (keyring *domain.Keyring, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if keyring, err = domain.ReadKeyring(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keyring, nil
}

// KeyUsage returns how much each key has sealed, and the ids of the keys in the
// key file.
func (c Config) KeyUsage(ctx context.Context) (uses []query.KeyUse, ids []string, err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return nil, nil, err
	}
	pool := c.tidb()
	pool.Timeout = keyUsageTimeout
	db, err := tidb.Open(pool)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	uses, err = tidb.KeyUsage(ctx, db)
	return uses, keyring.IDs(), err
}

// keyUsageTimeout bounds the counting of all events.
const keyUsageTimeout = 10 * time.Minute
