variable "name" {
  description = "Name of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "A function name has 1 to 64 letters, digits, hyphens or underscores."
  }
}

variable "description" {
  description = "What the function does."
  type        = string
  nullable    = false
}

variable "role_arn" {
  description = "Role of the function."
  type        = string
  nullable    = false
}

variable "package" {
  description = "A zip package: its file, and handler and runtime. Null for a function from an image."
  type = object({
    filename = string
    handler  = string
    runtime  = optional(string, "python3.13")
  })
  nullable = true
  default  = null
}

variable "image_uri" {
  description = "Image by digest (repository@sha256:…), for linux/amd64. Empty for a function from a zip package."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = (var.image_uri == "") != (var.package == null)
    error_message = "Give exactly one of package and image_uri."
  }

  validation {
    condition     = var.image_uri == "" || can(regex("@sha256:", var.image_uri))
    error_message = "Name the image by its digest (repository@sha256:…): a tag is resolved once and a later push would never arrive."
  }
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
  nullable    = false
  default     = {}

  # Lambda refuses its own names when the function is made, half-way through an apply.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
  validation {
    condition = alltrue([
      for name in keys(var.environment) :
      !startswith(name, "AWS_LAMBDA_") && !contains([
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
        "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
      ], name)
    ])
    error_message = "Lambda sets AWS_REGION, credentials and AWS_LAMBDA_* by itself and refuses them as variables: leave them out."
  }

  validation {
    condition     = alltrue([for name in keys(var.environment) : name == "_HANDLER" || name == "_X_AMZN_TRACE_ID" || can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "A variable's name starts with a letter and has at least two letters, digits or underscores."
  }
}

variable "memory_mib" {
  description = "Memory in MiB; CPU grows with it."
  type        = number
  nullable    = false
  default     = 256

  validation {
    condition     = var.memory_mib >= 128 && var.memory_mib <= 10240
    error_message = "A function has 128 to 10240 MiB."
  }
}

variable "timeout_seconds" {
  description = "Seconds after which the function is stopped."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "A function may run 1 to 900 seconds."
  }
}

variable "asynchronous_retries" {
  description = "Further attempts of an asynchronous call that failed."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = contains([0, 1, 2], var.asynchronous_retries)
    error_message = "Lambda tries 0, 1 or 2 times more."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the function."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "Give at least one private subnet."
  }
}

variable "security_group_ids" {
  description = "Security groups of the function."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "Give at least one security group."
  }
}

variable "kms_key_arn" {
  description = "Customer key of the environment variables."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Customer key of the log group."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false
}
