variable "name" {
  description = "Family of the task definition."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.name))
    error_message = "A family has 1 to 255 letters, digits, hyphens or underscores."
  }
}

variable "container" {
  description = "Name of the only container."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Image of the container, for linux/amd64."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the log group."
  type        = string
  nullable    = false
}

variable "cpu" {
  description = "CPU units of the task (1024 are one core)."
  type        = number
  nullable    = false
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "Fargate has tasks of 256, 512, 1024, 2048 and 4096 units here."
  }
}

variable "memory_mib" {
  description = "Memory of the task in MiB."
  type        = number
  nullable    = false
  default     = 512

  validation {
    condition     = var.memory_mib >= 2 * var.cpu && var.memory_mib <= 8 * var.cpu
    error_message = "Fargate gives 2 to 8 MiB for each CPU unit."
  }
}

variable "environment" {
  description = "Environment variables that are no secrets."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "execution_role_arn" {
  description = "Role with which ECS pulls the image and writes logs."
  type        = string
  nullable    = false
}

variable "task_role_arn" {
  description = "Role of the program in the container."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Customer key of the log group."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false
}
