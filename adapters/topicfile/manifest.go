// Package topicfile keeps what topics held in files, for whoever wants to
// check them elsewhere: one file for each partition, gzipped JSON Lines, and
// a manifest.
//
// A line is {"offset","timestamp","value"}, or "base64" in place of "value"
// for bytes that are no UTF-8; a record without a value has neither. The
// manifest is written last, so that a folder without one is no export.
package topicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	manifestFile = "manifest.json"
	format       = "helfy-topics/1"
	// maxManifest bounds what is read of one, in bytes.
	maxManifest = 16 << 20
)

// Manifest says what an export has.
type Manifest struct {
	Format     string    `json:"format"`
	ExportedAt time.Time `json:"exportedAt"`
	// Database is the name of the database that feeds the topics.
	Database string  `json:"database"`
	Topics   []Topic `json:"topics"`
}

// Topic is one topic of an export.
type Topic struct {
	Name string `json:"name"`
	// ID is Kafka's; a topic that is made anew has another one.
	ID         string      `json:"id"`
	Partitions []Partition `json:"partitions"`
}

// Partition is one partition of an export.
type Partition struct {
	Partition int32  `json:"partition"`
	File      string `json:"file"`
	// FirstOffset is the first offset that Kafka still had. Those before it
	// are lost to retention.
	FirstOffset int64 `json:"firstOffset"`
	// EndOffset is the offset behind the last record.
	EndOffset int64 `json:"endOffset"`
	// Count is the number of records in the file.
	Count int64 `json:"count"`
	// SHA256 is of the file as it stands, in hex.
	SHA256 string `json:"sha256"`
}

// Lost returns how many records retention had removed from all partitions.
func (m Manifest) Lost() (lost int64) {
	for _, topic := range m.Topics {
		for _, p := range topic.Partitions {
			lost += p.FirstOffset
		}
	}
	return lost
}

// write puts the manifest into the folder, whole or not at all.
func (m Manifest) write(dir *os.Root) error {
	text, err := json.Marshal(m, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write %s: %w", manifestFile, err)
	}
	const draft = manifestFile + ".tmp"
	if err := writeFile(dir, draft, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	}); err != nil {
		return err
	}
	if err := dir.Rename(draft, manifestFile); err != nil {
		return fmt.Errorf("write %s: %w", manifestFile, err)
	}
	return syncFolder(dir)
}

// readManifest reads a manifest strictly. Its errors name what is wrong.
func readManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	limited := &io.LimitedReader{R: r, N: maxManifest}
	if err := json.UnmarshalRead(limited, &m, json.RejectUnknownMembers(true)); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("longer than %d bytes", maxManifest)
		}
		return Manifest{}, err
	}
	return m, m.validate()
}

func (m Manifest) validate() error {
	if m.Format != format {
		return fmt.Errorf("format is %q, want %q", m.Format, format)
	}
	if m.Database == "" || len(m.Topics) == 0 {
		return errors.New("database or topics are missing")
	}
	files := map[string]bool{}
	for _, topic := range m.Topics {
		for i, p := range topic.Partitions {
			switch {
			case int(p.Partition) != i:
				return fmt.Errorf("topic %s: partition %d stands where %d should", topic.Name, p.Partition, i)
			case p.File == "" || p.File != filepath.Base(p.File) || strings.HasPrefix(p.File, ".") || files[p.File]:
				return fmt.Errorf("%s[%d]: file %q is no name of its own", topic.Name, i, p.File)
			case p.FirstOffset < 0 || p.EndOffset < p.FirstOffset || p.Count < 0 || p.Count > p.EndOffset-p.FirstOffset:
				return fmt.Errorf("%s[%d]: %d records at offsets %d to %d cannot be", topic.Name, i, p.Count, p.FirstOffset, p.EndOffset)
			}
			files[p.File] = true
		}
	}
	return nil
}
