variable "name" {
  description = "Name of the topic."
  type        = string
  nullable    = false
}

variable "display_name" {
  description = "Sender of the messages as a mail program shows it."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.display_name) <= 100
    error_message = "SNS takes at most 100 characters."
  }
}

variable "account_id" {
  description = "Account whose services may publish."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has twelve digits."
  }
}

variable "kms_key_arn" {
  description = "Key of the messages. Its policy must let the publishers use it, or nothing arrives."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "publishers" {
  description = "Service principals that may publish, each with the ARN pattern of its sources (null: any of the account)."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for principal in keys(var.publishers) : endswith(principal, ".amazonaws.com")])
    error_message = "A publisher is a service principal such as cloudwatch.amazonaws.com."
  }
}

variable "emails" {
  description = "Addresses that get every message."
  type        = set(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "Not an e-mail address: ${join(", ", [for address in var.emails : address if !can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])}."
  }
}
