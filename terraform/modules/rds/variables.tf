variable "identifier" {
  description = "Identifier of the instance, the prefix of everything else here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,62}$", var.identifier)) && !strcontains(var.identifier, "--") && !endswith(var.identifier, "-")
    error_message = "An identifier has 1 to 63 lower-case letters, digits or single hyphens, starts with a letter and does not end with a hyphen."
  }
}

variable "engine" {
  description = "mysql or postgres."
  type        = string
  nullable    = false
  default     = "mysql"

  validation {
    condition     = contains(["mysql", "postgres"], var.engine)
    error_message = "The engine must be mysql or postgres."
  }
}

variable "engine_version" {
  description = "8.4 for MySQL, 17 for PostgreSQL: RDS takes and keeps up its newest patch. With a patch level (8.0.42, 17.5) it stays at that."
  type        = string
  nullable    = false

  validation {
    condition     = var.engine == "mysql" ? can(regex("^[0-9]+\\.[0-9]+(\\.[0-9]+)?$", var.engine_version)) : can(regex("^[0-9]+(\\.[0-9]+)?$", var.engine_version))
    error_message = "Give major.minor for mysql (8.4), the major version for postgres (17), either with a patch level (8.0.42, 17.5) to stay at it."
  }
}

variable "instance_class" {
  description = "Instance class, for example db.t3.small."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "An instance class starts with db."
  }
}

variable "storage" {
  description = "Size in GiB at first and at most (gp3; RDS grows it by itself)."
  type = object({
    allocated_gib     = number
    max_allocated_gib = number
  })
  nullable = false

  validation {
    condition     = var.storage.allocated_gib >= 20 && var.storage.max_allocated_gib >= ceil(var.storage.allocated_gib * 1.1)
    error_message = "gp3 starts at 20 GiB, and autoscaling wants a maximum at least 10 % above the first size."
  }
}

variable "parameters" {
  description = "Parameters beside the engine's own set here (character set, slow log, TLS), by name. Static ones need apply_method pending-reboot."
  type = map(object({
    value        = string
    apply_method = optional(string, "immediate")
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for parameter in values(var.parameters) : contains(["immediate", "pending-reboot"], parameter.apply_method)])
    error_message = "apply_method is immediate or pending-reboot."
  }
}

variable "subnet_ids" {
  description = "Data subnets, of at least two zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "RDS wants subnets of at least two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instance."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "Without a group RDS uses the VPC's default group."
  }
}

variable "kms_key_arn" {
  description = "Key of the storage, the snapshots and Performance Insights."
  type        = string
  nullable    = false
}

variable "logs_kms_key_arn" {
  description = "Key of the exported logs' log groups."
  type        = string
  nullable    = false
}

variable "master_username" {
  description = "Name of the administrator. Empty: admin for MySQL, postgres for PostgreSQL."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.master_username == "" || can(regex("^[a-zA-Z][a-zA-Z0-9_]{0,15}$", var.master_username))
    error_message = "The administrator's name has at most 16 letters, digits or underscores and starts with a letter."
  }

  validation {
    condition     = var.engine == "mysql" || var.master_username != "admin"
    error_message = "RDS for PostgreSQL reserves the name admin. Give another or none."
  }
}

variable "replicate_source_arn" {
  description = "ARN of the instance to replicate, which may be in another region. Taking it away promotes the replica."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.replicate_source_arn == "" || can(regex("^arn:[a-z-]+:rds:[a-z0-9-]+:[0-9]{12}:db:[a-z0-9-]+$", var.replicate_source_arn))
    error_message = "Give the ARN of a database instance: arn:aws:rds:<region>:<account>:db:<identifier>."
  }
}

variable "multi_az" {
  description = "Keep a standby in a second zone."
  type        = bool
  nullable    = false
  default     = false
}

variable "backup_retention_days" {
  description = "Days of automatic backups."
  type        = number
  nullable    = false
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "RDS keeps automatic backups for 1 to 35 days; 0 would turn them off."
  }
}

variable "backup_window" {
  description = "Daily backup window (UTC)."
  type        = string
  nullable    = false
  default     = "03:00-04:00"
}

variable "maintenance_window" {
  description = "Weekly maintenance window (UTC); must not overlap the backup window."
  type        = string
  nullable    = false
  default     = "mon:04:00-mon:05:00"
}

variable "deletion_protection" {
  description = "Refuse to delete the instance, and take a final snapshot when it is deleted after all."
  type        = bool
  nullable    = false
  default     = true
}

variable "performance_insights" {
  description = "Turn Performance Insights on where the instance class has it."
  type        = bool
  nullable    = false
  default     = true
}

variable "monitoring_interval_seconds" {
  description = "Interval of enhanced monitoring; 0 turns it off."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.monitoring_interval_seconds)
    error_message = "RDS knows intervals of 0, 1, 5, 10, 15, 30 and 60 seconds."
  }
}

variable "log_retention_days" {
  description = "Days that exported logs are kept."
  type        = number
  nullable    = false
  default     = 7
}

variable "apply_immediately" {
  description = "Change the instance at once instead of in the maintenance window."
  type        = bool
  nullable    = false
  default     = false
}

variable "master_password" {
  description = "The administrator's password. It goes to a write-only argument, so no state and no plan has it."
  type        = string
  nullable    = false
  ephemeral   = true
  sensitive   = true
}

variable "master_password_version" {
  description = "Raised when the password is another one: that is how Terraform notices."
  type        = number
  nullable    = false

  validation {
    condition     = var.master_password_version >= 1 && floor(var.master_password_version) == var.master_password_version
    error_message = "The version is a whole number from 1."
  }
}
