environment = "dr"

settings = {
  deletion_protection         = true
  deletion_window_days        = 30
  state_version_days          = 90
  secret_recovery_days        = 30
  log_retention_days          = 30
  multi_az                    = false
  backup_retention_days       = 7
  monitoring_interval_seconds = 60
  apply_immediately           = false

  # Who gets every alert by mail; each address must follow the link of its first message.
  alert_emails = ["platform@example.com"]

  # Share of the requests that are traced, after the first of each second.
  trace_sampling_rate = 0.05

  # Value of the X-Scope-OrgID header; the inventory has the same.
  tenant_id = "dr"

  lgtm = {
    retention_days = { metrics = 30, logs = 30, traces = 30, profiles = 30 }
    limits         = { series = 300000, log_streams = 10000, log_mib = 16, trace_mib = 16, profile_mib = 8, profile_series = 5000 }
    servers = {
      mimir     = { cpu = 1024, memory_mib = 4096 }
      loki      = { cpu = 1024, memory_mib = 2048 }
      tempo     = { cpu = 1024, memory_mib = 2048 }
      pyroscope = { cpu = 512, memory_mib = 2048 }
      grafana   = { cpu = 512, memory_mib = 1024 }
    }
  }

  # What is planned costs (docs/cost.md), with a reserve of about 15 %.
  monthly_budget_usd = 1450
  cost_anomaly_usd   = 50

  # Days that AWS Backup keeps, beside the database's own backups.
  backup_daily_days  = 7
  backup_weekly_days = 35

  # The region that is stood by for: its databases are replicated here until `promoted` is true.
  peer     = { environment = "prod", region = "ap-northeast-2", role = "primary" }
  promoted = false

  # Public domain; its parent must name the zone's name servers (output `dns` of 05-global).
  domain = "dr.example.com"
  # Production's hosts too: this environment answers for them when it has taken over.
  other_domains = ["example.com"]

  # Tasks on Fargate Spot, most tasks of a service, and whether a shell may be opened in one (ECS Exec).
  fargate_spot_percent  = 0
  application_max_count = 10
  execute_command       = false
}
