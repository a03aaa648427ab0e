package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// rotate begins a new log and keeps the last run's beside it, so that the
// logs do not grow from run to run.
func rotate(path string) error {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate the log: %w", err)
	}
	return nil
}

// tail returns a log's last lines, introduced and indented for a report.
func tail(path string) string {
	const lines, size = 15, 4096
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("; its log cannot be read: %v", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > size {
		if _, err := f.Seek(-size, io.SeekEnd); err != nil {
			return fmt.Sprintf("; its log cannot be read: %v", err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return fmt.Sprintf("; its log cannot be read: %v", err)
	}
	if len(text) == 0 {
		return fmt.Sprintf("; it wrote nothing to %s", path)
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := all[max(0, len(all)-lines):]
	return fmt.Sprintf("; the end of %s:\n  | %s", path, strings.Join(last, "\n  | "))
}
