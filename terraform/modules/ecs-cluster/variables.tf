variable "name" {
  description = "Name of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.name))
    error_message = "A cluster's name has 1 to 255 letters, digits, hyphens or underscores."
  }
}

variable "spot_percent" {
  description = "How many of a hundred tasks run on Fargate Spot: about 70 % cheaper, and stopped with two minutes' notice."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = var.spot_percent >= 0 && var.spot_percent <= 100
    error_message = "A percentage is 0 to 100."
  }
}

variable "log_retention_days" {
  description = "Days that exec sessions and Container Insights are kept."
  type        = number
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Customer key of the log groups."
  type        = string
  nullable    = false
}

variable "session_kms_key_arn" {
  description = "Customer key of the sessions of ECS Exec."
  type        = string
  nullable    = false
}
