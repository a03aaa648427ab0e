package changefeed

import (
	"reflect"
	"slices"
	"strings"
)

// obeyed lists the members of replica_config that Config has.
var obeyed = []string{
	"case_sensitive", "force_replicate", "ignore_ineligible_table", "changefeed_error_stuck_duration",
	"filter.rules", "filter.ignore_txn_start_ts", "filter.event_filters.matcher", "filter.event_filters.ignore_event",
	"sink.protocol", "sink.dispatchers.matcher", "sink.dispatchers.topic", "sink.dispatchers.partition",
	"sink.dispatchers.index", "sink.dispatchers.columns", "sink.column_selectors.matcher", "sink.column_selectors.columns",
	"sink.only_output_updated_columns", "sink.delete_only_output_handle_key_columns", "sink.content_compatible",
	"sink.kafka_config.partition_num", "sink.kafka_config.replication_factor", "sink.kafka_config.max_message_bytes",
	"sink.kafka_config.compression", "sink.kafka_config.required_acks", "sink.kafka_config.auto_create_topic",
	"sink.kafka_config.kafka_client_id", "sink.kafka_config.output_raw_change_event",
	"sink.kafka_config.codec_config.enable_tidb_extension",
}

// tuning lists members that change how TiCDC works but not what it does, or
// that concern other sinks than Kafka.
var tuning = []string{
	"memory_quota", "check_gc_safe_point", "enable_table_monitor", "mounter", "scheduler", "synced_status",
	"sync_point_interval", "sync_point_retention", "sink.csv", "sink.encoder_concurrency", "sink.terminator",
	"sink.date_separator", "sink.enable_partition_separator", "sink.file_index_digit", "sink.enable_kafka_sink_v2",
	"sink.safe_mode", "sink.mysql_config", "sink.cloud_storage_config", "sink.pulsar_config", "sink.advance_timeout",
	"sink.send_bootstrap_interval_in_sec", "sink.send_bootstrap_in_msg_count", "sink.send_bootstrap_to_all_partition",
	"sink.debezium_disable_schema", "sink.debezium", "sink.open", "sink.kafka_config.kafka_version",
	"sink.kafka_config.dial_timeout", "sink.kafka_config.read_timeout", "sink.kafka_config.write_timeout",
	"sink.kafka_config.codec_config", "sink.kafka_config.large_message_handle.large_message_handle_compression",
}

// refused lists members that would change what is sent, or how, and are not
// implemented: a value other than TiCDC's default is an error.
var refused = []string{
	"enable_sync_point", "bdr_mode", "consistent", "integrity",
	"filter.do_tables", "filter.do_dbs", "filter.ignore_tables", "filter.ignore_dbs",
	"filter.event_filters.ignore_sql", "filter.event_filters.ignore_insert_value_expr",
	"filter.event_filters.ignore_update_new_value_expr", "filter.event_filters.ignore_update_old_value_expr",
	"filter.event_filters.ignore_delete_value_expr", "sink.schema_registry", "sink.transaction_atomicity",
	"sink.send-all-bootstrap-at-start", "sink.kafka_config", "sink.dispatchers.dispatcher",
}

// refuse returns an error for the first member that asks for what is not
// implemented. Members that TiCDC does not know either it ignores, as TiCDC.
func refuse(path string, value, standard any) error {
	switch v := value.(type) {
	case map[string]any:
		known, _ := standard.(map[string]any)
		for name, member := range v {
			if err := refuse(path+"."+name, member, known[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for _, element := range v {
			if _, isObject := element.(map[string]any); isObject {
				if err := refuse(path, element, nil); err != nil {
					return err
				}
			}
		}
	}
	name := strings.TrimPrefix(path, "replica_config.")
	if within(name, obeyed) || within(name, tuning) || !within(name, refused) || isDefault(value, standard) {
		return nil
	}
	return Errorf(ErrInvalidParam, "%s: devstack does not implement the value %v", path, value)
}

func within(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return name == p || strings.HasPrefix(name, p+".") })
}

func isDefault(value, standard any) bool {
	if standard == nil {
		v := reflect.ValueOf(value)
		return value == nil || v.IsZero() || value == "none" || v.Kind() == reflect.Slice && v.Len() == 0
	}
	return reflect.DeepEqual(value, standard)
}
