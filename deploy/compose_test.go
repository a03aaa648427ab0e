package deploy

import (
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/graph"
	"github.com/compose-spec/compose-go/v2/types"
)

func TestTheServicesAreThoseOfTheClusterAndDependInNoCircle(t *testing.T) {
	project := everything(t)
	if err := graph.CheckCycle(project); err != nil {
		t.Error(err)
	}
	want := []string{
		"accounts", "admin", "api", "changefeed", "consumer", "debug", "grafana", "kafka", "migrate", "pd",
		"prepare", "prometheus", "ticdc", "tidb", "tikv", "topics", "web",
	}
	for _, name := range want {
		if _, ok := project.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
}

func TestADependencyIsWaitedForUntilItIsHealthyOrDone(t *testing.T) {
	project := everything(t)
	for _, service := range byName(project.Services) {
		for name, dependency := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if once(project.Services[name]) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if dependency.Condition != want {
				t.Errorf("%s waits until %s is %q, want %q", service.Name, name, dependency.Condition, want)
			}
		}
	}
}

// What must be there before what, by way of others or directly.
func TestNothingStartsBeforeWhatItNeeds(t *testing.T) {
	project := everything(t)
	var needs func(name, needed string) bool
	needs = func(name, needed string) bool {
		for dependency := range project.Services[name].DependsOn {
			if dependency == needed || needs(dependency, needed) {
				return true
			}
		}
		return false
	}
	for name, needed := range map[string][]string{
		"pd": {"prepare"}, "tikv": {"pd"}, "tidb": {"tikv"}, "ticdc": {"tidb"}, "kafka": {"prepare"},
		"accounts":   {"tidb"},
		"migrate":    {"accounts"},
		"topics":     {"kafka"},
		"changefeed": {"migrate", "topics", "ticdc"},
		"admin":      {"changefeed"},
		"api":        {"changefeed"},
		"consumer":   {"changefeed"},
		"web":        {"api", "admin"},
	} {
		for _, one := range needed {
			if !needs(name, one) {
				t.Errorf("%s may start before %s", name, one)
			}
		}
	}
}

func TestEveryServiceThatStaysTellsHowItIs(t *testing.T) {
	for _, service := range byName(everything(t).Services) {
		if once(service) {
			continue
		}
		check := service.HealthCheck
		if check == nil || check.Disable || len(check.Test) < 2 || check.Test[0] != "CMD" {
			t.Errorf("%s has no health check that runs a command", service.Name)
			continue
		}
		if check.Interval == nil || check.Timeout == nil || check.Retries == nil || check.StartPeriod == nil {
			t.Errorf("%s: its health check has no interval, timeout, retries or start period", service.Name)
		}
	}
}

func TestEveryImageIsPinnedOrBuiltHereByOneService(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?$`)
	built := map[string]int{"helfy:local": 0, "helfy-web:local": 0}
	services := byName(everything(t).Services)
	for _, service := range services {
		if service.Build != nil {
			built[service.Image]++
		}
	}
	for image, times := range built {
		if times != 1 {
			t.Errorf("%s is built by %d services", image, times)
		}
	}
	for _, service := range services {
		if built[service.Image] == 0 && !pinned.MatchString(service.Image) {
			t.Errorf("%s: image %s has no full version", service.Name, service.Image)
		}
	}
}

func TestTiDBAndItsPartsAreOfOneVersion(t *testing.T) {
	project := everything(t)
	for _, name := range []string{"pd", "tikv", "tidb", "ticdc"} {
		if want := "pingcap/" + name + ":v8.5.6"; project.Services[name].Image != want {
			t.Errorf("%s has the image %s, want %s", name, project.Services[name].Image, want)
		}
	}
	if image := project.Services["kafka"].Image; !strings.HasPrefix(image, "apache/kafka:3.9.") {
		t.Errorf("kafka has the image %s, want one of 3.9", image)
	}
}

func TestOnlyWebPublishesPortsUnlessAProfileIsAskedFor(t *testing.T) {
	var published []string
	for _, service := range byName(load(t).Services) {
		for _, port := range service.Ports {
			published = append(published, service.Name+" "+port.HostIP+":"+port.Published)
		}
	}
	if want := []string{"web :80", "web :3000"}; !slices.Equal(published, want) {
		t.Errorf("published without a profile: %q, want %q", published, want)
	}
	for _, service := range byName(everything(t).Services) {
		for _, port := range service.Ports {
			if service.Name != "web" && port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s for more than this machine", service.Name, port.Published)
			}
		}
	}
}

func TestServicesThatMayBeSeveralHaveNothingThatThereIsOnlyOneOf(t *testing.T) {
	project := everything(t)
	for _, name := range []string{"api", "consumer"} {
		service := project.Services[name]
		if service.ContainerName != "" || service.Hostname != "" || len(service.Ports) > 0 {
			t.Errorf("%s has a name or a port of the host", name)
		}
		for _, volume := range service.Volumes {
			if !volume.ReadOnly {
				t.Errorf("%s writes to %s, as others like it would", name, volume.Source)
			}
		}
	}
}

func TestServicesMayDoNoMoreThanTheyMust(t *testing.T) {
	for _, service := range byName(everything(t).Services) {
		if !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s keeps capabilities", service.Name)
		}
		if len(service.CapAdd) > 0 && service.Name != "prepare" {
			t.Errorf("%s has the capabilities %v", service.Name, service.CapAdd)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may get new privileges", service.Name)
		}
		if service.Privileged || service.NetworkMode == "host" {
			t.Errorf("%s is as the host", service.Name)
		}
		if !service.ReadOnly && service.Name != "kafka" {
			t.Errorf("%s may write to its image", service.Name)
		}
		if (service.User == "" || strings.HasPrefix(service.User, "0")) && service.Name != "prepare" {
			t.Errorf("%s runs as the user %q", service.Name, service.User)
		}
		if service.MemLimit == 0 || service.PidsLimit == 0 {
			t.Errorf("%s may take all memory or processes", service.Name)
		}
		if service.Logging == nil || service.Logging.Options["max-size"] == "" || service.Logging.Options["max-file"] == "" {
			t.Errorf("%s may fill the disk with its log", service.Name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind && !volume.ReadOnly {
				t.Errorf("%s may write to %s of the repository", service.Name, volume.Source)
			}
		}
	}
	if prepare := everything(t).Services["prepare"]; prepare.NetworkMode != "none" {
		t.Error("prepare, which is root, has a network")
	}
}

func TestSecretsAreSeenByThoseOnlyWhoNeedThem(t *testing.T) {
	project := everything(t)
	seen := map[string][]string{}
	for _, service := range byName(project.Services) {
		for _, volume := range service.Volumes {
			if name, ok := strings.CutPrefix(volume.Source, "secrets-"); ok && service.Name != "prepare" {
				seen[name] = append(seen[name], service.Name)
				if !volume.ReadOnly {
					t.Errorf("%s may change the secrets of %s", service.Name, name)
				}
			}
		}
	}
	for name, want := range map[string][]string{
		"master": nil, "tidb": {"tidb"}, "accounts": {"accounts"}, "migrate": {"changefeed", "migrate"},
		"api": {"api"}, "consumer": {"consumer"}, "admin": {"admin"}, "grafana": {"grafana"},
	} {
		if !slices.Equal(seen[name], want) {
			t.Errorf("the secrets of %s are seen by %v, want %v", name, seen[name], want)
		}
	}
}

func TestWhatHoldsDataKeepsItInAVolumeOfItsOwn(t *testing.T) {
	project := everything(t)
	for name, target := range map[string]string{
		"pd": "/data", "tikv": "/data", "ticdc": "/data", "kafka": "/var/lib/kafka/data",
		"prometheus": "/prometheus", "grafana": "/var/lib/grafana",
	} {
		if !slices.ContainsFunc(project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source == name && v.Target == target && !v.ReadOnly
		}) {
			t.Errorf("%s has no volume at %s", name, target)
		}
	}
}

func TestEveryMountedFileIsThere(t *testing.T) {
	for _, service := range byName(everything(t).Services) {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s: %v", service.Name, err)
			}
			if relative, err := filepath.Rel(project(t), volume.Source); err != nil || strings.HasPrefix(relative, "..") {
				t.Errorf("%s mounts %s, which is not of the repository", service.Name, volume.Source)
			}
		}
	}
}

func project(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheParts(t *testing.T) {
	services := everything(t).Services
	for name, want := range map[string][]string{
		"pd":    {"--client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://pd:2379", "--initial-cluster=pd=http://pd:2380"},
		"tikv":  {"--advertise-addr=tikv:20160", "--pd=pd:2379"},
		"tidb":  {"--store=tikv", "--path=pd:2379", "--advertise-address=tidb"},
		"ticdc": {"/cdc", "server", "--pd=http://pd:2379", "--advertise-addr=ticdc:8300", "--tz=UTC", "--gc-ttl=86400", "--data-dir=/data"},
	} {
		for _, argument := range want {
			if !slices.Contains(services[name].Command, argument) {
				t.Errorf("%s runs without %s: %q", name, argument, services[name].Command)
			}
		}
	}
	if limit := services["tikv"].Ulimits["nofile"]; limit == nil || limit.Single != 1048576 {
		t.Error("tikv ends at once on some machines unless it may open 1048576 files")
	}
	if id := value(services["kafka"], "CLUSTER_ID"); !isUUID(id) {
		t.Errorf("CLUSTER_ID %q is no id of 16 bytes", id)
	}
	for variable, want := range map[string]string{
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false", "KAFKA_PROCESS_ROLES": "broker,controller",
		"KAFKA_LOG_DIRS": "/var/lib/kafka/data", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
	} {
		if got := value(services["kafka"], variable); got != want {
			t.Errorf("kafka has %s=%q, want %q", variable, got, want)
		}
	}
}

func isUUID(text string) bool {
	id, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(id) == 16
}

// value is that of a variable, empty for none.
func value(service types.ServiceConfig, variable string) string {
	if text := service.Environment[variable]; text != nil {
		return *text
	}
	return ""
}

// All who speak of the topics must mean the same ones.
func TestTheVariablesOfAllProcessesAgree(t *testing.T) {
	first := map[string]string{}
	for _, service := range byName(everything(t).Services) {
		if !helfy(service) {
			continue
		}
		for variable, text := range service.Environment {
			if text == nil || !strings.HasPrefix(variable, "KAFKA_") && !strings.HasPrefix(variable, "TICDC_") && variable != "TIDB_DATABASE" {
				continue
			}
			if other, ok := first[variable]; ok && other != *text {
				t.Errorf("%s has %s=%q, others have %q", service.Name, variable, *text, other)
			}
			first[variable] = *text
		}
	}
	if first["KAFKA_BROKERS"] != "kafka:19092" || !strings.Contains(value(everything(t).Services["kafka"], "KAFKA_ADVERTISED_LISTENERS"), "PLAINTEXT://kafka:19092") {
		t.Errorf("KAFKA_BROKERS %q is not where Kafka says that it is", first["KAFKA_BROKERS"])
	}
}

func TestTheAPIBelievesNobodyButWeb(t *testing.T) {
	project := everything(t)
	front := project.Networks["front"]
	if !front.Internal || len(front.Ipam.Config) != 1 {
		t.Fatal("the network front has a way out, or no subnet of its own")
	}
	subnet, err := netip.ParsePrefix(front.Ipam.Config[0].Subnet)
	if err != nil {
		t.Fatal(err)
	}
	if trusted := value(project.Services["api"], "TRUSTED_PROXIES"); trusted != subnet.String() {
		t.Errorf("TRUSTED_PROXIES is %q, the network %s", trusted, subnet)
	}
	for _, service := range byName(project.Services) {
		_, in := service.Networks["front"]
		if want := service.Name == "web" || service.Name == "api"; in != want {
			t.Errorf("%s is in the network front: %t, want %t", service.Name, in, want)
		}
		_, in = service.Networks["store"]
		if want := slices.Contains([]string{"pd", "tikv", "tidb", "ticdc", "prometheus"}, service.Name); in != want {
			t.Errorf("%s is in TiDB's own network: %t, want %t", service.Name, in, want)
		}
	}
}

// drain is how long requests under way may take at the end: drainTimeout in
// service/run.go.
const drain = 15 * time.Second

func TestProcessesGetTheTimeThatTheirEndTakes(t *testing.T) {
	services := everything(t).Services
	grace, err := time.ParseDuration(value(services["api"], "SHUTDOWN_GRACE"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "consumer", "web"} {
		period := services[name].StopGracePeriod
		if period == nil || time.Duration(*period) < grace+drain+5*time.Second {
			t.Errorf("%s is killed %v after it was told to end, which may take %s", name, period, grace+drain)
		}
	}
}
