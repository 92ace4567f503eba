variable "catalog_path" {
  description = "Absolute path of inventories/<env>/catalog.yml."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.catalog_path)
    error_message = "The catalog file does not exist. Give the path of inventories/<env>/catalog.yml."
  }
}

variable "environment" {
  description = "Environment of the variables file; must be the catalog's."
  type        = string
  nullable    = false
}

variable "aws" {
  description = "How the provider talks to AWS. Only the embedded AWS of the local environment needs other values."
  type = object({
    max_retries                 = optional(number, 25)
    s3_use_path_style           = optional(bool, false)
    skip_metadata_api_check     = optional(bool, false)
    skip_region_validation      = optional(bool, false)
    skip_credentials_validation = optional(bool, false)
  })
  nullable = false
  default  = {}
}

variable "settings" {
  description = "Sizes and protections of the environment; see environments/<env>/common.tfvars."
  type = object({
    deletion_protection         = bool
    multi_az                    = bool
    backup_retention_days       = number
    secret_recovery_days        = number
    log_retention_days          = number
    monitoring_interval_seconds = optional(number, 0)
    performance_insights        = optional(bool, true)
    apply_immediately           = optional(bool, false)
    master_password_version     = optional(number, 1)
    database_dump_days          = optional(number, 365)
    expire_objects              = optional(bool, true)
    peer                        = optional(object({ environment = string, region = string, role = string }))
    promoted                    = optional(bool, false)
  })
  nullable = false

  validation {
    condition     = var.settings.database_dump_days > 30
    error_message = "settings.database_dump_days must be more than 30: younger dumps are not moved to cheaper storage."
  }

  validation {
    condition     = contains(["primary", "standby"], try(var.settings.peer.role, "standby"))
    error_message = "settings.peer.role says what the peer is to this environment: primary (it is replicated here) or standby."
  }
}
