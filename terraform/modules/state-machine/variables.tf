variable "name" {
  description = "Name of the state machine."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,80}$", var.name))
    error_message = "The name has 1 to 80 letters, digits, hyphens or underscores."
  }
}

variable "definition" {
  description = "The states in Amazon States Language (JSON)."
  type        = string
  nullable    = false

  validation {
    condition     = can(jsondecode(var.definition).StartAt) && can(jsondecode(var.definition).States)
    error_message = "The definition must be JSON with StartAt and States."
  }

  validation {
    condition     = can(jsondecode(var.definition).TimeoutSeconds)
    error_message = "Give the whole execution a TimeoutSeconds: without one it may hang for a year."
  }
}

variable "role_arn" {
  description = "Role of the executions."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key of the executions' data."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Customer key of the logs."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false
}
