package projection

import "testing"

// writeMany writes records of one partition and tells how that ended.
func writeMany(t *testing.T, writer *Writer[note], partition int32, count int) <-chan error {
	t.Helper()
	records := make([]Record, count)
	for i := range records {
		records[i] = ddl(t, partition, "a")
		records[i].Offset = int64(i)
	}
	written := make(chan error, 1)
	go func() {
		_, err := writer.Write(records)
		written <- err
	}()
	return written
}

func TestManyRecordsAreFlushedBesideAFlushThatIsHeldUp(t *testing.T) {
	store := newMemory(false)
	writer, _, _ := startWith(t, store, WriterConfig{Flushes: 2})
	one := writeMany(t, writer, 0, besideItems)
	<-store.begun
	other := writeMany(t, writer, 1, besideItems)
	<-store.begun // while the first one is held up
	close(store.gate)
	for _, written := range []<-chan error{one, other} {
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
	if len(store.flushes) != 2 {
		t.Errorf("%d flushes, want one for each partition", len(store.flushes))
	}
}

func TestFewRecordsShareTheFlushAfterTheOneUnderWay(t *testing.T) {
	store := newMemory(false)
	writer, _, _ := startWith(t, store, WriterConfig{Flushes: 2})
	written := []<-chan error{writeMany(t, writer, 0, 1)}
	<-store.begun
	for partition := range int32(10) {
		written = append(written, writeMany(t, writer, 1+partition, 1))
	}
	// Together they are enough to be flushed beside it.
	written = append(written, writeMany(t, writer, 100, besideItems-10))
	<-store.begun
	close(store.gate)
	for _, one := range written {
		if err := <-one; err != nil {
			t.Error(err)
		}
	}
	if len(store.flushes) != 2 {
		t.Errorf("%d flushes, want the first record alone and all others together", len(store.flushes))
	}
}

func TestNoMoreFlushesAreUnderWayThanMayBe(t *testing.T) {
	store := newMemory(false)
	writer, _, _ := startWith(t, store, WriterConfig{Flushes: 3, MaxItems: besideItems})
	var written []<-chan error
	for partition := range int32(10) {
		written = append(written, writeMany(t, writer, partition, besideItems))
	}
	for range 3 {
		<-store.begun
	}
	for range 7 {
		store.gate <- struct{}{} // one ends, and only then another one begins
		<-store.begun
	}
	close(store.gate)
	for _, one := range written {
		if err := <-one; err != nil {
			t.Error(err)
		}
	}
	if store.most != 3 {
		t.Errorf("%d flushes were under way at once, want 3", store.most)
	}
}

func TestFlushesUnderWayAndRecordsInHandAreFinishedAtTheEnd(t *testing.T) {
	store := newMemory(false)
	writer, stop, ended := startWith(t, store, WriterConfig{Flushes: 2})
	one := writeMany(t, writer, 0, besideItems)
	<-store.begun
	other := writeMany(t, writer, 1, besideItems)
	<-store.begun
	stop()
	close(store.gate)
	for _, written := range []<-chan error{one, other} {
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}
