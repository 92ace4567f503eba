variable "load_balancer" {
  description = "Name of the load balancer; the bucket is <name>-logs-<account>, its logs are below <name>/."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account of the load balancer and the bucket."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the load balancer."
  type        = string
  nullable    = false
}

variable "days" {
  description = "Days that access logs are kept. 0: they stay, for an estate that ends with its memory."
  type        = number
  nullable    = false

  validation {
    condition     = var.days >= 0
    error_message = "Keep access logs for at least a day, or for ever with 0."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the bucket while it has logs."
  type        = bool
  nullable    = false
  default     = true
}
