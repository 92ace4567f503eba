variable "name" {
  description = "Name of the bucket; unique in the world, so the account id belongs into it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket name has 3 to 63 lower-case letters, digits or hyphens and starts and ends with a letter or digit."
  }
}

variable "kms_key_arn" {
  description = "Key of the objects. Empty: the account's aws/s3 key, or S3's own with sse_s3."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.kms_key_arn == "" || startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "sse_s3" {
  description = "Encrypt with S3's own key: load balancers cannot deliver logs to a bucket with a key of KMS."
  type        = bool
  nullable    = false
  default     = false

  validation {
    condition     = !(var.sse_s3 && var.kms_key_arn != "")
    error_message = "Give kms_key_arn or sse_s3, not both."
  }
}

variable "policies" {
  description = "Policy documents (JSON) whose statements join the bucket's policy."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "lifecycle_rule" {
  description = "What happens to objects by age, in days: transitions by storage class, expiry, expiry of replaced versions. Null: kept for ever."
  type = object({
    transitions     = optional(map(number), {})
    expire_days     = number
    noncurrent_days = optional(number, 30)
  })
  nullable = true
  default  = null

  validation {
    condition     = var.lifecycle_rule == null ? true : alltrue([for days in values(var.lifecycle_rule.transitions) : days < var.lifecycle_rule.expire_days])
    error_message = "Every transition must come before the expiry."
  }
}

variable "tags" {
  description = "Tags that differ from the provider's default tags."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "deletion_protection" {
  description = "Refuse to delete the bucket while it has objects."
  type        = bool
  nullable    = false
  default     = true
}
