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
    default_image_tag     = optional(string, "1.0.0")
    image_tags            = optional(map(string), {})
    application_port      = optional(number, 8080)
    application_max_count = number
    health_path           = optional(string, "/actuator/health")
    execute_command       = optional(bool, false)
    fargate_spot_percent  = optional(number, 0)
    other_domains         = optional(list(string), [])
    peer                  = optional(object({ role = string }))
    expire_objects        = optional(bool, true)
    log_retention_days    = number
    deletion_protection   = bool
  })
  nullable = false
}
