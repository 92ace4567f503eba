variable "environment" {
  description = "Name of the environment, the first part of every name."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the buckets and logs."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account, the last part of the buckets' names."
  type        = string
  nullable    = false
}

variable "cluster_arn" {
  description = "ECS cluster of the services."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets of the tasks and of Grafana's file system, one a zone."
  type        = list(string)
  nullable    = false
}

variable "security_group_id" {
  description = "Group of the tasks and of Grafana's file system."
  type        = string
  nullable    = false
}

variable "namespace" {
  description = "Private Cloud Map namespace: tasks find each other by its names."
  type = object({
    id     = string
    domain = string
  })
  nullable = false
}

variable "kms_key_arns" {
  description = "Keys of stored data (buckets and file system), logs and secrets."
  type = object({
    data    = string
    logs    = string
    secrets = string
  })
  nullable = false
}

variable "secret_arns" {
  description = "Secrets that Grafana gets by the environment: administrator's password, and the key of what its database encrypts."
  type = object({
    admin_password = string
    secret_key     = string
  })
  nullable = false
}

variable "endpoint" {
  description = "URL of the load balancer before the servers."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^http://[a-z0-9.-]+$", var.endpoint))
    error_message = "The endpoint is http:// and a host name, without a path."
  }
}

variable "tenant_header" {
  description = "HTTP header that names the tenant."
  type        = string
  nullable    = false
}

variable "ports" {
  description = "Port of each backend of the route table, and the target groups that send to it."
  type = object({
    mimir      = number
    loki       = number
    tempo      = number
    tempo_otlp = number
    pyroscope  = number
    grafana    = number
  })
  nullable = false
}

variable "target_group_arns" {
  description = "Target group of each backend of the route table."
  type = object({
    mimir      = string
    loki       = string
    tempo      = string
    tempo_otlp = string
    pyroscope  = string
    grafana    = string
  })
  nullable = false
}

variable "tenant_id" {
  description = "Tenant that the estate writes and reads."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9!_.'()-]{1,128}$", var.tenant_id))
    error_message = "A tenant id has 1 to 128 of letters, digits and !_.'()-."
  }
}

variable "former_tenant_ids" {
  description = "Tenants of before a change, oldest first: their data stay readable until retention takes them."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = !contains(var.former_tenant_ids, var.tenant_id)
    error_message = "The current tenant is not a former one."
  }
}

variable "servers" {
  description = "Size and number of tasks of each server. One task keeps one copy of what is not in S3 yet, three or more keep three."
  type = map(object({
    cpu        = number
    memory_mib = number
    count      = optional(number, 1)
  }))
  nullable = false

  validation {
    condition     = toset(keys(var.servers)) == toset(["grafana", "loki", "mimir", "pyroscope", "tempo"])
    error_message = "Give grafana, loki, mimir, pyroscope and tempo."
  }

  validation {
    condition     = alltrue([for name, server in var.servers : name == "grafana" ? server.count == 1 : server.count == 1 || server.count >= 3])
    error_message = "A server has 1 task or at least 3 (two cannot outvote one); Grafana has 1, its database is a file."
  }

  validation {
    condition = alltrue([
      for server in values(var.servers) : contains(keys(local.fargate_memory_mib), tostring(server.cpu)) &&
      try(contains(local.fargate_memory_mib[tostring(server.cpu)], server.memory_mib), false)
    ])
    error_message = "Fargate does not have this pair of cpu and memory_mib: 256 has 512, 1024 and 2048; 512 has 1 to 4 GiB; 1024 has 2 to 8; 2048 has 4 to 16; 4096 has 8 to 30."
  }
}

variable "images" {
  description = "Image of each server and of the container that writes their configuration, with registry and version."
  type = object({
    mimir     = string
    loki      = string
    tempo     = string
    pyroscope = string
    grafana   = string
    configure = string
  })
  nullable = false

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9/._-]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", image)) && !endswith(image, ":latest")])
    error_message = "An image is registry/name:version or registry/name@sha256:…, and the version is not latest."
  }
}

variable "retention_days" {
  description = "Days after which metrics, logs, traces and profiles are deleted."
  type = object({
    metrics  = number
    logs     = number
    traces   = number
    profiles = number
  })
  nullable = false

  validation {
    condition     = alltrue([for days in values(var.retention_days) : days >= 1 && floor(days) == days])
    error_message = "Retention is a whole number of days from 1."
  }
}

variable "expire_objects" {
  description = "Let S3 delete what the servers missed, and old versions. Only an estate that ends with its memory does without."
  type        = bool
  nullable    = false
  default     = true
}

variable "log_retention_days" {
  description = "Days that the servers' own logs are kept."
  type        = number
  nullable    = false
}

variable "spot" {
  description = "Run the tasks on Fargate Spot. A task is told two minutes before it is taken and ships its data in them."
  type        = bool
  nullable    = false
  default     = false
}

variable "deletion_protection" {
  description = "Refuse to delete buckets with objects."
  type        = bool
  nullable    = false
  default     = true
}
