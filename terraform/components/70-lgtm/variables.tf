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
    deletion_protection  = bool
    secret_recovery_days = number
    log_retention_days   = number
    access_log_days      = optional(number, 90)
    expire_objects       = optional(bool, true)
    # What the inventories call tenant_id: hosts write and Grafana reads under it.
    tenant_id = string

    lgtm = object({
      servers = map(object({
        cpu        = number
        memory_mib = number
        count      = optional(number, 1)
      }))
      retention_days = object({
        metrics  = number
        logs     = number
        traces   = number
        profiles = number
      })
      limits = object({
        series            = number
        log_streams       = number
        log_mib           = number
        trace_mib         = number
        profile_mib       = number
        profile_series    = number
        series_per_metric = optional(number, 0)
      })
      spot              = optional(bool, false)
      former_tenant_ids = optional(list(string), [])
      secret_version    = optional(number, 1)

      # Where images come from. A pull-through cache is <account>.dkr.ecr.<region>.amazonaws.com/<prefix>.
      registry = optional(string, "docker.io")
      versions = optional(object({
        mimir     = optional(string, "3.0.1")
        loki      = optional(string, "3.7.8")
        tempo     = optional(string, "2.10.8")
        pyroscope = optional(string, "1.21.0")
        grafana   = optional(string, "12.3.1")
        busybox   = optional(string, "1.37.0")
      }), {})
    })
  })
  nullable = false
}
