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
}
