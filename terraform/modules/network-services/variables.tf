variable "name" {
  description = "Prefix of every name."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "VPC whose traffic is logged and which gets the endpoints."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets of the interface endpoints, one per zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "At least one subnet is needed."
  }
}

variable "security_group_id" {
  description = "Security group of the interface endpoints."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Key that encrypts the flow log's log group."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.logs_kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "flow_log_retention_days" {
  description = "Days that flow log records are kept."
  type        = number
  nullable    = false
  default     = 7

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_log_retention_days)
    error_message = "CloudWatch Logs knows only 1, 3, 5, 7, 14, 30, 60, 90, … 3653 days."
  }
}

variable "interface_endpoints" {
  description = "Services with an interface endpoint (charged per hour and zone), for example ssm. Empty where the NAT gateway is enough."
  type        = set(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && !contains(["dynamodb"], service)])
    error_message = "Give the service's short name, like ssm or ecr.api; dynamodb has a gateway endpoint."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account that owns the VPC."
  type        = string
  nullable    = false
}
