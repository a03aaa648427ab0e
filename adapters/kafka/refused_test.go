package kafka_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"helfy/adapters/kafka"
	"helfy/adapters/tlsfiles"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/authority"
)

const topic, password = "t", "a password"

// reach connects in each way that the service does, and returns what comes of
// each.
func reach(t *testing.T, cluster kafka.Cluster) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	results := map[string]error{"ping": cluster.Ping(ctx)}
	_, results["look at the partitions"] = cluster.Partitions(ctx, topic)
	observer, err := cluster.Observer()
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Close()
	_, results["observe"] = observer.Shapes(ctx, []string{topic})
	results["subscribe"] = subscribe(ctx, cluster)
	return results
}

func subscribe(ctx context.Context, cluster kafka.Cluster) error {
	subscriber, err := cluster.Subscriber("group", watermill.NopLogger{})
	if err != nil {
		return err
	}
	_, err = subscriber.Subscribe(ctx, topic)
	return errors.Join(err, subscriber.Close())
}

func start(t *testing.T, options ...kfake.Opt) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func produce(t *testing.T, brokers []string, ca *authority.Authority, auth scram.Auth, mechanism string) {
	t.Helper()
	signIn := auth.AsSha256Mechanism()
	if mechanism == kafka.ScramSHA512 {
		signIn = auth.AsSha512Mechanism()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.SASL(signIn),
		kgo.DialTLSConfig(&tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryClientSpeaksTLSAndSignsIn(t *testing.T) {
	ca := authority.New(t)
	for _, mechanism := range []string{kafka.ScramSHA256, kafka.ScramSHA512} {
		brokers := start(t, kfake.TLS(ca.Server("127.0.0.1")), kfake.EnableSASL(), kfake.Superuser(mechanism, "helfy", password))
		cluster := kafka.Cluster{
			Brokers: brokers, TLS: &tlsfiles.Files{CA: ca.CA},
			SASL: kafka.SASL{Mechanism: mechanism, Username: "helfy", Password: domain.NewSecret(password)},
		}
		for what, err := range reach(t, cluster) {
			if err != nil {
				t.Errorf("%s: %s: %v", mechanism, what, err)
			}
		}
		produce(t, brokers, ca, scram.Auth{User: "helfy", Pass: password}, mechanism)
		var got []projection.Record
		err := cluster.Read(t.Context(), projection.Partition{Topic: topic}, 0, 1, func(records []projection.Record) error {
			got = append(got, records...)
			return nil
		})
		if err != nil || len(got) != 1 {
			t.Errorf("%s: got %d records, %v", mechanism, len(got), err)
		}
	}
}

func TestAClientShowsItsCertificate(t *testing.T) {
	ca := authority.New(t)
	server := ca.Server("127.0.0.1")
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	brokers := start(t, kfake.TLS(server))
	files := tlsfiles.Files{CA: ca.CA}
	requireRefused(t, true, "KAFKA_TLS_CERT", kafka.Cluster{Brokers: brokers, TLS: &files})
	files.Cert, files.Key = ca.Issue("helfy")
	for what, err := range reach(t, kafka.Cluster{Brokers: brokers, TLS: &files}) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// requireRefused checks that the errors name the variable. If certain is false
// the broker does not say what it does not like, so that it may be an outage
// too.
func requireRefused(t *testing.T, certain bool, variable string, cluster kafka.Cluster) {
	t.Helper()
	for what, err := range reach(t, cluster) {
		switch {
		case what == "subscribe":
			continue // it connects later
		case err == nil:
			t.Errorf("%s succeeds", what)
		case !strings.Contains(err.Error(), variable) || strings.Contains(err.Error(), password+"x"):
			t.Errorf("%s: want an error that names %s, and not the password, got %v", what, variable, err)
		case certain && (!errors.Is(err, kafka.ErrRefused) || kafka.IsOutage(err)):
			t.Errorf("%s: want no outage, got %v", what, err)
		}
	}
}

func TestWhatIsConfiguredWronglyIsNamed(t *testing.T) {
	ca := authority.New(t)
	protected := start(t, kfake.TLS(ca.Server("127.0.0.1")), kfake.EnableSASL(), kfake.Superuser(kafka.ScramSHA512, "helfy", password))
	other := start(t, kfake.TLS(ca.Server("elsewhere.example")))
	files := &tlsfiles.Files{CA: ca.CA}
	sasl := kafka.SASL{Mechanism: kafka.ScramSHA512, Username: "helfy", Password: domain.NewSecret(password)}
	bad := sasl
	bad.Password = domain.NewSecret(password + "x")
	for name, c := range map[string]struct {
		certain  bool
		variable string
		cluster  kafka.Cluster
	}{
		"another authority": {true, "KAFKA_TLS_CA", kafka.Cluster{Brokers: protected, TLS: &tlsfiles.Files{CA: authority.New(t).CA}, SASL: sasl}},
		"another server":    {true, "KAFKA_BROKERS", kafka.Cluster{Brokers: other, TLS: files}},
		"plain text to TLS": {false, "KAFKA_TLS", kafka.Cluster{Brokers: protected, SASL: sasl}},
		"a wrong password":  {false, "KAFKA_SASL_", kafka.Cluster{Brokers: protected, TLS: files, SASL: bad}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, c.certain, c.variable, c.cluster)
		})
	}
}

func TestABrokerThatDoesNotSpeakTLSMayBeSilent(t *testing.T) {
	t.Parallel()
	err := kafka.Cluster{Brokers: start(t), TLS: &tlsfiles.Files{CA: authority.New(t).CA}}.Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), "KAFKA_TLS") {
		t.Errorf("want an error that names KAFKA_TLS, got %v", err)
	}
}

// What Apache Kafka answers, kfake only hangs up at.
func TestARefusalThatABrokerExplainsIsNoOutage(t *testing.T) {
	for err, variable := range map[error]string{
		sarama.Wrap(sarama.ErrOutOfBrokers, sarama.ErrSASLAuthenticationFailed): "KAFKA_SASL_PASSWORD",
		kerr.SaslAuthenticationFailed:                                           "KAFKA_SASL_PASSWORD",
		kerr.UnsupportedSaslMechanism:                                           "KAFKA_SASL_MECHANISM",
		kerr.TopicAuthorizationFailed:                                           "ACL",
		sarama.Wrap(sarama.ErrOutOfBrokers, tls.RecordHeaderError{}):            "KAFKA_TLS",
	} {
		if explained := kafka.Explain(err); !errors.Is(explained, kafka.ErrRefused) || kafka.IsOutage(explained) || !strings.Contains(explained.Error(), variable) {
			t.Errorf("want a refusal that names %s, got %v", variable, explained)
		}
	}
}
