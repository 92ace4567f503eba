variable "name" {
  description = "Name of the load balancer and prefix of its target groups."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "The name must be 2 to 16 lower-case letters, digits or hyphens: a target group's name has 32 characters with the backend's."
  }
}

variable "account_id" {
  description = "Account, for the bucket of access logs and its policy."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the load balancer."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "VPC of the target groups."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets of the load balancer."
  type        = list(string)
  nullable    = false
}

variable "security_group_ids" {
  description = "Groups of the load balancer."
  type        = list(string)
  nullable    = false
}

variable "namespace" {
  description = "Private Cloud Map namespace in which the load balancer gets a name that outlives it."
  type = object({
    id     = string
    domain = string
  })
  nullable = false
}

variable "host" {
  description = "That name's first label."
  type        = string
  nullable    = false
  default     = "lgtm"
}

variable "table" {
  description = "The route table (terraform/routes.yml, decoded): tenant header, backends, and routes in order of priority."
  type = object({
    tenant_header = string
    backends = map(object({
      port        = number
      health_path = string
      health_port = optional(number)
    }))
    routes = list(object({
      name      = string
      priority  = number
      paths     = list(string)
      backend   = string
      tenant    = bool
      federated = optional(bool, false)
    }))
  })
  nullable = false

  validation {
    condition     = alltrue([for route in var.table.routes : contains(keys(var.table.backends), route.backend)])
    error_message = "Every route must go to a backend of the table: ${join(", ", [for route in var.table.routes : route.name if !contains(keys(var.table.backends), route.backend)])}."
  }

  validation {
    condition     = alltrue([for index in range(1, length(var.table.routes)) : var.table.routes[index].priority - var.table.routes[index - 1].priority >= 10])
    error_message = "Routes must stand in order of priority, at least 10 apart: a route takes one rule for each tenant, one for all of them and one that refuses the others."
  }

  validation {
    condition     = alltrue([for route in var.table.routes : route.tenant || !route.federated])
    error_message = "A federated route takes a tenant: ${join(", ", [for route in var.table.routes : route.name if route.federated && !route.tenant])}."
  }

  validation {
    condition     = alltrue([for route in var.table.routes : length(route.paths) + (route.tenant ? 1 : 0) <= 5])
    error_message = "A rule takes 5 condition values, the tenant header one of them: split ${join(", ", [for route in var.table.routes : route.name if length(route.paths) + (route.tenant ? 1 : 0) > 5])}."
  }
}

variable "tenants" {
  description = "Tenant ids that are let through, oldest first. Append at the end: a place in the list is a rule's priority."
  type        = list(string)
  nullable    = false

  validation {
    # The load balancer takes 100 rules: with 12 routes that ask for a tenant, 7 tenants make exactly as many.
    condition     = length(var.tenants) >= 1 && length(var.tenants) <= 7 && length(var.tenants) == length(distinct([for tenant in var.tenants : lower(tenant)]))
    error_message = "Give 1 to 7 tenants, each once; the load balancer does not tell capital letters from small ones."
  }

  validation {
    condition     = length(join("|", var.tenants)) <= 128
    error_message = "All tenants together, with a | between them, have more than the 128 characters that a rule of the load balancer takes: take out former tenants whose data have expired."
  }

  validation {
    condition     = alltrue([for tenant in var.tenants : can(regex("^[A-Za-z0-9!_.'()-]{1,128}$", tenant))])
    error_message = "A tenant id has 1 to 128 of letters, digits and !_.'()- (no wildcard of the load balancer, no |)."
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
