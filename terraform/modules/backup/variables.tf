variable "name" {
  description = "Prefix of everything here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,35}$", var.name))
    error_message = "The name has 2 to 36 lower-case letters, digits or hyphens: vaults have at most 50 characters."
  }
}

variable "account_id" {
  description = "Account whose backups AWS Backup takes with the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has twelve digits."
  }
}

variable "kms_key_arn" {
  description = "Key of the vault."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete the vault while it has recovery points."
  type        = bool
  nullable    = false
  default     = true
}

variable "plan" {
  description = "Make the plan, its selection and its role; false for a vault that another region's plan copies to."
  type        = bool
  nullable    = false
  default     = true
}

variable "daily_days" {
  description = "Days that the daily backups are kept."
  type        = number
  nullable    = false
  default     = 7

  validation {
    condition     = var.daily_days >= 1 && floor(var.daily_days) == var.daily_days
    error_message = "Keep daily backups for a whole number of days from 1."
  }
}

variable "weekly_days" {
  description = "Days that the weekly backups are kept."
  type        = number
  nullable    = false
  default     = 35

  validation {
    condition     = var.weekly_days >= 7 && floor(var.weekly_days) == var.weekly_days
    error_message = "Keep weekly backups for at least 7 days, or there are days without one."
  }
}

variable "daily_schedule" {
  description = "When the daily backup starts (UTC); outside of the databases' own backup and maintenance windows."
  type        = string
  nullable    = false
  default     = "cron(0 18 * * ? *)"
}

variable "weekly_schedule" {
  description = "When the weekly backup starts (UTC)."
  type        = string
  nullable    = false
  default     = "cron(0 20 ? * SUN *)"
}

variable "copy_vault_arn" {
  description = "Vault of another region that gets a copy of each backup. Empty: none."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.copy_vault_arn == "" || can(regex("^arn:[a-z-]+:backup:[a-z0-9-]+:[0-9]{12}:backup-vault:", var.copy_vault_arn))
    error_message = "Give the ARN of a vault: arn:aws:backup:<region>:<account>:backup-vault:<name>."
  }
}

variable "resource_patterns" {
  description = "ARN patterns of the types that are backed up. Hosts are not among them: Kafka's data is in its replicas and its own backups."
  type        = list(string)
  nullable    = false
  default     = ["arn:aws:rds:*:*:db:*", "arn:aws:dynamodb:*:*:table/*"]

  validation {
    condition     = length(var.resource_patterns) > 0
    error_message = "A selection needs types."
  }
}

variable "tags" {
  description = "Tags that a resource must have, all of them, to be backed up."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = !var.plan || length(var.tags) > 0
    error_message = "Without tags the backups of every environment of the account would be taken."
  }
}
