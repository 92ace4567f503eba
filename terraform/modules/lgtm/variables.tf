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

variable "health" {
  description = "Where each server says that it is well, by backend of the route table."
  type = object({
    mimir     = object({ port = number, path = string })
    loki      = object({ port = number, path = string })
    tempo     = object({ port = number, path = string })
    pyroscope = object({ port = number, path = string })
    grafana   = object({ port = number, path = string })
  })
  nullable = false

  validation {
    condition     = var.health.pyroscope.path == "/ready"
    error_message = "Pyroscope's own check asks /ready and no other path."
  }
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
    condition     = can(regex("^[A-Za-z0-9!_.'()-]{1,128}$", var.tenant_id)) && !contains([".", "..", "__mimir_cluster"], var.tenant_id)
    error_message = "A tenant id has 1 to 128 of letters, digits and !_.'()-, and is not ., .. or __mimir_cluster."
  }
}

variable "former_tenant_ids" {
  description = "Tenants of before a change, oldest first: their data stay readable until retention takes them."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = !contains([for tenant in var.former_tenant_ids : lower(tenant)], lower(var.tenant_id))
    error_message = "${var.tenant_id} is the current tenant and cannot be a former one too: take it out of former_tenant_ids (capital and small letters count as the same)."
  }

  validation {
    condition     = length(var.former_tenant_ids) == length(distinct([for tenant in var.former_tenant_ids : lower(tenant)]))
    error_message = "A former tenant stands in the list twice."
  }

  validation {
    condition     = alltrue([for tenant in var.former_tenant_ids : can(regex("^[A-Za-z0-9!_.'()-]{1,128}$", tenant)) && !contains([".", "..", "__mimir_cluster"], tenant)])
    error_message = "A tenant id has 1 to 128 of letters, digits and !_.'()-, and is not ., .. or __mimir_cluster: a list such as old|new is made by Groundwork, give the tenants one by one."
  }

  validation {
    condition     = length(join("|", concat(var.former_tenant_ids, [var.tenant_id]))) <= 128
    error_message = "All tenants together have more than the 128 characters that a rule of the load balancer takes: take out former tenants whose data have expired."
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

variable "limits" {
  description = "What the tenant may send: series of metrics in memory and streams of logs at a time, MiB a second of logs, traces and profiles, series of profiles. What is over is refused with 429, which Alloy sends again."
  type = object({
    series            = number
    log_streams       = number
    log_mib           = number
    trace_mib         = number
    profile_mib       = number
    profile_series    = number
    series_per_metric = optional(number, 0)
  })
  nullable = false

  validation {
    condition     = alltrue([for name, value in var.limits : value > 0 || name == "series_per_metric"])
    error_message = "A limit is more than 0: without one, a single service can take all memory of the servers."
  }

  validation {
    # In memory a series takes about 4 KiB with its index and samples; half of the memory is for queries.
    condition     = var.limits.series * 4096 <= var.servers["mimir"].memory_mib * 1048576 * var.servers["mimir"].count / min(var.servers["mimir"].count, 3) / 2
    error_message = "Mimir's tasks hold at most ${floor(var.servers["mimir"].memory_mib * 128 * var.servers["mimir"].count / min(var.servers["mimir"].count, 3))} series in half of their memory: give fewer series, or more memory."
  }
}

variable "alerts" {
  description = "Topic that Alertmanager notifies, and the key of its messages. The topic may be made later: notifications are tried again."
  type = object({
    topic_arn   = string
    kms_key_arn = string
  })
  nullable = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alerts.topic_arn))
    error_message = "topic_arn is the ARN of an SNS topic."
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
