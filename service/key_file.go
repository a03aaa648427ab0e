package service

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helfy/domain"
)

// ErrNoKey says that a key file has no key of an id.
var ErrNoKey = errors.New("no such key")

// ListKeys returns the ids of a key file's keys, in their order: the first one
// seals, all verify.
func ListKeys(path string) ([]string, error) {
	keyring, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	return keyring.IDs(), nil
}

// AddKey adds a new key at the end of a key file, where it verifies and does not
// seal, and returns its id.
func AddKey(path string) (id string, err error) {
	var key [domain.KeySize]byte
	// crypto/rand.Read never returns an error: it ends the program instead.
	_, _ = rand.Read(key[:])
	err = editKeyFile(path, func(lines []string) ([]string, error) {
		return append(lines, hex.EncodeToString(key[:])), nil
	})
	return domain.KeyID(key[:]), err
}

// PromoteKey puts the key of an id before the others, so that it seals. Every
// process must have it already: one that does not takes what it seals for
// forged. It returns ErrNoKey if the file has none of that id.
func PromoteKey(path, id string) error {
	return editKeyFile(path, func(lines []string) ([]string, error) {
		first := -1
		for i, line := range lines {
			key, err := hex.DecodeString(strings.TrimSpace(line))
			if err != nil || len(key) != domain.KeySize {
				continue // a comment, or empty
			}
			if first < 0 {
				first = i
			}
			if domain.KeyID(key) == id {
				return slices.Insert(slices.Delete(slices.Clone(lines), i, i+1), first, line), nil
			}
		}
		return nil, fmt.Errorf("%w: %s", ErrNoKey, id)
	})
}

// editKeyFile replaces a key file by what edit makes of its lines: whoever reads
// it meanwhile, or after a crash, sees the old one or the new one. It keeps
// comments, owner and permissions.
func editKeyFile(path string, edit func(lines []string) ([]string, error)) (err error) {
	if _, err := readKeyFile(path); err != nil {
		return err
	}
	// A link is to stay one.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return fmt.Errorf("find key file: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read key file: %w", err)
	}
	lines, err := edit(strings.Split(strings.TrimRight(string(text), "\n"), "\n"))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := replaceFile(path, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}

// replaceFile writes a file beside another one and puts it in its place.
func replaceFile(path, text string) (err error) {
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(before.Mode().Perm()), keepOwner(file, before), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// keepOwner gives a file the owner that another one has, which root may do.
func keepOwner(file *os.File, before os.FileInfo) error {
	uid, gid, ok := ownerOf(before)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(uid, gid)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
