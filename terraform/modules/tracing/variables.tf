variable "name" {
  description = "Prefix of the groups and rules."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key of the region's traces. X-Ray has one for the account and region."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "groups" {
  description = "Groups by name with their filter expressions; a group has its own service map and metrics."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.groups) : length("${var.name}-${name}") <= 32])
    error_message = "A group's name has at most 32 characters with its prefix: ${join(", ", [for name in keys(var.groups) : name if length("${var.name}-${name}") > 32])}."
  }
}

variable "sampling" {
  description = "Sampling rules by name: of the requests that fit, `reservoir` in each second and the share `rate` of the rest are traced. The lowest priority is asked first."
  type = map(object({
    priority  = number
    rate      = number
    reservoir = optional(number, 1)
    service   = optional(string, "*")
    path      = optional(string, "*")
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for name, rule in var.sampling : rule.rate >= 0 && rule.rate <= 1 && rule.priority >= 1 && rule.priority <= 9999 && length("${var.name}-${name}") <= 32])
    error_message = "A rate is 0 to 1, a priority 1 to 9999, a name has at most 32 characters with its prefix."
  }
}
