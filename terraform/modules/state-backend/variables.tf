variable "bucket_name" {
  description = "Name of the bucket that holds the Terraform states of the environment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "A bucket name has 3 to 63 lower-case letters, digits or hyphens and starts and ends with a letter or digit."
  }
}

variable "lock_table_name" {
  description = "Name of the DynamoDB lock table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.lock_table_name))
    error_message = "A table name has 3 to 255 letters, digits, dots, underscores or hyphens."
  }
}

variable "deletion_protection" {
  description = "Keep the lock table and a bucket with states in it from being deleted."
  type        = bool
  nullable    = false
  default     = true
}

variable "noncurrent_days" {
  description = "Days that replaced versions of a state are kept: the window for restoring one. 0 keeps them for ever."
  type        = number
  nullable    = false
  default     = 90

  validation {
    condition     = (var.noncurrent_days == 0 || var.noncurrent_days >= 7) && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "Keep replaced state versions for at least 7 whole days, or for ever (0)."
  }
}
