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
  description = "Protections of the environment; see environments/<env>/common.tfvars."
  type = object({
    deletion_protection     = bool
    deletion_window_days    = number
    secret_recovery_days    = number
    backup_daily_days       = number
    backup_weekly_days      = number
    master_password_version = optional(number, 1)
    peer                    = optional(object({ environment = string, region = string, role = string }))
  })
  nullable = false

  validation {
    condition     = contains(["primary", "standby"], try(var.settings.peer.role, "standby"))
    error_message = "settings.peer.role says what the peer is to this environment: primary (it is stood by for) or standby."
  }
}
