environment = "staging"

settings = {
  deletion_protection         = false
  deletion_window_days        = 14
  state_version_days          = 60
  secret_recovery_days        = 7
  log_retention_days          = 14
  multi_az                    = false
  backup_retention_days       = 3
  monitoring_interval_seconds = 60
  apply_immediately           = true

  # Who gets every alert by mail; each address must follow the link of its first message.
  alert_emails = ["platform@example.com"]

  # Share of the requests that are traced, after the first of each second.
  trace_sampling_rate = 0.2

  # Value of the X-Scope-OrgID header; the inventory has the same.
  tenant_id = "staging"

  lgtm = {
    retention_days = { metrics = 14, logs = 14, traces = 14, profiles = 14 }
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
  monthly_budget_usd = 1050
  cost_anomaly_usd   = 30

  # Days that AWS Backup keeps, beside the database's own backups.
  backup_daily_days  = 7
  backup_weekly_days = 35

  # Public domain; its parent must name the zone's name servers (output `dns` of 05-global).
  domain = "staging.example.com"

  # Tasks on Fargate Spot, most tasks of a service, and whether a shell may be opened in one (ECS Exec).
  fargate_spot_percent  = 50
  application_max_count = 6
  execute_command       = true
}
