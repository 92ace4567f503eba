variable "name" {
  description = "Name of the load balancer; its log bucket is <name>-logs-<account>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", var.name)) && !startswith(var.name, "internal-")
    error_message = "A load balancer's name has at most 32 lower-case letters, digits and hyphens and does not start with internal-."
  }
}

variable "account_id" {
  description = "Account, for the log bucket and its policy."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the load balancer."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Public subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "An application load balancer needs subnets in two availability zones. Set subnet_availability_zones."
  }
}

variable "security_group_ids" {
  description = "Security groups: 80 and 443 from the Internet, nothing else."
  type        = list(string)
  nullable    = false
}

variable "certificate_arn" {
  description = "Issued certificate of the HTTPS listener."
  type        = string
  nullable    = false
}

variable "ssl_policy" {
  description = "TLS policy of the HTTPS listener: versions and ciphers."
  type        = string
  nullable    = false
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.ssl_policy))
    error_message = "Take a policy of TLS 1.3 that accepts nothing below 1.2 (ELBSecurityPolicy-TLS13-1-2-… or -1-3-…)."
  }
}

variable "idle_timeout_seconds" {
  description = "Seconds after which a silent connection is closed; longer than the longest answer of a service."
  type        = number
  nullable    = false
  default     = 60

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds <= 4000
    error_message = "A load balancer accepts 1 to 4000 seconds."
  }
}

variable "access_log_days" {
  description = "Days that access logs are kept. 0: they stay, for an estate that ends with its memory."
  type        = number
  nullable    = false
  default     = 90
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer, and its log bucket while it has logs."
  type        = bool
  nullable    = false
  default     = true
}
