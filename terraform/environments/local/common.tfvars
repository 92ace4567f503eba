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

  deletion_protection   = false
  deletion_window_days  = 7
  secret_recovery_days  = 0
  log_retention_days    = 7
  multi_az              = false
  backup_retention_days = 3
  apply_immediately     = true
}
