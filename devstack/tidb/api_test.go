package tidb_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
)

func TestAPIManagesChangefeeds(t *testing.T) {
	kafka := newKafka(t, 2, "managed")
	db := open(t, sqlPort)
	newDatabase(t, db, "managed")
	mustExec(t, db, "CREATE TABLE managed.t (id INT PRIMARY KEY)")
	request := map[string]any{"changefeed_id": "managed", "sink_uri": sinkURI(kafka, "managed", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"managed.*"}}}}

	if status, answer := api.do(t, http.MethodGet, "/api/v2/health", nil); status != http.StatusOK || len(answer) != 0 {
		t.Errorf("health: %d %v", status, answer)
	}
	if _, answer := api.do(t, http.MethodGet, "/api/v2/status", nil); answer["is_owner"] != true || answer["version"] == "" {
		t.Errorf("status: %v", answer)
	}
	status, created := api.do(t, http.MethodPost, "/api/v2/changefeeds", request)
	defer api.remove(t, "managed")
	if status != http.StatusOK || created["id"] != "managed" || created["namespace"] != "default" || created["state"] != "normal" ||
		created["start_ts"] != created["checkpoint_ts"] || created["creator_version"] != "v8.5.5" {
		t.Errorf("created: %d %v", status, created)
	}
	config := created["config"].(map[string]any)
	if config["memory_quota"] != 1073741824.0 || fmt.Sprint(config["filter"]) != "map[rules:[managed.*]]" {
		t.Errorf("config: %v", config)
	}
	if status, answer := api.do(t, http.MethodPost, "/api/v2/changefeeds", request); status != http.StatusInternalServerError ||
		answer["error_code"] != "CDC:ErrChangeFeedAlreadyExists" || !strings.HasPrefix(answer["error_msg"].(string), "[CDC:ErrChangeFeedAlreadyExists]") {
		t.Errorf("created twice: %d %v", status, answer)
	}
	if got := listed(t, ""); got != "managed:normal" {
		t.Errorf("list: %s", got)
	}
	if _, answer := api.do(t, http.MethodGet, "/api/v2/changefeeds/managed/status", nil); answer["state"] != "normal" || answer["checkpoint_ts"].(float64) == 0 {
		t.Errorf("status: %v", answer)
	}
	api.do(t, http.MethodPost, "/api/v2/changefeeds/managed/pause", nil)
	if got := listed(t, "?state=stopped"); got != "managed:stopped" {
		t.Errorf("list of the stopped: %s", got)
	}
	if got := listed(t, "?state=normal"); got != "" {
		t.Errorf("list of the normal: %s", got)
	}
	mustExec(t, db, "INSERT INTO managed.t VALUES (1)")
	api.do(t, http.MethodPost, "/api/v2/changefeeds/managed/resume", map[string]any{})
	expect(t, texts(t, consume(t, kafka, "managed").upTo(t, 2, now(t, db))), "t INSERT id=1")
	for range 2 { // the second time it is gone already
		if status, _ := api.do(t, http.MethodDelete, "/api/v2/changefeeds/managed", nil); status != http.StatusOK {
			t.Errorf("delete: %d", status)
		}
	}
	if status, answer := api.do(t, http.MethodGet, "/api/v2/changefeeds/managed", nil); status != http.StatusBadRequest || answer["error_code"] != "CDC:ErrChangeFeedNotExists" {
		t.Errorf("get: %d %v", status, answer)
	}
}

// listed renders the list as id:state.
func listed(t *testing.T, query string) string {
	t.Helper()
	_, answer := api.do(t, http.MethodGet, "/api/v2/changefeeds"+query, nil)
	var list []string
	for _, i := range answer["items"].([]any) {
		item := i.(map[string]any)
		list = append(list, fmt.Sprint(item["id"], ":", item["state"]))
	}
	if answer["total"] != float64(len(list)) {
		t.Errorf("total %v of %v", answer["total"], list)
	}
	return strings.Join(list, " ")
}

func TestCreateRefuses(t *testing.T) {
	kafka := newKafka(t, 2, "refused")
	db := open(t, sqlPort)
	newDatabase(t, db, "refused")
	mustExec(t, db, "CREATE TABLE refused.t (id INT PRIMARY KEY, v INT)")
	mustExec(t, db, "CREATE TABLE refused.keyless (v INT)")
	rules := func(config map[string]any, tables ...string) map[string]any {
		all := map[string]any{"filter": map[string]any{"rules": tables}}
		maps.Copy(all, config)
		return map[string]any{"replica_config": all}
	}
	dispatcher := func(d map[string]any) map[string]any {
		d["matcher"] = []string{"*.*"}
		return rules(map[string]any{"sink": map[string]any{"dispatchers": []any{d}}}, "refused.t")
	}
	for name, c := range map[string]struct {
		request map[string]any
		code    string
		status  int
	}{
		"id":                {map[string]any{"changefeed_id": "a_b"}, "CDC:ErrAPIInvalidParam", 400},
		"no sink":           {map[string]any{"sink_uri": ""}, "CDC:ErrSinkURIInvalid", 400},
		"past":              {map[string]any{"start_ts": 1}, "CDC:ErrStartTsBeforeGC", 400},
		"rule":              {rules(nil, "a.b.c"), "CDC:ErrFilterRuleInvalid", 400},
		"table without key": {rules(nil, "refused.*"), "CDC:ErrTableIneligible", 400},
		"column":            {dispatcher(map[string]any{"partition": "columns", "columns": []string{"nobody"}}), "CDC:ErrDispatcherFailed", 500},
		"topic":             {dispatcher(map[string]any{"topic": "not there"}), "CDC:ErrKafkaInvalidTopicExpression", 500},
		"no topic":          {map[string]any{"sink_uri": sinkURI(kafka, "missing", "auto-create-topic=false")}, "CDC:ErrKafkaInvalidConfig", 500},
		"partitions":        {map[string]any{"sink_uri": sinkURI(kafka, "refused", "partition-num=3")}, "CDC:ErrKafkaInvalidPartitionNum", 500},
		"no broker":         {map[string]any{"sink_uri": fmt.Sprintf("kafka://127.0.0.1:%d/t?protocol=canal-json", freePort())}, "CDC:ErrKafkaNewProducer", 500},
		"option":            {rules(map[string]any{"bdr_mode": true}, "refused.t"), "CDC:ErrAPIInvalidParam", 400},
	} {
		request := map[string]any{"changefeed_id": "refused", "sink_uri": sinkURI(kafka, "refused", ""), "replica_config": rules(nil, "refused.t")["replica_config"]}
		maps.Copy(request, c.request)
		status, answer := api.do(t, http.MethodPost, "/api/v2/changefeeds", request)
		if status != c.status || answer["error_code"] != c.code {
			t.Errorf("%s: %d %v, want %d %s", name, status, answer, c.status, c.code)
		}
	}
	ignored := rules(map[string]any{"ignore_ineligible_table": true, "unknown": 1}, "refused.*")
	ignored["changefeed_id"], ignored["sink_uri"] = "refused", sinkURI(kafka, "created-by-it", "partition-num=5")
	defer api.remove(t, "refused")
	api.create(t, ignored)
}

func TestStartTsInThePastSendsWhatCameAfter(t *testing.T) {
	kafka := newKafka(t, 1, "past")
	db := open(t, sqlPort)
	newDatabase(t, db, "past")
	mustExec(t, db, "CREATE TABLE past.t (id INT PRIMARY KEY)")
	mustExec(t, db, "INSERT INTO past.t VALUES (1)")
	start := now(t, db)
	mustExec(t, db, "INSERT INTO past.t VALUES (2)")
	target := now(t, db)
	mustExec(t, db, "INSERT INTO past.t VALUES (3)")
	api.create(t, map[string]any{"changefeed_id": "past", "start_ts": start, "target_ts": target,
		"sink_uri":       sinkURI(kafka, "past", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"past.*"}}}})
	defer api.remove(t, "past")
	expect(t, texts(t, consume(t, kafka, "past").upTo(t, 1, target)), "t INSERT id=2")
	waitForState(t, api, "past", "finished")
}
