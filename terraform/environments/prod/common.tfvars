environment = "prod"

settings = {
  deletion_protection         = true
  deletion_window_days        = 30
  state_version_days          = 90
  secret_recovery_days        = 30
  log_retention_days          = 30
  multi_az                    = true
  backup_retention_days       = 7
  monitoring_interval_seconds = 60
  apply_immediately           = false

  # Sessions, secrets, keys and logs keep working when a NAT gateway does not.
  interface_endpoints = ["ec2messages", "kms", "logs", "secretsmanager", "ssm", "ssmmessages"]

  # Who gets every alert by mail; each address must follow the link of its first message.
  alert_emails = ["platform@example.com"]

  # Share of the requests that are traced, after the first of each second.
  trace_sampling_rate = 0.05

  # Value of the X-Scope-OrgID header; the inventory has the same.
  tenant_id = "prod"

  lgtm = {
    retention_days = { metrics = 30, logs = 30, traces = 30, profiles = 30 }
    limits         = { series = 800000, log_streams = 20000, log_mib = 32, trace_mib = 32, profile_mib = 16, profile_series = 20000 }
    servers = {
      mimir     = { cpu = 2048, memory_mib = 8192, count = 3 }
      loki      = { cpu = 1024, memory_mib = 4096, count = 3 }
      tempo     = { cpu = 1024, memory_mib = 4096, count = 3 }
      pyroscope = { cpu = 1024, memory_mib = 4096, count = 3 }
      grafana   = { cpu = 512, memory_mib = 1024 }
    }
  }

  # What is planned costs (docs/cost.md), with a reserve of about 15 %.
  monthly_budget_usd = 4000
  cost_anomaly_usd   = 100

  # Days that AWS Backup keeps, beside the database's own backups.
  backup_daily_days  = 35
  backup_weekly_days = 365

  # The other region: gets copies of backups, buckets, images and passwords, and takes over.
  peer = { environment = "dr", region = "ap-northeast-1", role = "standby" }

  # Public domain; its parent must name the zone's name servers (output `dns` of 05-global).
  domain = "example.com"

  # Tasks on Fargate Spot, most tasks of a service, and whether a shell may be opened in one (ECS Exec).
  fargate_spot_percent  = 0
  application_max_count = 10
  execute_command       = false
}
