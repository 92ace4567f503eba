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
    Keys by name. `via_services`: the AWS services (their endpoints' first labels) through which principals of the account
    may use the key; `services`: service principals that use it themselves, each with the actions and the conditions that
    bind such a use to this account; `sessions`: it encrypts sessions of Session Manager and ECS Exec.
  EOT
  type = map(object({
    description  = string
    via_services = optional(set(string), [])
    sessions     = optional(bool, false)
    services = optional(map(object({
      actions = optional(set(string), ["kms:Decrypt", "kms:GenerateDataKey*"])
      conditions = list(object({
        test     = string
        variable = string
        values   = set(string)
      }))
    })), {})
  }))
  nullable = false

  validation {
    condition     = alltrue([for key in values(var.keys) : length(key.via_services) + length(key.services) > 0])
    error_message = "Each key needs via_services or services; a key that nobody can use is a mistake."
  }

  validation {
    condition     = alltrue(flatten([for key in values(var.keys) : [for service in values(key.services) : length(service.conditions) > 0]]))
    error_message = "Each of services needs conditions, or the service could use the key for any account."
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
