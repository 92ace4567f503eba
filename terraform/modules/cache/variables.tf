variable "name" {
  description = "Id of the replication group, the prefix of everything else here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name)) && !strcontains(var.name, "--") && !endswith(var.name, "-")
    error_message = "A replication group's id has 1 to 40 lower-case letters, digits or single hyphens, starts with a letter and does not end with a hyphen."
  }
}

variable "description" {
  description = "What the cache is for."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the cache."
  type        = string
  nullable    = false
}

variable "engine" {
  description = "valkey or redis."
  type        = string
  nullable    = false
  default     = "valkey"

  validation {
    condition     = contains(["valkey", "redis"], var.engine)
    error_message = "The engine must be valkey or redis."
  }
}

variable "engine_version" {
  description = "major.minor; ElastiCache keeps up its newest patch. Empty: 8.0 of Valkey, 7.1 of Redis."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.engine_version == "" || can(regex("^([7-9]|[1-9][0-9])\\.[0-9]+$", var.engine_version))
    error_message = "Give major.minor of 7 or newer, for example 8.0. A patch level would be a diff after ElastiCache's own upgrade."
  }
}

variable "node_type" {
  description = "Node type, for example cache.t3.micro."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "A node type starts with cache."
  }
}

variable "nodes" {
  description = "The primary and its replicas. More than one stand in several zones, and one takes over."
  type        = number
  nullable    = false
  default     = 1

  validation {
    condition     = var.nodes >= 1 && var.nodes <= 6 && floor(var.nodes) == var.nodes
    error_message = "A replication group has 1 to 6 nodes: a primary and up to 5 replicas."
  }
}

variable "parameters" {
  description = "Parameters of the engine by name."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "subnet_ids" {
  description = "Data subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "ElastiCache needs a subnet, and one in each zone that nodes should stand in."
  }
}

variable "security_group_ids" {
  description = "Security groups of the nodes."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "Without a group ElastiCache uses the VPC's default group."
  }
}

variable "kms_key_arn" {
  description = "Key of the data at rest and the snapshots."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Key of the engine's log groups."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the engine's logs are kept."
  type        = number
  nullable    = false
  default     = 7
}

variable "snapshot_retention_days" {
  description = "Days of daily snapshots; 0 takes none."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = var.snapshot_retention_days >= 0 && var.snapshot_retention_days <= 35
    error_message = "ElastiCache keeps snapshots for 0 to 35 days."
  }
}

variable "snapshot_window" {
  description = "Daily snapshot window (UTC)."
  type        = string
  nullable    = false
  default     = "03:00-04:00"
}

variable "maintenance_window" {
  description = "Weekly maintenance window (UTC); must not overlap the snapshot window."
  type        = string
  nullable    = false
  default     = "mon:04:00-mon:05:00"
}

variable "apply_immediately" {
  description = "Change the cache at once instead of in the maintenance window."
  type        = bool
  nullable    = false
  default     = false
}

variable "auth_token" {
  description = "What clients authenticate with. It is set through ElastiCache's API, so no state and no plan has it."
  type        = string
  nullable    = false
  ephemeral   = true
  sensitive   = true
}

variable "auth_token_version" {
  description = "Raised when the token is another one: that is how Terraform notices."
  type        = number
  nullable    = false

  validation {
    condition     = var.auth_token_version >= 1 && floor(var.auth_token_version) == var.auth_token_version
    error_message = "The version is a whole number from 1."
  }
}

variable "tags" {
  description = "Tags that differ from the provider's default tags."
  type        = map(string)
  nullable    = false
  default     = {}
}
