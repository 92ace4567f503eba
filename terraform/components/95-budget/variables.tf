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
  description = "Limits of the environment; see environments/<env>/common.tfvars."
  type = object({
    monthly_budget_usd = number
    cost_anomaly_usd   = optional(number, 20)
    alert_emails       = list(string)
  })
  nullable = false
}
