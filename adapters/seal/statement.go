// Package seal keeps seals of the audit trail in files: a statement in JSON,
// signed by Ed25519, in a DSSE envelope
// (https://github.com/secure-systems-lab/dsse).
package seal

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"helfy/domain"
)

// PayloadType is the envelope's payloadType.
const PayloadType = "application/vnd.helfy.seal+json"

const format = "helfy-seal/1"

// statement is what is signed.
type statement struct {
	Format    string    `json:"format"`
	Database  string    `json:"database"`
	Watermark string    `json:"watermark"` // decimal: JSON readers round numbers of its size
	Time      time.Time `json:"time"`      // the watermark's
	Topics    []topic   `json:"topics"`
	Entries   uint64    `json:"entries"`
	Digest    string    `json:"digest"`
	Heads     []head    `json:"heads"`
}

type topic struct {
	Name        string  `json:"name"`
	ID          string  `json:"id"`
	NextOffsets []int64 `json:"nextOffsets"`
}

type head struct {
	AggregateType string `json:"aggregatetype"`
	AggregateID   string `json:"aggregateid"`
	Seq           uint64 `json:"seq"`
	Hash          string `json:"hash"`
}

func encode(seal domain.Seal) ([]byte, error) {
	s := statement{
		Format: format, Database: seal.Database, Watermark: strconv.FormatUint(seal.Watermark, 10),
		Time: domain.TimeOfTSO(seal.Watermark), Entries: seal.Entries, Digest: seal.Digest,
	}
	for _, t := range seal.Topics {
		s.Topics = append(s.Topics, topic(t))
	}
	for _, h := range seal.Heads {
		s.Heads = append(s.Heads, head{h.AggregateType, h.AggregateID, h.Seq, h.Hash})
	}
	return json.Marshal(s)
}

// decode reads a statement strictly.
func decode(text []byte) (domain.Seal, error) {
	var s statement
	if err := json.Unmarshal(text, &s, json.RejectUnknownMembers(true)); err != nil {
		return domain.Seal{}, err
	}
	if s.Format != format {
		return domain.Seal{}, fmt.Errorf("format is %q, want %q", s.Format, format)
	}
	watermark, err := strconv.ParseUint(s.Watermark, 10, 64)
	if err != nil || watermark == 0 {
		return domain.Seal{}, fmt.Errorf("watermark %q is no TSO", s.Watermark)
	}
	seal := domain.Seal{Database: s.Database, Watermark: watermark, Entries: s.Entries, Digest: s.Digest}
	for _, t := range s.Topics {
		seal.Topics = append(seal.Topics, domain.SealedTopic(t))
	}
	for _, h := range s.Heads {
		seal.Heads = append(seal.Heads, domain.SealedHead{
			Chain: domain.Chain{AggregateType: h.AggregateType, AggregateID: h.AggregateID},
			Head:  domain.Head{Seq: h.Seq, Hash: h.Hash},
		})
	}
	if !slices.IsSortedFunc(seal.Heads, func(a, b domain.SealedHead) int { return a.Compare(b.Chain) }) {
		return domain.Seal{}, errors.New("heads are not in order")
	}
	return seal, nil
}
