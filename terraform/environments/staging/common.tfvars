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
}
