variable "environment" {
  description = "Environment, the first part of every name."
  type        = string
  nullable    = false
}

variable "service" {
  description = "Name of the service: second part of every name, host under the domain, and private name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.service)) && length("${var.environment}-${var.service}-tg") <= 32
    error_message = "A service has lower-case letters, digits and single hyphens, and with the environment at most 28 characters (a target group's name has 32)."
  }
}

variable "account_id" {
  description = "Account, for the bucket's name and the roles' trust."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the service."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Repository and tag of the container's image, and what it is built for (X86_64 or ARM64)."
  type = object({
    repository_url = string
    repository_arn = string
    tag            = string
    architecture   = optional(string, "X86_64")
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image.tag)) && var.image.tag != "latest"
    error_message = "Give the tag of a release. Tags are immutable, so that latest would be the first image for ever."
  }

  validation {
    condition     = contains(["X86_64", "ARM64"], var.image.architecture)
    error_message = "Fargate runs X86_64 and ARM64."
  }
}

variable "task" {
  description = "Size of a task and how many run at least."
  type = object({
    cpu        = number
    memory_mib = number
    count      = number
  })
  nullable = false

  validation {
    condition     = var.task.memory_mib >= 2 * var.task.cpu && var.task.memory_mib <= 8 * var.task.cpu
    error_message = "Fargate gives 2 to 8 MiB for each CPU unit."
  }
}

variable "port" {
  description = "Port on which the container answers HTTP."
  type        = number
  nullable    = false
  default     = 8080
}

variable "health_check" {
  description = "How the load balancer asks a task, and how long a task may start (grace) and finish (drain), in seconds."
  type = object({
    path             = optional(string, "/actuator/health")
    interval_seconds = optional(number, 15)
    timeout_seconds  = optional(number, 5)
    grace_seconds    = optional(number, 120)
    drain_seconds    = optional(number, 30)
  })
  nullable = false
  default  = {}

  validation {
    condition     = startswith(var.health_check.path, "/") && var.health_check.timeout_seconds < var.health_check.interval_seconds
    error_message = "The path starts with / and the timeout is shorter than the interval."
  }

  validation {
    condition     = var.health_check.drain_seconds <= 120
    error_message = "Fargate stops a task after 120 seconds at the latest."
  }
}

variable "autoscaling" {
  description = "Most tasks, and the average utilisations (percent) that are kept by more or fewer tasks."
  type = object({
    max_count      = number
    cpu_percent    = optional(number, 70)
    memory_percent = optional(number, 75)
  })
  nullable = false

  validation {
    condition     = alltrue([for percent in [var.autoscaling.cpu_percent, var.autoscaling.memory_percent] : percent > 0 && percent <= 100])
    error_message = "A utilisation is 1 to 100 percent."
  }
}

variable "environment_variables" {
  description = "Environment variables that are no secrets, beside ENVIRONMENT, SERVICE_NAME, QUEUE_URL and BUCKET."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "secrets" {
  description = <<-EOT
    Environment variables from Secrets Manager: `value_from` as ECS wants it (ARN, then :key:: for one key of a JSON secret)
    and `policy_arn`, the ARN or pattern for the execution role. Values never pass through Terraform.
  EOT
  type = map(object({
    value_from = string
    policy_arn = string
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for secret in values(var.secrets) : startswith(secret.value_from, "arn:aws:secretsmanager:") && startswith(secret.policy_arn, "arn:aws:secretsmanager:")])
    error_message = "Secrets are given by ARN."
  }
}

variable "queue" {
  description = "SQS queue with a dead letter queue, as the catalog says; null for none."
  type = object({
    visibility_timeout_seconds = number
    max_receive_count          = number
  })
  nullable = true
  default  = null
}

variable "bucket" {
  description = "S3 bucket with the ages (days) at which objects move and expire, as the catalog says; null for none."
  type = object({
    ia_days      = number
    glacier_days = number
    expire_days  = number
  })
  nullable = true
  default  = null
}

variable "expire_objects" {
  description = "Let objects of the bucket move and expire by age. Only an estate that ends with its memory does without."
  type        = bool
  nullable    = false
  default     = true
}

variable "keys" {
  description = "Customer keys by use."
  type = object({
    logs    = string
    s3      = string
    secrets = string
    sqs     = string
  })
  nullable = false
}

variable "cluster_arn" {
  description = "ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws:ecs:.*:cluster/.+$", var.cluster_arn))
    error_message = "Give the cluster's ARN."
  }
}

variable "capacity_strategy" {
  description = "Weights of the capacity providers (FARGATE, FARGATE_SPOT)."
  type        = map(number)
  nullable    = false

  validation {
    condition     = length(var.capacity_strategy) > 0 && length(setsubtract(keys(var.capacity_strategy), ["FARGATE", "FARGATE_SPOT"])) == 0
    error_message = "Give FARGATE, FARGATE_SPOT or both."
  }
}

variable "exec" {
  description = "Allow ECS Exec, with the cluster's session log and key; null refuses it and makes the root file system read-only."
  type = object({
    log_group_arn = string
    kms_key_arn   = string
  })
  nullable = true
  default  = null
}

variable "network" {
  description = <<-EOT
    Where tasks run. `security_group_ids`: groups of every task; `reaches`: groups and ports that this service asked for
    (each gets a rule from the service's own group); `namespace_id`: Cloud Map namespace of the private name.
  EOT
  type = object({
    vpc_id             = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
    namespace_id       = string
    reaches = optional(map(object({
      security_group_id = string
      port              = number
    })), {})
  })
  nullable = false
}

variable "load_balancer" {
  description = "HTTPS listener, and the host name and zone of its load balancer for the alias record."
  type = object({
    listener_arn = string
    dns_name     = string
    zone_id      = string
  })
  nullable = false
}

variable "dns" {
  description = <<-EOT
    Public zone. `other_domains`: domains whose host of the service is answered for too (failing over); `failover`: role of
    the record in a failover pair (PRIMARY, SECONDARY), empty for a plain record.
  EOT
  type = object({
    zone_id       = string
    domain        = string
    other_domains = optional(list(string), [])
    failover      = optional(string, "")
  })
  nullable = false

  validation {
    condition     = contains(["", "PRIMARY", "SECONDARY"], var.dns.failover)
    error_message = "failover is PRIMARY, SECONDARY or empty."
  }
}

variable "log_retention_days" {
  description = "Days that the service's logs are kept."
  type        = number
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete the bucket while it has objects."
  type        = bool
  nullable    = false
  default     = true
}

variable "tags" {
  description = "The service's own tags: Service, Owner, Team, CostCenter, Lifecycle, DataClass, Repository."
  type        = map(string)
  nullable    = false
  default     = {}
}
