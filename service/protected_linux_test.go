//go:build apachekafka

package service_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/adapters/kafka"
	"helfy/domain"
	"helfy/internal/authority"
	"helfy/internal/stack"
	"helfy/service"
)

// The users of a protected broker.
const (
	helfyUser     = "helfy"
	helfyPassword = "what only helfy knows"
	nobody        = "nobody" // has a password, and no rights
	setup         = "setup"  // may do what topics ensure must
)

// protected is a broker that listens twice: without protection, where whoever
// comes may do anything, for the feed and those who set up; and by TLS with
// SCRAM, where users may do what they have rights to.
type protected struct {
	*stack.Broker
	authority *authority.Authority
	port      int
}

func newProtected(t *testing.T) protected {
	t.Helper()
	p := protected{authority: authority.New(t), port: stack.FreePort(t)}
	certificate, key := p.authority.Issue("127.0.0.1")
	var keystore []byte
	for _, file := range []string{key, certificate} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		keystore = append(keystore, text...)
	}
	file := filepath.Join(t.TempDir(), "keystore.pem")
	if err := os.WriteFile(file, keystore, 0o600); err != nil {
		t.Fatal(err)
	}
	plain, controller := stack.FreePort(t), stack.FreePort(t)
	const login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	p.Broker = stack.NewBrokerAt(t, plain,
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,SASL_SSL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", plain, p.port, controller),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
		"sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config="+login,
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="+login,
		"ssl.keystore.type=PEM", "ssl.keystore.location="+file,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
	)
	return p
}

// newProtectedConfig returns a configuration of a protected broker, on which
// everything is set up, for the user that may do only what it must: read the
// topics, and be a member of its own groups.
func newProtectedConfig(t *testing.T) (config service.Config, broker protected) {
	t.Helper()
	open := stack.NewWith(t, func(c *service.Config) {
		broker = newProtected(t)
		c.KafkaBrokers = []string{broker.Address()}
		c.ChangefeedBrokers = c.KafkaBrokers
	})
	administrate(t, open, func(admin sarama.ClusterAdmin) error {
		var faults []error
		for _, mechanism := range []sarama.ScramMechanismType{sarama.SCRAM_MECHANISM_SHA_256, sarama.SCRAM_MECHANISM_SHA_512} {
			for _, name := range []string{helfyUser, nobody, setup} {
				results, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
					Name: name, Mechanism: mechanism, Iterations: 4096, Salt: []byte("salt of " + name), Password: []byte(helfyPassword),
				}})
				faults = append(faults, err)
				for _, result := range results {
					if result.ErrorCode != sarama.ErrNoError {
						faults = append(faults, result.ErrorCode)
					}
				}
			}
		}
		return errors.Join(append(faults,
			admin.CreateACLs(readRights(open, helfyUser)),
			admin.CreateACLs(rights(setup, topicOf(open.ChangesTopic, sarama.AclPatternPrefixed),
				sarama.AclOperationCreate, sarama.AclOperationDescribe, sarama.AclOperationDescribeConfigs)),
			admin.CreateACLs(rights(setup, topicOf(open.EventsTopic, sarama.AclPatternPrefixed),
				sarama.AclOperationCreate, sarama.AclOperationDescribe, sarama.AclOperationDescribeConfigs)))...)
	})
	config = open
	config.KafkaBrokers = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(broker.port))}
	config.KafkaTLS, config.KafkaTLSCA = true, broker.authority.CA
	config.KafkaSASL, config.KafkaSASLUsername, config.KafkaSASLPassword = kafka.ScramSHA512, helfyUser, domain.NewSecret(helfyPassword)
	return config, broker
}

func topicOf(name string, pattern sarama.AclResourcePatternType) sarama.Resource {
	return sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: name, ResourcePatternType: pattern}
}

// rights lets a user do operations on a resource.
func rights(user string, resource sarama.Resource, operations ...sarama.AclOperation) []*sarama.ResourceAcls {
	of := &sarama.ResourceAcls{Resource: resource}
	for _, operation := range operations {
		of.Acls = append(of.Acls, &sarama.Acl{
			Principal: "User:" + user, Host: "*", Operation: operation, PermissionType: sarama.AclPermissionAllow,
		})
	}
	return []*sarama.ResourceAcls{of}
}

// readRights are what a process needs that serves or consumes.
func readRights(config service.Config, user string) []*sarama.ResourceAcls {
	groups := sarama.Resource{
		ResourceType: sarama.AclResourceGroup, ResourceName: config.ConsumerGroup, ResourcePatternType: sarama.AclPatternPrefixed,
	}
	return slices.Concat(
		rights(user, topicOf(config.ChangesTopic, sarama.AclPatternLiteral), sarama.AclOperationRead),
		rights(user, topicOf(config.EventsTopic, sarama.AclPatternLiteral), sarama.AclOperationRead),
		rights(user, groups, sarama.AclOperationRead))
}

func TestAUserThatMayOnlyReadIsEnoughForEverythingOverTLSAndSCRAM(t *testing.T) {
	config, _ := newProtectedConfig(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	for _, mechanism := range []string{kafka.ScramSHA512, kafka.ScramSHA256} {
		config.KafkaSASL = mechanism
		client, stop := stack.Run(t, config)
		token := login(t, client, "admin")
		w, err := client.Watch(t, token, "?eventType=LOGIN_SUCCESS", "")
		if err != nil {
			t.Fatal(err)
		}
		w.Next(t, wait, "complete")
		login(t, client, "admin")
		w.Entry(t, wait)
		eventuallyComplete(t, client, token)
		stack.RequireNoFindings(t, config)
		if code, said := stack.RunCommand(t, config, "", "rebuild", "audit"); code != 0 {
			t.Errorf("%s: rebuild: %d, %s", mechanism, code, said)
		}
		if code, said := stack.RunCommand(t, config, "", "audit", "verify", "--from", "kafka"); code != 0 {
			t.Errorf("%s: audit verify: %d, %s", mechanism, code, said)
		}
		if health := string(call(t, client, "GET", "/health", "", 200)); !strings.Contains(health, `"kafka":true`) {
			t.Error(health)
		}
		stop()
	}
}

func TestAConsumerThatIsGivenItsRightsGoesOn(t *testing.T) {
	config, broker := newProtectedConfig(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	config.KafkaSASLUsername = nobody
	client := stack.Serve(t, config)
	consumer := stack.Start(t, config, "consume")
	stack.Eventually(t, wait, func() error {
		if !strings.Contains(consumer.Said(), "the rights (ACLs) of KAFKA_SASL_USERNAME") {
			return errors.New("the consumer does not say what it lacks")
		}
		return nil
	})
	open := config
	open.KafkaBrokers = []string{broker.Address()}
	administrate(t, open, func(admin sarama.ClusterAdmin) error { return admin.CreateACLs(readRights(config, nobody)) })
	eventuallyComplete(t, client, login(t, client, "admin"))
}

func TestTopicsAreMadeByAUserThatMayCreateAndDescribeThem(t *testing.T) {
	config, _ := newProtectedConfig(t)
	config.KafkaSASLUsername = setup
	if code, said := stack.RunCommand(t, config, "", "topics", "ensure"); code != 0 {
		t.Errorf("topics that are there: exit code %d, %s", code, said)
	}
	config.ChangesTopic += "-2"
	config.EventsTopic += "-2"
	if code, said := stack.RunCommand(t, config, "", "topics", "ensure"); code != 0 {
		t.Errorf("new topics: exit code %d, %s", code, said)
	}
}

func TestAConsumerThatKafkaRefusesNamesTheVariable(t *testing.T) {
	config, broker := newProtectedConfig(t)
	for name, c := range map[string]struct {
		change func(*service.Config)
		want   string
	}{
		"a wrong password": {
			func(c *service.Config) { c.KafkaSASLPassword = domain.NewSecret("a guess") }, "look at KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
		},
		"an unknown user": {
			func(c *service.Config) { c.KafkaSASLUsername = "stranger" }, "look at KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
		},
		"a user without rights": {
			func(c *service.Config) { c.KafkaSASLUsername = nobody }, "look at the rights (ACLs) of KAFKA_SASL_USERNAME",
		},
		"another authority": {
			func(c *service.Config) { c.KafkaTLSCA = authority.New(t).CA }, "look at KAFKA_TLS_CA",
		},
		"nobody": {
			func(c *service.Config) {
				c.KafkaSASL, c.KafkaSASLUsername, c.KafkaSASLPassword = "", "", domain.Secret{}
			}, "KAFKA_SASL_",
		},
		"plain text to TLS": {
			func(c *service.Config) { c.KafkaTLS, c.KafkaTLSCA = false, "" }, "KAFKA_TLS",
		},
		"TLS to plain text": {
			func(c *service.Config) { c.KafkaBrokers = []string{broker.Address()} }, "KAFKA_TLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := config
			c.change(&wrong)
			_, err := wrong.Kafka().Partitions(t.Context(), config.EventsTopic)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("look at the partitions: %v, want %s", err, c.want)
			}
			code, said := stack.RunCommand(t, wrong, "", "topics", "ensure")
			if code == 0 || !strings.Contains(said, c.want) {
				t.Errorf("topics ensure: exit code %d, %s, want %s", code, said, c.want)
			}
			if strings.Contains(said, helfyPassword) || strings.Contains(said, "a guess") {
				t.Errorf("the password is told: %s", said)
			}
			stack.RunUntilLog(t, wrong, c.want)
		})
	}
}
