package stack

import (
	"errors"
	"testing"

	"github.com/IBM/sarama"

	"helfy/service"
)

// Produce writes a record of any content into a partition of a topic and
// returns its offset.
func Produce(t testing.TB, config service.Config, topic string, partition int32, value string) int64 {
	t.Helper()
	settings := sarama.NewConfig()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	settings.Producer.MaxMessageBytes = 16 << 20
	producer, err := sarama.NewSyncProducer(config.KafkaBrokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)})
	if err := errors.Join(err, producer.Close()); err != nil {
		t.Fatal(err)
	}
	return offset
}
