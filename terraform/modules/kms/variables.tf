variable "name" {
  description = "Prefix of the aliases: alias/<name>-<key>."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account that owns the keys."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has twelve digits."
  }
}

variable "region" {
  description = "Region of the keys."
  type        = string
  nullable    = false
}

variable "keys" {
  description = <<-EOT
    Keys by name. `via_service`: the AWS service (its endpoint's first label) through which principals of the account may
    use the key; `service_principal`: a service that uses it itself; `encryption_context`: the context's key and the ARN
    pattern that such a use must carry.
  EOT
  type = map(object({
    description       = string
    via_service       = optional(string)
    service_principal = optional(string)
    encryption_context = optional(object({
      key     = string
      pattern = string
    }))
  }))
  nullable = false

  validation {
    condition     = alltrue([for key in values(var.keys) : key.via_service != null || key.service_principal != null])
    error_message = "Each key needs via_service or service_principal; a key that nobody can use is a mistake."
  }

  validation {
    condition     = alltrue([for key in values(var.keys) : key.service_principal == null || key.encryption_context != null])
    error_message = "A key with service_principal needs encryption_context, or the service could use it for any account."
  }
}

variable "deletion_window_days" {
  description = "Days between a key's deletion and its end (7 to 30)."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "KMS accepts 7 to 30 days."
  }
}
