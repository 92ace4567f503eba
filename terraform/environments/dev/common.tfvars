environment = "dev"

settings = {
  deletion_protection   = false
  deletion_window_days  = 7
  state_version_days    = 30
  secret_recovery_days  = 7
  log_retention_days    = 7
  multi_az              = false
  backup_retention_days = 3
  apply_immediately     = true

  # Hosts stand in one zone; databases and load balancers need subnets in two.
  subnet_availability_zones = ["a", "c"]

  # Who gets every alert by mail; each address must follow the link of its first message.
  alert_emails = ["platform@example.com"]

  # Share of the requests that are traced, after the first of each second.
  trace_sampling_rate = 1

  # Value of the X-Scope-OrgID header; the inventory has the same.
  tenant_id = "dev"

  lgtm = {
    spot           = true
    retention_days = { metrics = 7, logs = 7, traces = 7, profiles = 7 }
    limits         = { series = 150000, log_streams = 5000, log_mib = 8, trace_mib = 8, profile_mib = 4, profile_series = 5000 }
    servers = {
      mimir     = { cpu = 512, memory_mib = 2048 }
      loki      = { cpu = 512, memory_mib = 1024 }
      tempo     = { cpu = 512, memory_mib = 1024 }
      pyroscope = { cpu = 512, memory_mib = 1024 }
      grafana   = { cpu = 256, memory_mib = 512 }
    }
  }

  # What is planned costs (docs/cost.md), with a reserve of about 15 %.
  monthly_budget_usd = 500
  cost_anomaly_usd   = 20

  # Days that AWS Backup keeps, beside the database's own backups.
  backup_daily_days  = 7
  backup_weekly_days = 28

  # Public domain; its parent must name the zone's name servers (output `dns` of 05-global).
  domain = "dev.example.com"

  # Tasks on Fargate Spot, most tasks of a service, and whether a shell may be opened in one (ECS Exec).
  fargate_spot_percent  = 100
  application_max_count = 3
  execute_command       = true
}
