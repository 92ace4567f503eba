environment = "local"

# The embedded AWS answers at once (a hanging plan is worse than an error), has no instance metadata and one address for all buckets.
aws = {
  max_retries                 = 4
  s3_use_path_style           = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true
}

settings = {
  # An estate that ends with its memory needs no clean-up of old versions, on which the provider would wait a minute.
  state_version_days = 0
  access_log_days    = 0
  expire_objects     = false

  deletion_protection   = false
  deletion_window_days  = 7
  secret_recovery_days  = 0
  log_retention_days    = 7
  multi_az              = false
  backup_retention_days = 3
  apply_immediately     = true

  # Who gets every alert by mail; each address must follow the link of its first message.
  alert_emails = []

  # Share of the requests that are traced, after the first of each second.
  trace_sampling_rate = 1

  # Value of the X-Scope-OrgID header; the inventory has the same.
  tenant_id = "local"

  lgtm = {
    retention_days = { metrics = 7, logs = 7, traces = 7, profiles = 7 }
    limits         = { series = 50000, log_streams = 5000, log_mib = 4, trace_mib = 4, profile_mib = 4, profile_series = 2000 }
    servers = {
      mimir     = { cpu = 256, memory_mib = 512 }
      loki      = { cpu = 256, memory_mib = 512 }
      tempo     = { cpu = 256, memory_mib = 512 }
      pyroscope = { cpu = 256, memory_mib = 512 }
      grafana   = { cpu = 256, memory_mib = 512 }
    }
  }

  # Images of the problem service cannot be pushed to the embedded AWS; the provider waits a minute for an expiry rule.
  problem_service = { report_days = 0 }

  monthly_budget_usd = 10
  cost_anomaly_usd   = 5

  # Days that AWS Backup keeps, beside the database's own backups.
  backup_daily_days  = 1
  backup_weekly_days = 7

  # Public domain; its parent must name the zone's name servers (output `dns` of 05-global).
  domain = "local.example.com"

  # Tasks on Fargate Spot, most tasks of a service, and whether a shell may be opened in one (ECS Exec).
  fargate_spot_percent  = 100
  application_max_count = 2
  execute_command       = true
}
