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
  description = "Key of the objects. Empty: the account's aws/s3 key."
  type        = string
  nullable    = false

  validation {
    condition     = var.kms_key_arn == "" || startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the bucket while it has objects."
  type        = bool
  nullable    = false
  default     = true
}
