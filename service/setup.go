package service

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
	"helfy/migrations"
)

// Migrate brings the database's schema up to date and returns the migrations
// that it ran. Once the database is fed it needs the key file, to announce
// them.
func (c Config) Migrate(ctx context.Context) (applied []string, err error) {
	err = c.announcing(func(announcer func() (tidb.Announcer, error)) error {
		applied, err = tidb.Migrate(ctx, c.tidb(), migrations.FS, announcer)
		return err
	})
	return applied, err
}

// MigrateDown takes the newest migration back and returns its file, empty if
// there is none left. Like Migrate, it may need the key file.
func (c Config) MigrateDown(ctx context.Context) (file string, err error) {
	err = c.announcing(func(announcer func() (tidb.Announcer, error)) error {
		file, err = tidb.MigrateDown(ctx, c.tidb(), migrations.FS, announcer)
		return err
	})
	return file, err
}

// announcing gives migrate what makes an announcer of migrations.
func (c Config) announcing(migrate func(func() (tidb.Announcer, error)) error) (err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrate(func() (tidb.Announcer, error) {
		keyring, err := c.readKeyring()
		return command.SchemaChangeHandler{
			Chains: tidb.NewChains(db, keyring), Keyring: keyring, Now: time.Now, Origin: domain.Origin{Actor: "cli"},
		}, err
	})
}

// Migrations returns every migration, in order.
func (c Config) Migrations(ctx context.Context) ([]tidb.Migration, error) {
	return tidb.Migrations(ctx, c.tidb(), migrations.FS)
}

// EnsureTopics creates the topics that are missing, returns their names, and
// checks the others.
func (c Config) EnsureTopics(ctx context.Context) ([]string, error) {
	return c.Kafka().EnsureTopics(ctx, c.topics()...)
}

// topics are the topics as they must be.
func (c Config) topics() []kafka.Topic {
	topic := func(name string) kafka.Topic {
		return kafka.Topic{Name: name, Partitions: c.KafkaPartitions, Replication: c.KafkaReplication}
	}
	return []kafka.Topic{topic(c.ChangesTopic), topic(c.EventsTopic)}
}

func (c Config) auditLog(db *sql.DB) tidb.AuditLog {
	return tidb.NewAuditLog(db, c.ChangesTopic, c.EventsTopic)
}

func (c Config) tidb() tidb.Config {
	return tidb.Config{
		Host: c.TiDBHost, Port: c.TiDBPort, User: c.TiDBUser, Password: c.TiDBPassword,
		Database: c.TiDBDatabase, TLS: c.tidbTLS(), MaxConns: c.TiDBMaxConns,
	}
}
