variable "name" {
  description = "Name of the secret."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_+=.@-]{1,512}$", var.name))
    error_message = "A secret's name has 1 to 512 letters, digits or /_+=.@-."
  }
}

variable "description" {
  description = "What the secret is for."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key of the secret."
  type        = string
  nullable    = false
}

variable "recovery_days" {
  description = "Days in which the deleted secret can be restored; 0 deletes it at once."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "Secrets Manager accepts 0 or 7 to 30 days."
  }
}

variable "value" {
  description = "The secret itself; written through a write-only argument, so no state and no plan has it."
  type        = string
  nullable    = false
  ephemeral   = true
  sensitive   = true
}

variable "value_version" {
  description = "Raised when the value is another one: that is how Terraform notices."
  type        = number
  nullable    = false

  validation {
    condition     = var.value_version >= 1 && floor(var.value_version) == var.value_version
    error_message = "The version is a whole number from 1."
  }
}

variable "tags" {
  description = "Tags that differ from the provider's default tags."
  type        = map(string)
  nullable    = false
  default     = {}
}
