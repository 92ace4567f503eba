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
}
