package topicfile

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"helfy/app/verification"
)

// Export writes what the topics hold into a folder that does not exist or is
// empty. When it fails, or ctx ends, it removes what it has written.
func Export(ctx context.Context, path, database string, topics verification.Topics, progress verification.Progress) (m Manifest, err error) {
	dir, err := emptyFolder(path)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	m = newManifest(database, topics)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.remove(dir))
		}
	}()
	reader, err := topics.Read(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var done int64
	count := func() {
		if done++; progress != nil {
			progress(done, verification.Size(topics))
		}
	}
	index := 0
	for _, topic := range m.Topics {
		for i := range topic.Partitions {
			next := func() ([]byte, error) { return nextLine(ctx, reader, index) }
			if err := topic.Partitions[i].export(dir, next, count); err != nil {
				return m, fmt.Errorf("export %s[%d]: %w", topic.Name, i, err)
			}
			index++
		}
	}
	return m, m.write(dir)
}

// emptyFolder opens a folder, which it makes if it is not there.
func emptyFolder(path string) (*os.Root, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("look into the folder: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("folder %s is not empty: %s is in it", path, entries[0].Name())
	}
	return os.OpenRoot(path)
}

// newManifest lists the partitions in the order that topics has them.
func newManifest(database string, topics verification.Topics) Manifest {
	m := Manifest{Format: format, ExportedAt: time.Now().UTC().Truncate(time.Millisecond), Database: database}
	for _, p := range topics.Partitions() {
		if last := len(m.Topics) - 1; last < 0 || m.Topics[last].Name != p.Topic {
			m.Topics = append(m.Topics, Topic{Name: p.Topic, ID: p.TopicID})
		}
		topic := &m.Topics[len(m.Topics)-1]
		topic.Partitions = append(topic.Partitions, Partition{
			Partition: p.Partition, File: fmt.Sprintf("%s-%d.jsonl.gz", p.Topic, p.Partition),
			FirstOffset: p.Earliest, EndOffset: p.End,
		})
	}
	return m
}

// remove leaves the folder as Export found it.
func (m Manifest) remove(dir *os.Root) error {
	names := []string{manifestFile + ".tmp", manifestFile}
	for _, topic := range m.Topics {
		for _, p := range topic.Partitions {
			names = append(names, p.File)
		}
	}
	var faults []error
	for _, name := range names {
		if err := dir.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func nextLine(ctx context.Context, reader verification.Reader, partition int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	record, err := reader.Next(partition)
	if err != nil {
		return nil, err
	}
	return encode(record)
}

// export writes the lines of a partition until io.EOF.
func (p *Partition) export(dir *os.Root, next func() ([]byte, error), count func()) error {
	sum := sha256.New()
	err := writeFile(dir, p.File, func(w io.Writer) error {
		zipped := gzip.NewWriter(io.MultiWriter(w, sum))
		for {
			text, err := next()
			if errors.Is(err, io.EOF) {
				return zipped.Close()
			}
			if err != nil {
				return err
			}
			if _, err := zipped.Write(text); err != nil {
				return err
			}
			p.Count++
			count()
		}
	})
	p.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return err
}

// writeFile makes a new file durable.
func writeFile(dir *os.Root, name string, write func(io.Writer) error) (err error) {
	file, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<16)
	if err := errors.Join(write(buffered), buffered.Flush()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Sync()
}

// syncFolder makes the folder's list of files durable.
func syncFolder(dir *os.Root) (err error) {
	folder, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	return folder.Sync()
}
