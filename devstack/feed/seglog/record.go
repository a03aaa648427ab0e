package seglog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A record on disk is its data's length, a CRC-32C of id and data, the id (all
// little-endian) and the data.
const headerSize = 4 + 4 + 8

var (
	errTorn    = errors.New("torn record")
	errDamaged = errors.New("the record is damaged: its checksum differs")
	checksum   = crc32.MakeTable(crc32.Castagnoli)
)

func appendRecord(buf []byte, r Record) []byte {
	at := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(r.Data)))
	buf = append(buf, 0, 0, 0, 0)
	buf = binary.LittleEndian.AppendUint64(buf, r.ID)
	buf = append(buf, r.Data...)
	binary.LittleEndian.PutUint32(buf[at+4:], crc32.Checksum(buf[at+8:], checksum))
	return buf
}

// recordReader reads the records of one segment up to its limit, which may
// grow while it reads.
type recordReader struct {
	tail   *tail
	buf    *bufio.Reader
	offset int64 // behind the last record returned
}

func newRecordReader(f io.ReaderAt, limit int64) *recordReader {
	t := &tail{file: f, limit: limit}
	return &recordReader{tail: t, buf: bufio.NewReaderSize(t, 64<<10)}
}

// next returns io.EOF at the limit, which is always between two records
// unless the writer was killed; then it is errTorn.
func (r *recordReader) next() (Record, error) {
	if r.offset == r.tail.limit {
		return Record{}, io.EOF
	}
	header := make([]byte, headerSize)
	if r.tail.limit-r.offset < headerSize {
		return Record{}, errTorn
	}
	if _, err := io.ReadFull(r.buf, header); err != nil {
		return Record{}, fmt.Errorf("read record at byte %d: %w", r.offset, err)
	}
	size := int64(binary.LittleEndian.Uint32(header))
	if r.tail.limit-r.offset-headerSize < size {
		return Record{}, errTorn
	}
	data := make([]byte, 8+size)
	copy(data, header[8:])
	if _, err := io.ReadFull(r.buf, data[8:]); err != nil {
		return Record{}, fmt.Errorf("read record at byte %d: %w", r.offset, err)
	}
	if crc32.Checksum(data, checksum) != binary.LittleEndian.Uint32(header[4:]) {
		return Record{}, fmt.Errorf("record at byte %d: %w", r.offset, errDamaged)
	}
	r.offset += headerSize + size
	return Record{ID: binary.LittleEndian.Uint64(header[8:]), Data: data[8:]}, nil
}

// tail reads a file up to a limit, so that a write in progress is never seen.
type tail struct {
	file  io.ReaderAt
	at    int64
	limit int64
}

func (t *tail) Read(p []byte) (int, error) {
	if t.at == t.limit {
		return 0, io.EOF
	}
	n, err := t.file.ReadAt(p[:min(int64(len(p)), t.limit-t.at)], t.at)
	t.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}
