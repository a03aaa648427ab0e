package service

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

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

func (c Config) readKeyring() (keyring *domain.Keyring, err error) {
	if c.KeyFile == "" {
		return nil, errors.New("HELFY_KEY_FILE: needed; helfy key create FILE makes a key")
	}
	file, err := os.Open(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("HELFY_KEY_FILE: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if keyring, err = domain.ReadKeyring(file); err != nil {
		return nil, fmt.Errorf("HELFY_KEY_FILE %s: %w", c.KeyFile, err)
	}
	return keyring, nil
}
