package tidb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"helfy/devstack/feed/atomicfile"
)

// dataFormat counts the forms that the data folder has had: raise it with every
// change that makes the change feed's files unreadable or incomplete.
const dataFormat = 1

// format is the file that tells a folder's form. Folders older than it lack it.
type format struct {
	Format int `json:"format"`
}

// checkFormat refuses a data folder of another form, and marks a new one before
// anything else is in it.
func checkFormat(dir string) error {
	path := filepath.Join(dir, "format.json")
	var found format
	if err := atomicfile.ReadJSON(path, &found); err != nil {
		return err
	}
	used, err := isUsed(dir)
	if err != nil {
		return err
	}
	switch {
	case found.Format == 0 && !used:
		return atomicfile.WriteJSON(path, format{Format: dataFormat})
	case found.Format != dataFormat:
		return fmt.Errorf("the data in %s has format %d, this devstack reads format %d: remove all of devstack's data, Kafka's too (go tool task dev:reset; or else the folder of --data), and start again",
			dir, found.Format, dataFormat)
	}
	return nil
}

func isUsed(dir string) (bool, error) {
	for _, name := range []string{"tidb", "feed", "changefeeds"} {
		_, err := os.Stat(filepath.Join(dir, name))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("look into the data folder: %w", err)
		}
	}
	return false, nil
}
