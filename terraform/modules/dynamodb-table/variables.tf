variable "name" {
  description = "Name of the table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.name))
    error_message = "A table name has 3 to 255 letters, digits or _.-."
  }
}

variable "hash_key" {
  description = "Partition key; a text."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.hash_key))
    error_message = "The key must be lower-case letters, digits or underscores, starting with a letter."
  }
}

variable "ttl_attribute" {
  description = "Attribute with the epoch second at which an item expires. Empty: items stay."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.ttl_attribute != var.hash_key
    error_message = "The key cannot be the expiry time: name another attribute."
  }
}

variable "kms_key_arn" {
  description = "Customer key of the table and its backups."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the table."
  type        = bool
  nullable    = false
  default     = true
}
