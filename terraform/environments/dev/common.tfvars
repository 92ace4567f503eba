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

  # Hosts stand in one zone; a database's subnet group needs two.
  data_availability_zones = ["a", "c"]
}
