package service

import (
	"context"
	"errors"

	"helfy/adapters/seal"
	"helfy/adapters/tidb"
	"helfy/adapters/topicfile"
	"helfy/app/verification"
	"helfy/domain"
)

// Examination says which history to verify, and how.
type Examination struct {
	// From is "kafka", "table" or the path of a folder that ExportTopics
	// wrote.
	From string
	// User, if not empty, keeps the findings to users who ever had the name.
	User string
	// SealFile and PublicKeyFile, if not empty, name a seal and the key that
	// must have signed it.
	SealFile, PublicKeyFile string
	Progress                verification.Progress
}

// VerifyAudit verifies the audit trail. MACs are checked if there is a key
// file.
func (c Config) VerifyAudit(ctx context.Context, wanted Examination) (verification.Report, error) {
	examination := verification.Examination{Database: c.TiDBDatabase, User: wanted.User, Progress: wanted.Progress}
	if c.KeyFile != "" {
		keyring, err := c.readKeyring()
		if err != nil {
			return verification.Report{}, err
		}
		examination.Keyring = keyring
	}
	if wanted.SealFile != "" {
		sealed, err := seal.Read(ctx, wanted.SealFile, wanted.PublicKeyFile)
		if err != nil {
			return verification.Report{}, err
		}
		examination.Seal = &sealed
	}
	switch wanted.From {
	case "kafka":
		topics, err := c.Kafka().History(ctx, c.ChangesTopic, c.EventsTopic)
		if err != nil {
			return verification.Report{}, err
		}
		return examination.Topics(ctx, verification.SourceKafka, topics)
	case "table":
		return c.verifyTable(ctx, examination)
	default:
		folder, err := topicfile.Open(ctx, wanted.From)
		if err != nil {
			return verification.Report{}, err
		}
		examination.Database = folder.Manifest().Database
		return examination.Topics(ctx, verification.SourceFolder, folder)
	}
}

// verifyConns is for the log's pages and, beside them, the transaction that
// reads what is stored.
const verifyConns = 2

func (c Config) verifyTable(ctx context.Context, examination verification.Examination) (report verification.Report, err error) {
	pool := c.tidb()
	pool.MaxConns = verifyConns
	db, err := tidb.Open(pool)
	if err != nil {
		return verification.Report{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	report, err = examination.Log(ctx, c.auditLog(db), func(ctx context.Context, users []domain.UserID) (verification.ClosableStored, error) {
		return tidb.OpenStored(ctx, db, users)
	})
	if err != nil {
		return report, err
	}
	report.Gaps, err = c.changefeeds(db).Gaps(ctx)
	return report, err
}

// SealAudit verifies the audit trail, as VerifyAudit does, and signs what it
// is with the key of a file. It refuses to overwrite out.
func (c Config) SealAudit(ctx context.Context, wanted Examination, keyFile, out string) (verification.Report, error) {
	if err := seal.Check(keyFile, out); err != nil {
		return verification.Report{}, err
	}
	report, err := c.VerifyAudit(ctx, wanted)
	if err != nil {
		return report, err
	}
	return report, seal.Write(ctx, out, keyFile, report.Trail)
}

// CreateSealKey makes the keys that sign and verify seals and returns the
// path of the public one.
func CreateSealKey(path string) (publicPath string, err error) { return seal.CreateKey(path) }

// ExportTopics writes both topics as they are now into a folder that does not
// exist or is empty.
func (c Config) ExportTopics(ctx context.Context, path string, progress verification.Progress) (topicfile.Manifest, error) {
	topics, err := c.Kafka().History(ctx, c.ChangesTopic, c.EventsTopic)
	if err != nil {
		return topicfile.Manifest{}, err
	}
	return topicfile.Export(ctx, path, c.TiDBDatabase, topics, progress)
}
