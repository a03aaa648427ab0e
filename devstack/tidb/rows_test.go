package tidb_test

import (
	"database/sql"
	"strings"
	"testing"
)

// inTx executes the statements in one transaction.
func inTx(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, s := range statements {
		mustExec(t, tx, s)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestTransactionIsSentAsItsNetEffect(t *testing.T) {
	db, kafka := feedOf(t, "net_effect", "CREATE TABLE {db}.t (id INT PRIMARY KEY, v INT)")
	inTx(t, db, "INSERT INTO net_effect.t VALUES (1, 1), (2, 2)", "DELETE FROM net_effect.t WHERE id = 1",
		"UPDATE net_effect.t SET v = 3 WHERE id = 2", "UPDATE net_effect.t SET v = 4 WHERE id = 2")
	inTx(t, db, "UPDATE net_effect.t SET v = 5 WHERE id = 2", "UPDATE net_effect.t SET v = 6 WHERE id = 2")
	inTx(t, db, "UPDATE net_effect.t SET v = 6 WHERE id = 2")
	inTx(t, db, "DELETE FROM net_effect.t WHERE id = 2", "INSERT INTO net_effect.t VALUES (2, 7)")
	expect(t, texts(t, kafka.upTo(t, 1, now(t, db))),
		"t INSERT id=2 v=4",
		"t UPDATE id=2 v=6 < id=2 v=4",
		"t UPDATE id=2 v=7 < id=2 v=6")
}

func TestChangeOfAKeyIsADeleteAndAnInsertAtOneCommit(t *testing.T) {
	db, kafka := feedOf(t, "key_change",
		"CREATE TABLE {db}.t (id INT PRIMARY KEY, u INT NULL UNIQUE, v INT)",
		"CREATE TABLE {db}.multi (a INT, b INT, v INT, PRIMARY KEY (a), UNIQUE KEY ab (b, v))")
	mustExec(t, db, "INSERT INTO key_change.t VALUES (1, 1, 1), (2, 2, 2)")
	mustExec(t, db, "UPDATE key_change.t SET id = 3 WHERE id = 1")
	mustExec(t, db, "UPDATE key_change.t SET u = NULL WHERE id = 2")
	mustExec(t, db, "UPDATE key_change.t SET v = 9 WHERE id = 2")
	inTx(t, db, "UPDATE key_change.t SET u = 10 WHERE id = 3", "UPDATE key_change.t SET u = 1 WHERE id = 2")
	mustExec(t, db, "INSERT INTO key_change.multi VALUES (1, 1, 1)")
	mustExec(t, db, "UPDATE key_change.multi SET v = 2")
	records := kafka.upTo(t, 1, now(t, db))
	expect(t, texts(t, records),
		"t INSERT id=1 u=1 v=1", "t INSERT id=2 u=2 v=2",
		"t DELETE id=1 u=1 v=1", "t INSERT id=3 u=1 v=1",
		"t DELETE id=2 u=2 v=2", "t INSERT id=2 u=NULL v=2",
		"t UPDATE id=2 u=NULL v=9 < id=2 u=NULL v=2",
		"t DELETE id=2 u=NULL v=9", "t DELETE id=3 u=1 v=1", "t INSERT id=2 u=1 v=9", "t INSERT id=3 u=10 v=1",
		"multi INSERT a=1 b=1 v=1",
		"multi DELETE a=1 b=1 v=1", "multi INSERT a=1 b=1 v=2")
	if a, b := change(t, records[2]), change(t, records[3]); a.CommitTs != b.CommitTs {
		t.Errorf("the halves have the commit TSOs %d and %d", a.CommitTs, b.CommitTs)
	}
}

func TestEveryKindOfKeyAndColumnDecodes(t *testing.T) {
	db, kafka := feedOf(t, "kinds",
		"CREATE TABLE {db}.clustered (a VARCHAR(10) COLLATE utf8mb4_general_ci, b DATETIME(3), v INT, PRIMARY KEY (b, a) CLUSTERED)",
		"CREATE TABLE {db}.nonclustered (a VARCHAR(10), v INT, PRIMARY KEY (a) NONCLUSTERED)",
		"CREATE TABLE {db}.uniq (a INT NOT NULL, v INT, UNIQUE KEY (a))",
		"CREATE TABLE {db}.generated (id INT PRIMARY KEY, a INT, v INT AS (a+1) VIRTUAL, s INT AS (a+2) STORED)",
		"CREATE TABLE {db}.parts (id INT PRIMARY KEY, v INT) PARTITION BY HASH(id) PARTITIONS 4",
	)
	mustExec(t, db, "INSERT INTO kinds.clustered VALUES ('Ab', '2026-01-02 03:04:05.678', 1)")
	mustExec(t, db, "UPDATE kinds.clustered SET v = 2")
	mustExec(t, db, "INSERT INTO kinds.nonclustered VALUES ('x', 1)")
	mustExec(t, db, "DELETE FROM kinds.nonclustered")
	mustExec(t, db, "INSERT INTO kinds.uniq VALUES (1, NULL)")
	mustExec(t, db, "INSERT INTO kinds.generated (id, a) VALUES (1, 1)")
	mustExec(t, db, "INSERT INTO kinds.parts VALUES (3, 1)")
	records := kafka.upTo(t, 1, now(t, db))
	expect(t, texts(t, records),
		"clustered INSERT a=Ab b=2026-01-02 03:04:05.678 v=1",
		"clustered UPDATE a=Ab b=2026-01-02 03:04:05.678 v=2 < a=Ab b=2026-01-02 03:04:05.678 v=1",
		"nonclustered INSERT a=x v=1", "nonclustered DELETE a=x v=1",
		"uniq INSERT a=1 v=NULL", "generated INSERT id=1 a=1 s=3", "parts INSERT id=3 v=1")
	if got := strings.Join(change(t, records[0]).PrimaryKey, ","); got != "a,b" {
		t.Errorf("primary key %s", got)
	}
	if got := change(t, records[4]).PrimaryKey; len(got) != 0 {
		t.Errorf("primary key %v of a table with a unique key only", got)
	}
	if records[0].Key == nil || len(records[0].Key) > 0 || len(records[0].Headers) > 0 {
		t.Errorf("a change has the key %v and the headers %v", records[0].Key, records[0].Headers)
	}
}

// A schema change is where it belongs among the rows, and these decode.
func TestSchemaChangesAndTheRowsAroundThem(t *testing.T) {
	db, kafka := feedOf(t, "ddl", "CREATE TABLE {db}.t (id INT PRIMARY KEY, a INT)")
	for _, s := range []string{
		"INSERT INTO ddl.t VALUES (1, 1)",
		"ALTER TABLE ddl.t ADD COLUMN b VARCHAR(5) NOT NULL DEFAULT 'x' AFTER id, ADD COLUMN c TIMESTAMP NULL",
		"UPDATE ddl.t SET a = 2",
		"ALTER TABLE ddl.t DROP COLUMN b",
		"UPDATE ddl.t SET a = 3",
		"ALTER TABLE ddl.t MODIFY COLUMN a VARCHAR(10)",
		"UPDATE ddl.t SET a = 'four'",
		"ALTER TABLE ddl.t CHANGE COLUMN a aa VARCHAR(20)",
		"CREATE INDEX a ON ddl.t (aa)",
		"ANALYZE TABLE ddl.t",
		"ALTER TABLE ddl.t DROP INDEX a",
		"RENAME TABLE ddl.t TO ddl.renamed",
		"INSERT INTO ddl.renamed (id, aa) VALUES (2, 'two')",
		"TRUNCATE TABLE ddl.renamed",
		"INSERT INTO ddl.renamed (id, aa) VALUES (3, 'three')",
		"CREATE TABLE ddl.later (id INT PRIMARY KEY)",
		"INSERT INTO ddl.later VALUES (1)",
		"DROP TABLE ddl.renamed, ddl.later",
	} {
		mustExec(t, db, s)
	}
	expect(t, texts(t, kafka.upTo(t, 1, now(t, db))),
		"t INSERT id=1 a=1",
		"t ALTER: ALTER TABLE ddl.t ADD COLUMN b VARCHAR(5) NOT NULL DEFAULT 'x' AFTER id, ADD COLUMN c TIMESTAMP NULL",
		"t UPDATE id=1 b=x a=2 c=NULL < id=1 b=x a=1 c=NULL",
		"t ALTER: ALTER TABLE ddl.t DROP COLUMN b",
		"t UPDATE id=1 a=3 c=NULL < id=1 a=2 c=NULL",
		"t ALTER: ALTER TABLE ddl.t MODIFY COLUMN a VARCHAR(10)",
		"t UPDATE id=1 a=four c=NULL < id=1 a=3 c=NULL",
		"t ALTER: ALTER TABLE ddl.t CHANGE COLUMN a aa VARCHAR(20)",
		"t CINDEX: CREATE INDEX a ON ddl.t (aa)",
		"t DINDEX: ALTER TABLE ddl.t DROP INDEX a",
		"renamed RENAME: RENAME TABLE ddl.t TO ddl.renamed",
		"renamed INSERT id=2 aa=two c=NULL",
		"renamed TRUNCATE: TRUNCATE TABLE ddl.renamed",
		"renamed INSERT id=3 aa=three c=NULL",
		"later CREATE: CREATE TABLE ddl.later (id INT PRIMARY KEY)",
		"later INSERT id=1",
		"renamed ERASE: DROP TABLE `ddl`.`renamed`",
		"later ERASE: DROP TABLE `ddl`.`later`")
}

func TestOptimisticAndAsyncCommitTransactionsAreCaptured(t *testing.T) {
	db, kafka := feedOf(t, "modes", "CREATE TABLE {db}.t (id INT PRIMARY KEY)")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExec(t, conn, "SET tidb_enable_1pc = 1, tidb_enable_async_commit = 1")
	mustExec(t, conn, "INSERT INTO modes.t VALUES (1)")
	mustExec(t, conn, "BEGIN OPTIMISTIC")
	mustExec(t, conn, "INSERT INTO modes.t VALUES (2)")
	mustExec(t, conn, "COMMIT")
	mustExec(t, conn, "SET tidb_dml_type = 'bulk'")
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO modes.t SELECT id + 10 FROM modes.t"); err == nil || !strings.Contains(err.Error(), "tidb_dml_type") {
		t.Errorf("bulk DML, which would go past the change feed: %v", err)
	}
	expect(t, texts(t, kafka.upTo(t, 1, now(t, db))), "t INSERT id=1", "t INSERT id=2")
}

// A large transaction is prewritten in several requests, and its secondary
// keys are committed later than its primary.
func TestLargeTransactionIsWhole(t *testing.T) {
	const rows = 3000
	db, kafka := feedOf(t, "large", "CREATE TABLE {db}.t (id INT PRIMARY KEY, v VARCHAR(200))")
	insert := "INSERT INTO large.t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i, REPEAT('x', 150) FROM n"
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExec(t, conn, "SET cte_max_recursion_depth = 10000")
	mustExec(t, conn, insert, rows)
	records := kafka.upTo(t, 1, now(t, db))
	commits := map[uint64]int{}
	for _, r := range records {
		commits[change(t, r).CommitTs]++
	}
	if len(records) != rows || len(commits) != 1 {
		t.Errorf("%d changes with %d commit TSOs, want %d with one", len(records), len(commits), rows)
	}
}
