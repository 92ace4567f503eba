package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"time"
)

// The arguments and exports of the components this project uses, as Alloy 1.19 declares them. A component outside of
// this table is checked for syntax, name and references only, and the checker says so.

type definition struct {
	arguments func() any
	exports   map[string]any
}

func (d definition) exportNames() []string {
	names := make([]string, 0, len(d.exports))
	for name := range d.exports {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// What flows between components. Distinct types, so that a log receiver in a metrics pipeline is an error.
type (
	metricsReceiver struct{}
	logsReceiver    struct{}
	otelConsumer    struct{}
	profileReceiver struct{}
	relabelRules    struct{}
	anyCapsule      struct{}
)

func (*metricsReceiver) AlloyCapsule() {}
func (*logsReceiver) AlloyCapsule()    {}
func (*otelConsumer) AlloyCapsule()    {}
func (*profileReceiver) AlloyCapsule() {}
func (*relabelRules) AlloyCapsule()    {}
func (*anyCapsule) AlloyCapsule()      {}

type target = map[string]any

var (
	metrics  = &metricsReceiver{}
	logs     = &logsReceiver{}
	otel     = &otelConsumer{}
	profiles = &profileReceiver{}
	rules    = &relabelRules{}
	targets  = []target{}
)

var schema = map[string]definition{
	"logging":                      {func() any { return &logging{} }, nil},
	"livedebugging":                {func() any { return &livedebugging{} }, nil},
	"prometheus.remote_write":      {func() any { return &remoteWrite{} }, map[string]any{"receiver": metrics}},
	"prometheus.scrape":            {func() any { return &scrape{} }, map[string]any{}},
	"prometheus.relabel":           {func() any { return &metricsRelabel{} }, map[string]any{"receiver": metrics, "rules": rules}},
	"prometheus.exporter.unix":     {func() any { return &unixExporter{} }, map[string]any{"targets": targets}},
	"prometheus.exporter.kafka":    {func() any { return &kafkaExporter{} }, map[string]any{"targets": targets}},
	"prometheus.exporter.mysql":    {func() any { return &mysqlExporter{} }, map[string]any{"targets": targets}},
	"prometheus.exporter.postgres": {func() any { return &postgresExporter{} }, map[string]any{"targets": targets}},
	"discovery.process":            {func() any { return &processDiscovery{} }, map[string]any{"targets": targets}},
	"pyroscope.java":               {func() any { return &javaProfiler{} }, map[string]any{}},
	"prometheus.exporter.self":     {func() any { return &struct{}{} }, map[string]any{"targets": targets}},
	"discovery.relabel":            {func() any { return &discoveryRelabel{} }, map[string]any{"output": targets, "rules": rules}},
	"local.file_match":             {func() any { return &fileMatch{} }, map[string]any{"targets": targets}},
	"loki.source.journal":          {func() any { return &journal{} }, map[string]any{}},
	"loki.source.file":             {func() any { return &fileSource{} }, map[string]any{}},
	"loki.relabel":                 {func() any { return &logsRelabel{} }, map[string]any{"receiver": logs, "rules": rules}},
	"loki.process":                 {func() any { return &process{} }, map[string]any{"receiver": logs}},
	"loki.write":                   {func() any { return &lokiWrite{} }, map[string]any{"receiver": logs}},
	"otelcol.receiver.otlp":        {func() any { return &otlpReceiver{} }, map[string]any{}},
	"otelcol.processor.batch":      {func() any { return &batch{} }, map[string]any{"input": otel}},
	"otelcol.processor.attributes": {func() any { return &attributes{} }, map[string]any{"input": otel}},
	"otelcol.exporter.otlphttp":    {func() any { return &otlpExporter{} }, map[string]any{"input": otel}},
	"pyroscope.write":              {func() any { return &pyroscopeWrite{} }, map[string]any{"receiver": profiles}},
}

type logging struct {
	Level       string          `alloy:"level,attr,optional"`
	Format      string          `alloy:"format,attr,optional"`
	Destination string          `alloy:"destination,attr,optional"`
	WriteTo     []*logsReceiver `alloy:"write_to,attr,optional"`
}

func (l *logging) Validate() error {
	if l.Level != "" && !slices.Contains([]string{"error", "warn", "info", "debug"}, l.Level) {
		return fmt.Errorf("level %q is none of error, warn, info, debug", l.Level)
	}
	if l.Format != "" && !slices.Contains([]string{"logfmt", "json"}, l.Format) {
		return fmt.Errorf("format %q is none of logfmt, json", l.Format)
	}
	return nil
}

type livedebugging struct {
	Enabled bool `alloy:"enabled,attr,optional"`
}

type httpClient struct {
	BasicAuth            *basicAuth          `alloy:"basic_auth,block,optional"`
	Authorization        *authorization      `alloy:"authorization,block,optional"`
	OAuth2               *map[string]any     `alloy:"oauth2,block,optional"`
	BearerToken          string              `alloy:"bearer_token,attr,optional"`
	BearerTokenFile      string              `alloy:"bearer_token_file,attr,optional"`
	TLS                  *tlsConfig          `alloy:"tls_config,block,optional"`
	FollowRedirects      bool                `alloy:"follow_redirects,attr,optional"`
	EnableHTTP2          bool                `alloy:"enable_http2,attr,optional"`
	HTTPHeaders          map[string][]string `alloy:"http_headers,attr,optional"`
	ProxyURL             string              `alloy:"proxy_url,attr,optional"`
	NoProxy              string              `alloy:"no_proxy,attr,optional"`
	ProxyFromEnvironment bool                `alloy:"proxy_from_environment,attr,optional"`
	ProxyConnectHeader   map[string][]string `alloy:"proxy_connect_header,attr,optional"`
}

type basicAuth struct {
	Username     string `alloy:"username,attr,optional"`
	Password     string `alloy:"password,attr,optional"`
	PasswordFile string `alloy:"password_file,attr,optional"`
}

type authorization struct {
	Type            string `alloy:"type,attr,optional"`
	Credentials     string `alloy:"credentials,attr,optional"`
	CredentialsFile string `alloy:"credentials_file,attr,optional"`
}

type tlsConfig struct {
	CA                 string `alloy:"ca_pem,attr,optional"`
	CAFile             string `alloy:"ca_file,attr,optional"`
	Cert               string `alloy:"cert_pem,attr,optional"`
	CertFile           string `alloy:"cert_file,attr,optional"`
	Key                string `alloy:"key_pem,attr,optional"`
	KeyFile            string `alloy:"key_file,attr,optional"`
	ServerName         string `alloy:"server_name,attr,optional"`
	InsecureSkipVerify bool   `alloy:"insecure_skip_verify,attr,optional"`
	MinVersion         string `alloy:"min_version,attr,optional"`
}

type relabelRule struct {
	SourceLabels []string `alloy:"source_labels,attr,optional"`
	Separator    string   `alloy:"separator,attr,optional"`
	Regex        string   `alloy:"regex,attr,optional"`
	Modulus      uint64   `alloy:"modulus,attr,optional"`
	TargetLabel  string   `alloy:"target_label,attr,optional"`
	Replacement  string   `alloy:"replacement,attr,optional"`
	Action       string   `alloy:"action,attr,optional"`
}

var relabelActions = []string{
	"", "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
}

func (r *relabelRule) Validate() error {
	if !slices.Contains(relabelActions, r.Action) {
		return fmt.Errorf("unknown relabel action %q", r.Action)
	}
	if _, err := regexp.Compile("^(?:" + r.Regex + ")$"); err != nil {
		return err
	}
	if (r.Action == "" || r.Action == "replace") && r.TargetLabel == "" {
		return errors.New("a rule that replaces needs target_label")
	}
	return nil
}

type remoteWrite struct {
	ExternalLabels map[string]string `alloy:"external_labels,attr,optional"`
	Endpoints      []metricsEndpoint `alloy:"endpoint,block,optional"`
	WAL            *metricsWAL       `alloy:"wal,block,optional"`
}

type metricsEndpoint struct {
	Name                 string            `alloy:"name,attr,optional"`
	URL                  string            `alloy:"url,attr"`
	RemoteTimeout        time.Duration     `alloy:"remote_timeout,attr,optional"`
	Headers              map[string]string `alloy:"headers,attr,optional"`
	SendExemplars        bool              `alloy:"send_exemplars,attr,optional"`
	SendNativeHistograms bool              `alloy:"send_native_histograms,attr,optional"`
	ProtobufMessage      string            `alloy:"protobuf_message,attr,optional"`
	Client               httpClient        `alloy:",squash"`
	Queue                *metricsQueue     `alloy:"queue_config,block,optional"`
	Metadata             *metricsMetadata  `alloy:"metadata_config,block,optional"`
	WriteRelabel         []relabelRule     `alloy:"write_relabel_config,block,optional"`
	SigV4                *map[string]any   `alloy:"sigv4,block,optional"`
	AzureAD              *map[string]any   `alloy:"azuread,block,optional"`
	GoogleIAM            *map[string]any   `alloy:"google_iam,block,optional"`
	RoundRobinDNS        bool              `alloy:"round_robin_dns,attr,optional"`
}

type metricsQueue struct {
	Capacity          int           `alloy:"capacity,attr,optional"`
	MaxShards         int           `alloy:"max_shards,attr,optional"`
	MinShards         int           `alloy:"min_shards,attr,optional"`
	MaxSamplesPerSend int           `alloy:"max_samples_per_send,attr,optional"`
	BatchSendDeadline time.Duration `alloy:"batch_send_deadline,attr,optional"`
	MinBackoff        time.Duration `alloy:"min_backoff,attr,optional"`
	MaxBackoff        time.Duration `alloy:"max_backoff,attr,optional"`
	RetryOnHTTP429    bool          `alloy:"retry_on_http_429,attr,optional"`
	SampleAgeLimit    time.Duration `alloy:"sample_age_limit,attr,optional"`
}

type metricsMetadata struct {
	Send              bool          `alloy:"send,attr,optional"`
	SendInterval      time.Duration `alloy:"send_interval,attr,optional"`
	MaxSamplesPerSend int           `alloy:"max_samples_per_send,attr,optional"`
}

type metricsWAL struct {
	TruncateFrequency time.Duration `alloy:"truncate_frequency,attr,optional"`
	MinKeepaliveTime  time.Duration `alloy:"min_keepalive_time,attr,optional"`
	MaxKeepaliveTime  time.Duration `alloy:"max_keepalive_time,attr,optional"`
}

type scrape struct {
	Targets                    []target            `alloy:"targets,attr"`
	ForwardTo                  []*metricsReceiver  `alloy:"forward_to,attr"`
	JobName                    string              `alloy:"job_name,attr,optional"`
	HonorLabels                bool                `alloy:"honor_labels,attr,optional"`
	HonorTimestamps            bool                `alloy:"honor_timestamps,attr,optional"`
	HonorMetadata              bool                `alloy:"honor_metadata,attr,optional"`
	TrackTimestampsStaleness   bool                `alloy:"track_timestamps_staleness,attr,optional"`
	Params                     map[string][]string `alloy:"params,attr,optional"`
	ScrapeClassicHistograms    bool                `alloy:"scrape_classic_histograms,attr,optional"`
	ScrapeNativeHistograms     bool                `alloy:"scrape_native_histograms,attr,optional"`
	ScrapeFailureLogFile       string              `alloy:"scrape_failure_log_file,attr,optional"`
	ScrapeInterval             time.Duration       `alloy:"scrape_interval,attr,optional"`
	ScrapeTimeout              time.Duration       `alloy:"scrape_timeout,attr,optional"`
	ScrapeProtocols            []string            `alloy:"scrape_protocols,attr,optional"`
	MetricsPath                string              `alloy:"metrics_path,attr,optional"`
	Scheme                     string              `alloy:"scheme,attr,optional"`
	BodySizeLimit              string              `alloy:"body_size_limit,attr,optional"`
	SampleLimit                uint                `alloy:"sample_limit,attr,optional"`
	TargetLimit                uint                `alloy:"target_limit,attr,optional"`
	LabelLimit                 uint                `alloy:"label_limit,attr,optional"`
	LabelNameLengthLimit       uint                `alloy:"label_name_length_limit,attr,optional"`
	LabelValueLengthLimit      uint                `alloy:"label_value_length_limit,attr,optional"`
	Client                     httpClient          `alloy:",squash"`
	ExtraMetrics               bool                `alloy:"extra_metrics,attr,optional"`
	EnableProtobufNegotiation  bool                `alloy:"enable_protobuf_negotiation,attr,optional"`
	MetricNameValidationScheme string              `alloy:"metric_name_validation_scheme,attr,optional"`
	MetricNameEscapingScheme   string              `alloy:"metric_name_escaping_scheme,attr,optional"`
	EnableTypeAndUnitLabels    bool                `alloy:"enable_type_and_unit_labels,attr,optional"`
	Clustering                 *map[string]any     `alloy:"clustering,block,optional"`
}

func (s *scrape) Validate() error {
	if s.ScrapeTimeout > 0 && s.ScrapeInterval > 0 && s.ScrapeTimeout > s.ScrapeInterval {
		return fmt.Errorf("scrape_timeout %s is longer than scrape_interval %s", s.ScrapeTimeout, s.ScrapeInterval)
	}
	return nil
}

type metricsRelabel struct {
	ForwardTo []*metricsReceiver `alloy:"forward_to,attr"`
	Rules     []relabelRule      `alloy:"rule,block,optional"`
	CacheSize int                `alloy:"max_cache_size,attr,optional"`
	CacheTTL  time.Duration      `alloy:"cache_ttl,attr,optional"`
}

type discoveryRelabel struct {
	Targets []target      `alloy:"targets,attr"`
	Rules   []relabelRule `alloy:"rule,block,optional"`
}

type unixExporter struct {
	IncludeExporterMetrics bool              `alloy:"include_exporter_metrics,attr,optional"`
	ProcFSPath             string            `alloy:"procfs_path,attr,optional"`
	SysFSPath              string            `alloy:"sysfs_path,attr,optional"`
	RootFSPath             string            `alloy:"rootfs_path,attr,optional"`
	UdevDataPath           string            `alloy:"udev_data_path,attr,optional"`
	EnableCollectors       []string          `alloy:"enable_collectors,attr,optional"`
	DisableCollectors      []string          `alloy:"disable_collectors,attr,optional"`
	SetCollectors          []string          `alloy:"set_collectors,attr,optional"`
	Disk                   *deviceFilter     `alloy:"disk,block,optional"`
	Filesystem             *filesystemFilter `alloy:"filesystem,block,optional"`
	Netclass               *netclass         `alloy:"netclass,block,optional"`
	Netdev                 *netdev           `alloy:"netdev,block,optional"`
	Systemd                *systemd          `alloy:"systemd,block,optional"`
	Textfile               *textfile         `alloy:"textfile,block,optional"`
	CPU                    *cpu              `alloy:"cpu,block,optional"`
	VMStat                 *fields           `alloy:"vmstat,block,optional"`
	Netstat                *fields           `alloy:"netstat,block,optional"`
	Arp                    *map[string]any   `alloy:"arp,block,optional"`
	BCache                 *map[string]any   `alloy:"bcache,block,optional"`
	EthTool                *map[string]any   `alloy:"ethtool,block,optional"`
	HwMon                  *map[string]any   `alloy:"hwmon,block,optional"`
	IPVS                   *map[string]any   `alloy:"ipvs,block,optional"`
	NTP                    *map[string]any   `alloy:"ntp,block,optional"`
	Perf                   *map[string]any   `alloy:"perf,block,optional"`
	Powersupply            *map[string]any   `alloy:"powersupply,block,optional"`
	Runit                  *map[string]any   `alloy:"runit,block,optional"`
	Supervisord            *map[string]any   `alloy:"supervisord,block,optional"`
	Sysctl                 *map[string]any   `alloy:"sysctl,block,optional"`
	Tapestats              *map[string]any   `alloy:"tapestats,block,optional"`
}

type deviceFilter struct {
	DeviceExclude string `alloy:"device_exclude,attr,optional"`
	DeviceInclude string `alloy:"device_include,attr,optional"`
}

type filesystemFilter struct {
	FSTypesExclude     string        `alloy:"fs_types_exclude,attr,optional"`
	MountPointsExclude string        `alloy:"mount_points_exclude,attr,optional"`
	MountTimeout       time.Duration `alloy:"mount_timeout,attr,optional"`
}

type netclass struct {
	IgnoreInvalidSpeedDevice bool   `alloy:"ignore_invalid_speed_device,attr,optional"`
	IgnoredDevices           string `alloy:"ignored_devices,attr,optional"`
}

type netdev struct {
	AddressInfo   bool   `alloy:"address_info,attr,optional"`
	DeviceExclude string `alloy:"device_exclude,attr,optional"`
	DeviceInclude string `alloy:"device_include,attr,optional"`
}

type systemd struct {
	EnableRestarts bool   `alloy:"enable_restarts,attr,optional"`
	StartTime      bool   `alloy:"start_time,attr,optional"`
	TaskMetrics    bool   `alloy:"task_metrics,attr,optional"`
	UnitExclude    string `alloy:"unit_exclude,attr,optional"`
	UnitInclude    string `alloy:"unit_include,attr,optional"`
}

type textfile struct {
	Directory string `alloy:"directory,attr,optional"`
}

type cpu struct {
	BugsInclude  string `alloy:"bugs_include,attr,optional"`
	Guest        bool   `alloy:"guest,attr,optional"`
	Info         bool   `alloy:"info,attr,optional"`
	FlagsInclude string `alloy:"flags_include,attr,optional"`
}

type fields struct {
	Fields string `alloy:"fields,attr,optional"`
}

type kafkaExporter struct {
	Instance                string   `alloy:"instance,attr,optional"`
	KafkaURIs               []string `alloy:"kafka_uris,attr,optional"`
	UseSASL                 bool     `alloy:"use_sasl,attr,optional"`
	UseSASLHandshake        bool     `alloy:"use_sasl_handshake,attr,optional"`
	SASLUsername            string   `alloy:"sasl_username,attr,optional"`
	SASLPassword            string   `alloy:"sasl_password,attr,optional"`
	SASLMechanism           string   `alloy:"sasl_mechanism,attr,optional"`
	SASLDisablePAFXFast     bool     `alloy:"sasl_disable_pafx_fast,attr,optional"`
	UseTLS                  bool     `alloy:"use_tls,attr,optional"`
	TLSServerName           string   `alloy:"tls_server_name,attr,optional"`
	CAFile                  string   `alloy:"ca_file,attr,optional"`
	CertFile                string   `alloy:"cert_file,attr,optional"`
	KeyFile                 string   `alloy:"key_file,attr,optional"`
	InsecureSkipVerify      bool     `alloy:"insecure_skip_verify,attr,optional"`
	KafkaVersion            string   `alloy:"kafka_version,attr,optional"`
	UseZooKeeperLag         bool     `alloy:"use_zookeeper_lag,attr,optional"`
	ZookeeperURIs           []string `alloy:"zookeeper_uris,attr,optional"`
	ClusterName             string   `alloy:"kafka_cluster_name,attr,optional"`
	MetadataRefreshInterval string   `alloy:"metadata_refresh_interval,attr,optional"`
	ServiceName             string   `alloy:"gssapi_service_name,attr,optional"`
	KerberosConfigPath      string   `alloy:"gssapi_kerberos_config_path,attr,optional"`
	Realm                   string   `alloy:"gssapi_realm,attr,optional"`
	KeyTabPath              string   `alloy:"gssapi_key_tab_path,attr,optional"`
	KerberosAuthType        string   `alloy:"gssapi_kerberos_auth_type,attr,optional"`
	OffsetShowAll           bool     `alloy:"offset_show_all,attr,optional"`
	TopicWorkers            int      `alloy:"topic_workers,attr,optional"`
	AllowConcurrent         bool     `alloy:"allow_concurrency,attr,optional"`
	AllowAutoTopicCreation  bool     `alloy:"allow_auto_topic_creation,attr,optional"`
	MaxOffsets              int      `alloy:"max_offsets,attr,optional"`
	PruneIntervalSeconds    int      `alloy:"prune_interval_seconds,attr,optional"`
	TopicsFilter            string   `alloy:"topics_filter_regex,attr,optional"`
	TopicsExclude           string   `alloy:"topics_exclude_regex,attr,optional"`
	GroupFilter             string   `alloy:"groups_filter_regex,attr,optional"`
	GroupExclude            string   `alloy:"groups_exclude_regex,attr,optional"`
}

var saslMechanisms = []string{"", "plain", "scram-sha256", "scram-sha512", "gssapi"}

func (k *kafkaExporter) Validate() error {
	if k.Instance == "" && len(k.KafkaURIs) > 1 {
		return fmt.Errorf("%d kafka_uris need an instance", len(k.KafkaURIs))
	}
	if !slices.Contains(saslMechanisms, k.SASLMechanism) {
		return fmt.Errorf("sasl_mechanism %q is none of %v", k.SASLMechanism, saslMechanisms[1:])
	}
	for _, expression := range []string{k.TopicsFilter, k.TopicsExclude, k.GroupFilter, k.GroupExclude} {
		if _, err := regexp.Compile(expression); err != nil {
			return err
		}
	}
	return nil
}

type mysqlExporter struct {
	DataSourceName        string               `alloy:"data_source_name,attr,optional"`
	EnableCollectors      []string             `alloy:"enable_collectors,attr,optional"`
	DisableCollectors     []string             `alloy:"disable_collectors,attr,optional"`
	SetCollectors         []string             `alloy:"set_collectors,attr,optional"`
	EnableLockWaitTimeout bool                 `alloy:"enable_lock_wait_timeout,attr,optional"`
	LockWaitTimeout       int                  `alloy:"lock_wait_timeout,attr,optional"`
	LogSlowFilter         bool                 `alloy:"log_slow_filter,attr,optional"`
	ProcessList           *mysqlProcessList    `alloy:"info_schema.processlist,block,optional"`
	Tables                *mysqlTables         `alloy:"info_schema.tables,block,optional"`
	EventsStatements      *mysqlStatements     `alloy:"perf_schema.eventsstatements,block,optional"`
	FileInstances         *mysqlFileInstances  `alloy:"perf_schema.file_instances,block,optional"`
	MemoryEvents          *mysqlMemoryEvents   `alloy:"perf_schema.memory_events,block,optional"`
	Heartbeat             *map[string]any      `alloy:"heartbeat,block,optional"`
	User                  *mysqlUserPrivileges `alloy:"mysql.user,block,optional"`
}

type mysqlProcessList struct {
	MinTime         int  `alloy:"min_time,attr,optional"`
	ProcessesByUser bool `alloy:"processes_by_user,attr,optional"`
	ProcessesByHost bool `alloy:"processes_by_host,attr,optional"`
}

type mysqlTables struct {
	Databases string `alloy:"databases,attr,optional"`
}

type mysqlStatements struct {
	Limit          int      `alloy:"limit,attr,optional"`
	TimeLimit      int      `alloy:"time_limit,attr,optional"`
	TextLimit      int      `alloy:"text_limit,attr,optional"`
	ExcludeSchemas []string `alloy:"exclude_schemas,attr,optional"`
}

type mysqlFileInstances struct {
	Filter       string `alloy:"filter,attr,optional"`
	RemovePrefix string `alloy:"remove_prefix,attr,optional"`
}

type mysqlMemoryEvents struct {
	RemovePrefix string `alloy:"remove_prefix,attr,optional"`
}

type mysqlUserPrivileges struct {
	Privileges bool `alloy:"privileges,attr,optional"`
}

type postgresExporter struct {
	DataSourceNames         []string            `alloy:"data_source_names,attr,optional"`
	DisableSettingsMetrics  bool                `alloy:"disable_settings_metrics,attr,optional"`
	DisableDefaultMetrics   bool                `alloy:"disable_default_metrics,attr,optional"`
	CustomQueriesConfigPath string              `alloy:"custom_queries_config_path,attr,optional"`
	EnabledCollectors       []string            `alloy:"enabled_collectors,attr,optional"`
	AutoDiscovery           *postgresDiscovery  `alloy:"autodiscovery,block,optional"`
	StatStatements          *postgresStatements `alloy:"stat_statements,block,optional"`
}

// The collectors of the exporter that this Alloy has; another name is an error when it starts.
var postgresCollectors = []string{
	"buffercache_summary", "database", "database_wraparound", "locks", "long_running_transactions", "postmaster",
	"process_idle", "replication", "replication_slot", "roles", "stat_activity_autovacuum", "stat_bgwriter",
	"stat_checkpointer", "stat_database", "stat_progress_vacuum", "stat_statements", "stat_user_tables",
	"stat_wal_receiver", "statio_user_indexes", "statio_user_tables", "wal", "xlog_location",
}

func (p *postgresExporter) Validate() error {
	for _, name := range p.EnabledCollectors {
		if !slices.Contains(postgresCollectors, name) {
			return fmt.Errorf("unknown collector %q", name)
		}
	}
	if p.DisableDefaultMetrics && (p.CustomQueriesConfigPath == "" || len(p.EnabledCollectors) > 0) {
		return errors.New("disable_default_metrics needs custom_queries_config_path and takes no enabled_collectors")
	}
	return nil
}

type postgresDiscovery struct {
	Enabled   bool     `alloy:"enabled,attr,optional"`
	Allowlist []string `alloy:"database_allowlist,attr,optional"`
	Denylist  []string `alloy:"database_denylist,attr,optional"`
}

type postgresStatements struct {
	IncludeQuery     bool     `alloy:"include_query,attr,optional"`
	QueryLength      uint     `alloy:"query_length,attr,optional"`
	Limit            uint     `alloy:"limit,attr,optional"`
	ExcludeDatabases []string `alloy:"exclude_databases,attr,optional"`
	ExcludeUsers     []string `alloy:"exclude_users,attr,optional"`
}

type processDiscovery struct {
	Join            []target         `alloy:"join,attr,optional"`
	RefreshInterval time.Duration    `alloy:"refresh_interval,attr,optional"`
	Discover        *processDiscover `alloy:"discover_config,block,optional"`
}

type processDiscover struct {
	Cwd         bool `alloy:"cwd,attr,optional"`
	Exe         bool `alloy:"exe,attr,optional"`
	Commandline bool `alloy:"commandline,attr,optional"`
	Username    bool `alloy:"username,attr,optional"`
	UID         bool `alloy:"uid,attr,optional"`
	ContainerID bool `alloy:"container_id,attr,optional"`
	CgroupPath  bool `alloy:"cgroup_path,attr,optional"`
}

type javaProfiler struct {
	Targets   []target           `alloy:"targets,attr"`
	ForwardTo []*profileReceiver `alloy:"forward_to,attr"`
	TmpDir    string             `alloy:"tmp_dir,attr,optional"`
	Profiling *javaProfiling     `alloy:"profiling_config,block,optional"`
}

type javaProfiling struct {
	Interval        time.Duration `alloy:"interval,attr,optional"`
	SampleRate      int           `alloy:"sample_rate,attr,optional"`
	Alloc           string        `alloy:"alloc,attr,optional"`
	Lock            string        `alloy:"lock,attr,optional"`
	CPU             bool          `alloy:"cpu,attr,optional"`
	Event           string        `alloy:"event,attr,optional"`
	PerThread       bool          `alloy:"per_thread,attr,optional"`
	LogLevel        string        `alloy:"log_level,attr,optional"`
	Quiet           bool          `alloy:"quiet,attr,optional"`
	CustomArguments []string      `alloy:"custom_arguments,attr,optional"`
	Tlab            bool          `alloy:"tlab,attr,optional"`
}

type fileMatch struct {
	PathTargets     []target      `alloy:"path_targets,attr"`
	SyncPeriod      time.Duration `alloy:"sync_period,attr,optional"`
	IgnoreOlderThan time.Duration `alloy:"ignore_older_than,attr,optional"`
}

type journal struct {
	FormatAsJSON   bool              `alloy:"format_as_json,attr,optional"`
	MaxAge         time.Duration     `alloy:"max_age,attr,optional"`
	Path           string            `alloy:"path,attr,optional"`
	RelabelRules   *relabelRules     `alloy:"relabel_rules,attr,optional"`
	Matches        string            `alloy:"matches,attr,optional"`
	ForwardTo      []*logsReceiver   `alloy:"forward_to,attr"`
	Labels         map[string]string `alloy:"labels,attr,optional"`
	LegacyPosition *map[string]any   `alloy:"legacy_position,block,optional"`
}

type fileSource struct {
	Targets              []target        `alloy:"targets,attr"`
	ForwardTo            []*logsReceiver `alloy:"forward_to,attr"`
	Encoding             string          `alloy:"encoding,attr,optional"`
	Decompression        *map[string]any `alloy:"decompression,block,optional"`
	FileWatch            *fileWatch      `alloy:"file_watch,block,optional"`
	FileMatch            *fileSourceGlob `alloy:"file_match,block,optional"`
	TailFromEnd          bool            `alloy:"tail_from_end,attr,optional"`
	LegacyPositionsFile  string          `alloy:"legacy_positions_file,attr,optional"`
	OnPositionsFileError string          `alloy:"on_positions_file_error,attr,optional"`
}

type fileWatch struct {
	MinPollFrequency time.Duration `alloy:"min_poll_frequency,attr,optional"`
	MaxPollFrequency time.Duration `alloy:"max_poll_frequency,attr,optional"`
}

type fileSourceGlob struct {
	Enabled         bool          `alloy:"enabled,attr,optional"`
	SyncPeriod      time.Duration `alloy:"sync_period,attr,optional"`
	IgnoreOlderThan time.Duration `alloy:"ignore_older_than,attr,optional"`
}

type logsRelabel struct {
	ForwardTo    []*logsReceiver `alloy:"forward_to,attr"`
	Rules        []relabelRule   `alloy:"rule,block,optional"`
	MaxCacheSize int             `alloy:"max_cache_size,attr,optional"`
}

type process struct {
	ForwardTo []*logsReceiver `alloy:"forward_to,attr"`
	Stages    []stage         `alloy:"stage,enum,optional"`
}

type stage struct {
	Drop               *dropStage      `alloy:"drop,block,optional"`
	JSON               *jsonStage      `alloy:"json,block,optional"`
	Labels             *valuesStage    `alloy:"labels,block,optional"`
	LabelDrop          *namesStage     `alloy:"label_drop,block,optional"`
	LabelKeep          *namesStage     `alloy:"label_keep,block,optional"`
	Limit              *limitStage     `alloy:"limit,block,optional"`
	Match              *matchStage     `alloy:"match,block,optional"`
	Multiline          *multilineStage `alloy:"multiline,block,optional"`
	Output             *sourceStage    `alloy:"output,block,optional"`
	Regex              *regexStage     `alloy:"regex,block,optional"`
	StaticLabels       *valuesStage    `alloy:"static_labels,block,optional"`
	StructuredMetadata *valuesStage    `alloy:"structured_metadata,block,optional"`
	Template           *templateStage  `alloy:"template,block,optional"`
	Timestamp          *timestampStage `alloy:"timestamp,block,optional"`
}

type dropStage struct {
	DropReason string        `alloy:"drop_counter_reason,attr,optional"`
	Source     string        `alloy:"source,attr,optional"`
	Value      string        `alloy:"value,attr,optional"`
	Separator  string        `alloy:"separator,attr,optional"`
	Expression string        `alloy:"expression,attr,optional"`
	OlderThan  time.Duration `alloy:"older_than,attr,optional"`
	LongerThan string        `alloy:"longer_than,attr,optional"`
}

type jsonStage struct {
	Expressions   map[string]string `alloy:"expressions,attr"`
	Source        string            `alloy:"source,attr,optional"`
	DropMalformed bool              `alloy:"drop_malformed,attr,optional"`
}

type valuesStage struct {
	Values map[string]any `alloy:"values,attr"`
}

type namesStage struct {
	Values []string `alloy:"values,attr"`
}

type limitStage struct {
	Rate              float64 `alloy:"rate,attr"`
	Burst             int     `alloy:"burst,attr"`
	Drop              bool    `alloy:"drop,attr,optional"`
	ByLabelName       string  `alloy:"by_label_name,attr,optional"`
	MaxDistinctLabels int     `alloy:"max_distinct_labels,attr,optional"`
}

type matchStage struct {
	Selector     string  `alloy:"selector,attr"`
	Stages       []stage `alloy:"stage,enum,optional"`
	Action       string  `alloy:"action,attr,optional"`
	PipelineName string  `alloy:"pipeline_name,attr,optional"`
	DropReason   string  `alloy:"drop_counter_reason,attr,optional"`
}

func (m *matchStage) Validate() error {
	switch m.Action {
	case "", "keep":
		if len(m.Stages) == 0 {
			return errors.New("a match that keeps needs a stage")
		}
	case "drop":
		if len(m.Stages) > 0 {
			return errors.New("a match that drops has no stages")
		}
	default:
		return fmt.Errorf("action %q is none of keep, drop", m.Action)
	}
	return nil
}

type multilineStage struct {
	FirstLine   string        `alloy:"firstline,attr"`
	MaxLines    int           `alloy:"max_lines,attr,optional"`
	MaxWaitTime time.Duration `alloy:"max_wait_time,attr,optional"`
	TrimNewline bool          `alloy:"trim_newlines,attr,optional"`
}

func (m *multilineStage) Validate() error {
	_, err := regexp.Compile(m.FirstLine)
	return err
}

type sourceStage struct {
	Source string `alloy:"source,attr"`
}

type regexStage struct {
	Expression       string `alloy:"expression,attr"`
	Source           string `alloy:"source,attr,optional"`
	LabelsFromGroups bool   `alloy:"labels_from_groups,attr,optional"`
}

func (r *regexStage) Validate() error {
	compiled, err := regexp.Compile(r.Expression)
	if err != nil {
		return err
	}
	if compiled.NumSubexp() == 0 {
		return errors.New("expression has no named group")
	}
	return nil
}

type templateStage struct {
	Source   string `alloy:"source,attr"`
	Template string `alloy:"template,attr"`
}

type timestampStage struct {
	Source          string   `alloy:"source,attr"`
	Format          string   `alloy:"format,attr"`
	FallbackFormats []string `alloy:"fallback_formats,attr,optional"`
	Location        string   `alloy:"location,attr,optional"`
	ActionOnFailure string   `alloy:"action_on_failure,attr,optional"`
}

type lokiWrite struct {
	Endpoints      []logsEndpoint    `alloy:"endpoint,block,optional"`
	ExternalLabels map[string]string `alloy:"external_labels,attr,optional"`
	MaxStreams     int               `alloy:"max_streams,attr,optional"`
	WAL            *logsWAL          `alloy:"wal,block,optional"`
}

type logsEndpoint struct {
	Name              string            `alloy:"name,attr,optional"`
	URL               string            `alloy:"url,attr"`
	BatchWait         time.Duration     `alloy:"batch_wait,attr,optional"`
	BatchSize         string            `alloy:"batch_size,attr,optional"`
	RemoteTimeout     time.Duration     `alloy:"remote_timeout,attr,optional"`
	Headers           map[string]string `alloy:"headers,attr,optional"`
	MinBackoff        time.Duration     `alloy:"min_backoff_period,attr,optional"`
	MaxBackoff        time.Duration     `alloy:"max_backoff_period,attr,optional"`
	MaxBackoffRetries int               `alloy:"max_backoff_retries,attr,optional"`
	TenantID          string            `alloy:"tenant_id,attr,optional"`
	RetryOnHTTP429    bool              `alloy:"retry_on_http_429,attr,optional"`
	Client            httpClient        `alloy:",squash"`
	Queue             *logsQueue        `alloy:"queue_config,block,optional"`
}

type logsQueue struct {
	Capacity        string        `alloy:"capacity,attr,optional"`
	MinShards       int           `alloy:"min_shards,attr,optional"`
	DrainTimeout    time.Duration `alloy:"drain_timeout,attr,optional"`
	BlockOnOverflow bool          `alloy:"block_on_overflow,attr,optional"`
}

type logsWAL struct {
	Enabled          bool          `alloy:"enabled,attr,optional"`
	MaxSegmentAge    time.Duration `alloy:"max_segment_age,attr,optional"`
	MinReadFrequency time.Duration `alloy:"min_read_frequency,attr,optional"`
	MaxReadFrequency time.Duration `alloy:"max_read_frequency,attr,optional"`
	DrainTimeout     time.Duration `alloy:"drain_timeout,attr,optional"`
}

type otlpReceiver struct {
	GRPC         *map[string]any `alloy:"grpc,block,optional"`
	HTTP         *otlpHTTPServer `alloy:"http,block,optional"`
	DebugMetrics *map[string]any `alloy:"debug_metrics,block,optional"`
	Output       *otelOutput     `alloy:"output,block"`
}

type otlpHTTPServer struct {
	Endpoint              string          `alloy:"endpoint,attr,optional"`
	TLS                   *map[string]any `alloy:"tls,block,optional"`
	CORS                  *map[string]any `alloy:"cors,block,optional"`
	Authentication        *anyCapsule     `alloy:"auth,attr,optional"`
	MaxRequestBodySize    string          `alloy:"max_request_body_size,attr,optional"`
	IncludeMetadata       bool            `alloy:"include_metadata,attr,optional"`
	CompressionAlgorithms []string        `alloy:"compression_algorithms,attr,optional"`
	KeepAlivesEnabled     bool            `alloy:"keep_alives_enabled,attr,optional"`
	IdleTimeout           time.Duration   `alloy:"idle_timeout,attr,optional"`
	ReadTimeout           time.Duration   `alloy:"read_timeout,attr,optional"`
	WriteTimeout          time.Duration   `alloy:"write_timeout,attr,optional"`
	ReadHeaderTimeout     time.Duration   `alloy:"read_header_timeout,attr,optional"`
	TracesURLPath         string          `alloy:"traces_url_path,attr,optional"`
	MetricsURLPath        string          `alloy:"metrics_url_path,attr,optional"`
	LogsURLPath           string          `alloy:"logs_url_path,attr,optional"`
}

type otelOutput struct {
	Metrics []*otelConsumer `alloy:"metrics,attr,optional"`
	Logs    []*otelConsumer `alloy:"logs,attr,optional"`
	Traces  []*otelConsumer `alloy:"traces,attr,optional"`
}

type batch struct {
	Timeout                  time.Duration   `alloy:"timeout,attr,optional"`
	SendBatchSize            uint32          `alloy:"send_batch_size,attr,optional"`
	SendBatchMaxSize         uint32          `alloy:"send_batch_max_size,attr,optional"`
	MetadataKeys             []string        `alloy:"metadata_keys,attr,optional"`
	MetadataCardinalityLimit uint32          `alloy:"metadata_cardinality_limit,attr,optional"`
	Output                   *otelOutput     `alloy:"output,block"`
	DebugMetrics             *map[string]any `alloy:"debug_metrics,block,optional"`
}

type attributes struct {
	Include      *map[string]any   `alloy:"include,block,optional"`
	Exclude      *map[string]any   `alloy:"exclude,block,optional"`
	Actions      []attributeAction `alloy:"action,block,optional"`
	Output       *otelOutput       `alloy:"output,block"`
	DebugMetrics *map[string]any   `alloy:"debug_metrics,block,optional"`
}

type attributeAction struct {
	Key           string `alloy:"key,attr,optional"`
	Value         any    `alloy:"value,attr,optional"`
	Pattern       string `alloy:"pattern,attr,optional"`
	FromAttribute string `alloy:"from_attribute,attr,optional"`
	FromContext   string `alloy:"from_context,attr,optional"`
	ConvertedType string `alloy:"converted_type,attr,optional"`
	Action        string `alloy:"action,attr"`
}

var attributeActions = []string{"insert", "update", "upsert", "delete", "hash", "extract", "convert"}

func (a *attributeAction) Validate() error {
	if !slices.Contains(attributeActions, a.Action) {
		return fmt.Errorf("unknown action %q", a.Action)
	}
	return nil
}

type otlpExporter struct {
	Client          *otlpClient     `alloy:"client,block"`
	Queue           *otlpQueue      `alloy:"sending_queue,block,optional"`
	Retry           *otlpRetry      `alloy:"retry_on_failure,block,optional"`
	DebugMetrics    *map[string]any `alloy:"debug_metrics,block,optional"`
	TracesEndpoint  string          `alloy:"traces_endpoint,attr,optional"`
	MetricsEndpoint string          `alloy:"metrics_endpoint,attr,optional"`
	LogsEndpoint    string          `alloy:"logs_endpoint,attr,optional"`
	Encoding        string          `alloy:"encoding,attr,optional"`
}

type otlpClient struct {
	Endpoint             string            `alloy:"endpoint,attr"`
	ProxyURL             string            `alloy:"proxy_url,attr,optional"`
	Compression          string            `alloy:"compression,attr,optional"`
	CompressionParams    *map[string]any   `alloy:"compression_params,block,optional"`
	TLS                  *map[string]any   `alloy:"tls,block,optional"`
	ReadBufferSize       string            `alloy:"read_buffer_size,attr,optional"`
	WriteBufferSize      string            `alloy:"write_buffer_size,attr,optional"`
	Timeout              time.Duration     `alloy:"timeout,attr,optional"`
	Headers              map[string]string `alloy:"headers,attr,optional"`
	MaxIdleConns         int               `alloy:"max_idle_conns,attr,optional"`
	MaxIdleConnsPerHost  int               `alloy:"max_idle_conns_per_host,attr,optional"`
	MaxConnsPerHost      int               `alloy:"max_conns_per_host,attr,optional"`
	IdleConnTimeout      time.Duration     `alloy:"idle_conn_timeout,attr,optional"`
	DisableKeepAlives    bool              `alloy:"disable_keep_alives,attr,optional"`
	HTTP2ReadIdleTimeout time.Duration     `alloy:"http2_read_idle_timeout,attr,optional"`
	HTTP2PingTimeout     time.Duration     `alloy:"http2_ping_timeout,attr,optional"`
	ForceAttemptHTTP2    bool              `alloy:"force_attempt_http2,attr,optional"`
	Authentication       *anyCapsule       `alloy:"auth,attr,optional"`
	Cookies              *map[string]any   `alloy:"cookies,block,optional"`
}

type otlpQueue struct {
	Enabled         bool            `alloy:"enabled,attr,optional"`
	NumConsumers    int             `alloy:"num_consumers,attr,optional"`
	QueueSize       int64           `alloy:"queue_size,attr,optional"`
	BlockOnOverflow bool            `alloy:"block_on_overflow,attr,optional"`
	Sizer           string          `alloy:"sizer,attr,optional"`
	WaitForResult   bool            `alloy:"wait_for_result,attr,optional"`
	Batch           *map[string]any `alloy:"batch,block,optional"`
	Storage         *anyCapsule     `alloy:"storage,attr,optional"`
}

type otlpRetry struct {
	Enabled             bool          `alloy:"enabled,attr,optional"`
	InitialInterval     time.Duration `alloy:"initial_interval,attr,optional"`
	RandomizationFactor float64       `alloy:"randomization_factor,attr,optional"`
	Multiplier          float64       `alloy:"multiplier,attr,optional"`
	MaxInterval         time.Duration `alloy:"max_interval,attr,optional"`
	MaxElapsedTime      time.Duration `alloy:"max_elapsed_time,attr,optional"`
}

type pyroscopeWrite struct {
	ExternalLabels map[string]string  `alloy:"external_labels,attr,optional"`
	Endpoints      []profilesEndpoint `alloy:"endpoint,block,optional"`
	Tracing        *map[string]any    `alloy:"tracing,block,optional"`
}

type profilesEndpoint struct {
	Name                   string            `alloy:"name,attr,optional"`
	URL                    string            `alloy:"url,attr"`
	RemoteTimeout          time.Duration     `alloy:"remote_timeout,attr,optional"`
	DebugInfoUploadTimeout time.Duration     `alloy:"debug_info_upload_timeout,attr,optional"`
	Headers                map[string]string `alloy:"headers,attr,optional"`
	Client                 httpClient        `alloy:",squash"`
	MinBackoff             time.Duration     `alloy:"min_backoff_period,attr,optional"`
	MaxBackoff             time.Duration     `alloy:"max_backoff_period,attr,optional"`
	MaxBackoffRetries      int               `alloy:"max_backoff_retries,attr,optional"`
	RetryOnHTTP429         bool              `alloy:"retry_on_http_429,attr,optional"`
}
