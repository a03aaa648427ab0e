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
	"path/filepath"

	"helfy/app/projection"
	"helfy/app/verification"
)

// Folder is an export. It implements verification.Topics.
type Folder struct {
	path       string
	manifest   Manifest
	partitions []projection.Partition
	files      []Partition
}

var _ verification.Topics = Folder{}

// maxLine bounds a line, in bytes: a record may have 16 MiB, and each byte of
// it takes at most six as JSON.
const maxLine = 100 << 20

// Open checks an export: the manifest, and the hash of each file. Its errors
// name the file at fault.
func Open(ctx context.Context, path string) (folder Folder, err error) {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return Folder{}, fmt.Errorf("open export: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	folder = Folder{path: path}
	if folder.manifest, err = openManifest(dir); err != nil {
		return Folder{}, fmt.Errorf("%s: %w", filepath.Join(path, manifestFile), err)
	}
	for _, topic := range folder.manifest.Topics {
		for _, p := range topic.Partitions {
			if err := p.check(ctx, dir); err != nil {
				return Folder{}, fmt.Errorf("%s: %w", filepath.Join(path, p.File), err)
			}
			folder.files = append(folder.files, p)
			folder.partitions = append(folder.partitions, projection.Partition{
				Topic: topic.Name, TopicID: topic.ID, Partition: p.Partition, Earliest: p.FirstOffset, End: p.EndOffset,
			})
		}
	}
	return folder, nil
}

func openManifest(dir *os.Root) (m Manifest, err error) {
	file, err := dir.Open(manifestFile)
	if errors.Is(err, os.ErrNotExist) {
		return Manifest{}, errors.New("there is none: the folder is no export, or one that was not finished")
	}
	if err != nil {
		return Manifest{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return readManifest(file)
}

// check compares a file's hash with the manifest's.
func (p Partition) check(ctx context.Context, dir *os.Root) (err error) {
	file, err := dir.Open(p.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(sum, cancellable{ctx, file}); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("its SHA-256 is %s, the manifest says %s", got, p.SHA256)
	}
	return nil
}

// cancellable is a reader that ends with a context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Manifest returns what the export says of itself.
func (f Folder) Manifest() Manifest { return f.manifest }

// Partitions implements verification.Topics.
func (f Folder) Partitions() []projection.Partition { return f.partitions }

// Read implements verification.Topics.
func (f Folder) Read(context.Context) (verification.Reader, error) {
	reader := &folderReader{}
	for i, p := range f.partitions {
		file, err := openFile(filepath.Join(f.path, f.files[i].File), p, f.files[i].Count)
		if err != nil {
			return nil, errors.Join(err, reader.Close())
		}
		reader.files = append(reader.files, file)
	}
	return reader, nil
}

type folderReader struct{ files []*partitionFile }

// Next implements verification.Reader.
func (r *folderReader) Next(partition int) (projection.Record, error) {
	return r.files[partition].next()
}

// Close implements verification.Reader.
func (r *folderReader) Close() error {
	var faults []error
	for _, file := range r.files {
		faults = append(faults, file.close())
	}
	return errors.Join(faults...)
}

// partitionFile reads the lines of one file.
type partitionFile struct {
	projection.Partition
	count int64 // of lines, by the manifest
	line  int64 // the one that was read last, from 1
	least int64 // the least offset that may follow
	file  *os.File
	zip   *gzip.Reader
	lines *bufio.Scanner
}

func openFile(path string, p projection.Partition, count int64) (*partitionFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	f := &partitionFile{Partition: p, count: count, least: p.Earliest, file: file, zip: zipped, lines: bufio.NewScanner(zipped)}
	f.lines.Buffer(nil, maxLine)
	return f, nil
}

func (f *partitionFile) next() (projection.Record, error) {
	record, err := f.read()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s, line %d: %w", f.file.Name(), f.line, err)
	}
	return record, err
}

func (f *partitionFile) read() (projection.Record, error) {
	f.line++
	if !f.lines.Scan() {
		err := f.lines.Err()
		if err == nil && f.line-1 != f.count {
			err = fmt.Errorf("it ends after %d records, the manifest says %d", f.line-1, f.count)
		}
		if err == nil {
			err = io.EOF
		}
		return projection.Record{}, err
	}
	record, err := decode(f.lines.Bytes())
	if err != nil {
		return projection.Record{}, err
	}
	if record.Offset < f.least || record.Offset >= f.End {
		return projection.Record{}, fmt.Errorf("offset %d is not among %d to %d", record.Offset, f.least, f.End-1)
	}
	f.least = record.Offset + 1
	record.Topic, record.Partition = f.Topic, f.Partition.Partition
	return record, nil
}

func (f *partitionFile) close() error { return errors.Join(f.zip.Close(), f.file.Close()) }
