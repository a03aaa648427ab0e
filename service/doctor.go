package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"helfy/adapters/kafka"
	"helfy/adapters/ticdc"
	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
	"helfy/migrations"
)

// The bounds of what is well.
const (
	// maxSkew is how far clocks may be apart without being told of, badSkew
	// without being a fault: sessions and locks end by the process' clock, what
	// is committed is dated by TiDB's.
	maxSkew, badSkew = 2 * time.Second, 30 * time.Second
	// leastGCLife is how long TiDB must keep what a changefeed that is made anew
	// has to send.
	leastGCLife = 10 * time.Minute
	// slowFeed and lateFeed are how far the changefeed's checkpoint may be
	// behind; TiCDC gives up after its gc-ttl, a day unless configured.
	slowFeed, lateFeed = time.Minute, 12 * time.Hour
	// slowLog and lateLog are how old what is complete may be.
	slowLog, lateLog = time.Minute, time.Hour
)

// Doctor looks at every part and says what to do about what is wrong. It
// changes nothing.
func (c Config) Doctor(ctx context.Context) []query.Diagnosis {
	return query.Diagnose(ctx, []query.Check{
		{Name: "key file", Run: c.checkKeyFile},
		{Name: "TiDB", Run: c.checkTiDB},
		{Name: "privileges", Run: c.checkPrivileges},
		{Name: "migrations", Run: c.checkMigrations},
		{Name: "Kafka", Run: c.checkKafka},
		{Name: "topics", Run: c.checkTopics},
		{Name: "TiCDC", Run: c.checkTiCDC},
		{Name: "changefeed", Run: c.checkChangefeed},
		{Name: "gaps", Run: c.inTiDB(c.checkGaps)},
		{Name: "consumers", Run: c.inTiDB(c.checkConsumers)},
		{Name: "projections", Run: c.checkProjections},
	})
}

func ok(format string, args ...any) []query.Diagnosis {
	return []query.Diagnosis{{Status: query.CheckOK, Found: fmt.Sprintf(format, args...)}}
}

func warn(advice, format string, args ...any) []query.Diagnosis {
	return []query.Diagnosis{{Status: query.CheckWarn, Found: fmt.Sprintf(format, args...), Advice: advice}}
}

func fail(advice, format string, args ...any) []query.Diagnosis {
	return []query.Diagnosis{{Status: query.CheckFail, Found: fmt.Sprintf(format, args...), Advice: advice}}
}

// othersBits are the permissions of a file that its owner alone must have.
const othersBits = 0o077

func (c Config) checkKeyFile(context.Context) []query.Diagnosis {
	if _, err := c.readKeyring(); err != nil {
		return fail("set HELFY_KEY_FILE to the file that the other processes use; helfy key create makes one for a new system only", "%v", err)
	}
	info, err := os.Stat(c.KeyFile)
	if err != nil {
		return fail("look at HELFY_KEY_FILE", "%v", err)
	}
	if mode := info.Mode().Perm(); mode&othersBits != 0 {
		return fail("chmod 600 "+c.KeyFile+", and look who has read it: whoever has the key can forge events", "%s has mode %04o: others may read it", c.KeyFile, mode)
	}
	return ok("%s, readable by its owner only", c.KeyFile)
}

func (c Config) checkTiDB(ctx context.Context) []query.Diagnosis {
	_, where := c.part(PartServer)
	facts, err := tidb.Diagnose(ctx, c.tidb())
	if err != nil {
		return fail("start TiDB, or look at TIDB_HOST, TIDB_PORT, TIDB_USER, TIDB_PASSWORD and the variables TIDB_SSL_…", "%s: %v", where, err)
	}
	protected := "in plain text"
	if facts.Cipher != "" {
		protected = "by TLS"
	}
	all := ok("%s at %s as %s, %s", facts.Version, where, facts.Account, protected)
	if facts.Cipher == "" && !isLoopback(c.TiDBHost) {
		all = append(all, warn("set TIDB_SSL and TIDB_SSL_CA: passwords' hashes and sessions pass there", "the connection to %s is in plain text", where)...)
	}
	return append(all, c.checkServer(facts)...)
}

func (c Config) checkServer(facts tidb.Facts) (all []query.Diagnosis) {
	skew := time.Since(domain.TimeOfTSO(facts.TSO))
	found := fmt.Sprintf("this machine's clock is %s ahead of TiDB's (PD's)", skew.Round(time.Millisecond))
	switch {
	case facts.TSO == 0:
	case skew.Abs() > badSkew:
		all = append(all, fail("synchronise the clocks (NTP)", "%s", found)...)
	case skew.Abs() > maxSkew:
		all = append(all, warn("synchronise the clocks (NTP)", "%s", found)...)
	}
	if facts.GCLife < leastGCLife {
		all = append(all, warn("SET GLOBAL tidb_gc_life_time = '10m'", "tidb_gc_life_time is %s: a changefeed that is removed can hardly be made anew without a gap", facts.GCLife)...)
	}
	if !facts.TTLJobs {
		all = append(all, warn("SET GLOBAL tidb_ttl_job_enable = ON", "tidb_ttl_job_enable is off: old rows of outbox and other tables stay for ever")...)
	}
	return all
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkPrivileges holds what the account may do against what processes of its
// name need. Another account may be all of them.
func (c Config) checkPrivileges(ctx context.Context) []query.Diagnosis {
	grants, err := migrations.ReadGrants()
	if err != nil {
		return fail("this program is broken", "%v", err)
	}
	needs := map[string][]string{}
	for _, grant := range slices.Concat(grants.API, grants.Consumer) {
		needs[grant.Table] = append(needs[grant.Table], grant.Privileges...)
	}
	switch c.TiDBUser {
	case APIAccount:
		needs = byTable(grants.API)
	case ConsumerAccount:
		needs = byTable(grants.Consumer)
	}
	lacking, err := tidb.Lacking(ctx, c.tidb(), needs)
	switch {
	case err != nil:
		return fail("look at the check of TiDB", "%v", err)
	case len(lacking) > 0:
		return fail("helfy tidb accounts ensure, as an administrator of TiDB", "%s lacks %s", c.TiDBUser, strings.Join(lacking, ", "))
	}
	return ok("%s may do all that it needs with %d tables", c.TiDBUser, len(needs))
}

func (c Config) checkMigrations(ctx context.Context) []query.Diagnosis {
	err := tidb.Migrated(ctx, c.tidb(), migrations.FS)
	switch {
	case errors.Is(err, tidb.ErrDue):
		return fail("helfy migrate up", "database %s: %v", c.TiDBDatabase, err)
	case err != nil:
		return fail("look at the check of TiDB", "database %s: %v", c.TiDBDatabase, err)
	}
	return ok("all have run in database %s", c.TiDBDatabase)
}

func (c Config) checkKafka(ctx context.Context) []query.Diagnosis {
	_, where := c.part(PartKafka)
	if err := c.Kafka().Ping(ctx); err != nil {
		return fail("start Kafka, or look at KAFKA_BROKERS and the variables KAFKA_TLS_… and KAFKA_SASL_…", "%v", err)
	}
	protected := "in plain text"
	if c.Kafka().TLS != nil {
		protected = "by TLS"
	}
	all := ok("%s answers, %s", where, protected)
	for _, broker := range c.KafkaBrokers {
		host, _, err := net.SplitHostPort(broker)
		if err == nil && c.Kafka().TLS == nil && !isLoopback(host) {
			return append(all, warn("set KAFKA_TLS and KAFKA_SASL_MECHANISM, unless the network is trusted", "the connection to %s is in plain text, and anybody there can write events", broker)...)
		}
	}
	return all
}

func (c Config) checkTopics(ctx context.Context) []query.Diagnosis {
	wanted := c.topics()
	faults, err := c.Kafka().InspectTopics(ctx, wanted...)
	if err != nil {
		return fail("look at the check of Kafka", "%v", err)
	}
	var all []query.Diagnosis
	for _, fault := range faults {
		advice := "correct the topic (kafka-configs, kafka-topics), or KAFKA_PARTITIONS and KAFKA_REPLICATION; docs/operations.md says how"
		if errors.Is(fault, kafka.ErrNoTopic) {
			advice = "helfy topics ensure; if the topic was there before, put it back from a backup"
		}
		all = append(all, fail(advice, "%v", fault)...)
	}
	if all == nil {
		return ok("%s and %s: %d partitions each, kept for ever", c.ChangesTopic, c.EventsTopic, c.KafkaPartitions)
	}
	return all
}

func (c Config) checkTiCDC(ctx context.Context) []query.Diagnosis {
	client := ticdc.NewClient(c.TiCDCURL)
	version, err := client.Version(ctx)
	if err == nil {
		err = client.Ready(ctx)
	}
	if err != nil {
		return fail("start TiCDC and PD, or look at TICDC_URL", "%v", err)
	}
	return ok("%s at %s", version, c.TiCDCURL)
}

// feedAdvice is what to do about a changefeed in each state.
var feedAdvice = map[query.ChangefeedState]string{
	query.ChangefeedWarning:  "mend what the error names; after half an hour the changefeed gives up",
	query.ChangefeedStopped:  "helfy changefeed resume",
	query.ChangefeedFailed:   "mend what the error names, then helfy changefeed ensure --replace",
	query.ChangefeedFinished: "helfy changefeed ensure --replace",
	query.ChangefeedRemoved:  "helfy changefeed ensure, soon: TiDB keeps what is not sent for minutes only",
	query.ChangefeedMissing:  "helfy changefeed ensure",
	query.ChangefeedDiffers:  "find out who changed it, then helfy changefeed ensure --replace",
	query.ChangefeedUnknown:  "look at the check of TiCDC",
}

func (c Config) checkChangefeed(ctx context.Context) []query.Diagnosis {
	seen, err := c.ChangefeedStatus(ctx)
	if err != nil {
		return fail("look at the check of TiDB", "%v", err)
	}
	found := fmt.Sprintf("%s: state %s", c.ChangefeedID, seen.State)
	if about := strings.Join(append(seen.Differences, seen.Fault), "; "); strings.Trim(about, "; ") != "" {
		found += ": " + strings.Trim(about, "; ")
	}
	lag := seen.CheckpointLag.Round(time.Millisecond)
	switch {
	case seen.State == query.ChangefeedWarning:
		return warn(feedAdvice[seen.State], "%s", found)
	case seen.State != query.ChangefeedNormal:
		return fail(feedAdvice[seen.State], "%s", found)
	case lag > lateFeed:
		return fail("find out what holds TiCDC up (its log, its disk, Kafka): behind gc-ttl, a day, everything since is lost", "%s, but its checkpoint is %s ago", found, lag)
	case lag > slowFeed:
		return warn("look whether TiCDC and Kafka keep up", "%s, but its checkpoint is %s ago", found, lag)
	}
	return ok("%s, as it must be, checkpoint %s ago", found, lag)
}

// inTiDB makes a check of one that looks into the database.
func (c Config) inTiDB(check func(context.Context, *sql.DB) []query.Diagnosis) func(context.Context) []query.Diagnosis {
	return func(ctx context.Context) (all []query.Diagnosis) {
		db, err := tidb.Open(c.tidb())
		if err != nil {
			return fail("look at the check of TiDB", "%v", err)
		}
		defer func() {
			if err := db.Close(); err != nil {
				all = append(all, warn("", "%v", err)...)
			}
		}()
		return check(ctx, db)
	}
}

func (c Config) checkGaps(ctx context.Context, db *sql.DB) (all []query.Diagnosis) {
	gaps, err := c.changefeeds(db).Gaps(ctx)
	if err != nil {
		return fail("look at the checks of TiDB and of migrations", "%v", err)
	}
	for _, gap := range gaps {
		from := "the beginning"
		if gap.From != nil {
			from = gap.From.Format(time.RFC3339)
		}
		all = append(all, warn("nothing brings it back: docs/operations.md says what is known of that time", "nothing was sent of what was committed from %s to %s", from, gap.To.Format(time.RFC3339))...)
	}
	if all == nil {
		return ok("none")
	}
	return all
}
