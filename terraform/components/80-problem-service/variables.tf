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
    deletion_protection = bool
    log_retention_days  = number
    problem_service = optional(object({
      image_tag       = optional(string, "")
      model_id        = optional(string, "apac.amazon.nova-lite-v1:0")
      authorization   = optional(string, "AWS_IAM")
      submission_days = optional(number, 90)
      # 0: reports stay, for an estate that ends with its memory.
      report_days = optional(number, 90)
      runner      = optional(object({ cpu = optional(number, 512), memory_mib = optional(number, 1024) }), {})
    }), {})
  })
  nullable = false

  validation {
    condition     = var.settings.problem_service.image_tag == "" || can(regex("^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$", var.settings.problem_service.image_tag))
    error_message = "problem_service.image_tag must be a tag that `make problem-images` has pushed, or empty while there is none."
  }

  validation {
    condition     = var.settings.problem_service.submission_days >= 1 && var.settings.problem_service.report_days >= 0
    error_message = "problem_service.submission_days must be at least 1 and report_days at least 0 (reports stay)."
  }
}

variable "packages_dir" {
  description = "Folder of the zip packages, relative to this component: it is in the state, so it must be the same on every machine."
  type        = string
  nullable    = false
  default     = "../../../.groundwork/packages"
}
